// What the runtime relies on: Host.
#include <set>

#include "runtime/kernel/contract/checks.h"
#include "runtime/kernel/contract/containers.h"
#include "runtime/kernel/host.h"

namespace twinhull::contract {
namespace {

std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

CASE(info_describes_the_node) {
  const HostInfo info = MUST(stage.kernel().host().info());
  BOOST_CHECK(!info.hostname.empty());
  BOOST_CHECK(!info.kernel.empty());
  BOOST_CHECK(!info.architecture.empty());
  BOOST_CHECK(!info.online_cpus.cpus.empty());
  BOOST_CHECK(info.memory.value >= 64 << 20);
  BOOST_CHECK(info.backend == "linux" || info.backend == "sim");
}

CASE(online_cpus_are_ascending) {
  const HostInfo info = MUST(stage.kernel().host().info());
  BOOST_CHECK(CpuSet::parse(info.online_cpus.text()) == info.online_cpus);
}

CASE(info_is_the_same_twice) {
  const HostInfo first = MUST(stage.kernel().host().info());
  const HostInfo second = MUST(stage.kernel().host().info());
  BOOST_CHECK_EQUAL(first.memory.value, second.memory.value);
  BOOST_CHECK_EQUAL(first.hostname, second.hostname);
  BOOST_CHECK(first.online_cpus == second.online_cpus);
}

CASE(every_feature_is_answered_with_a_reason) {
  for (std::size_t i = 0; i < kFeatureCount; ++i) {
    const auto feature = static_cast<Feature>(i);
    const Support support = MUST(stage.kernel().host().supports(feature));
    BOOST_CHECK_MESSAGE(!support.reason.empty(), to_string(feature) << " is answered without a "
                                                                       "reason or mechanism");
  }
}

CASE(the_least_that_start_needs_is_there) {
  for (const Feature feature : {Feature::containers, Feature::overlay, Feature::channels}) {
    const Support support = MUST(stage.kernel().host().supports(feature));
    BOOST_CHECK_MESSAGE(support.available, to_string(feature) << ": " << support.reason);
  }
}

CASE(load_average_is_readable) {
  const LoadAverage load = MUST(stage.kernel().host().load());
  for (const std::uint64_t hundredths : load.hundredths) BOOST_CHECK(hundredths < 1'000'000);
}

CASE(usage_is_within_what_the_node_has) {
  const Box box = MUST(start_box(stage, "c1"));
  const HostInfo info = MUST(stage.kernel().host().info());
  const HostUsage usage = MUST(stage.kernel().host().usage());
  BOOST_CHECK(usage.memory.value > 0);
  BOOST_CHECK(usage.memory <= info.memory);
  BOOST_CHECK(usage.swap <= info.swap);
  BOOST_CHECK(usage.processes > 0);
  BOOST_CHECK(usage.threads > 0);
  BOOST_CHECK(usage.cpu >= Duration::zero());
}

CASE(usage_counts_cpu_time_of_containers) {
  const Box box = MUST(start_box(stage, "c1"));
  const HostUsage before = MUST(stage.kernel().host().usage());
  MUST(shell_output(stage, box, "vzload cpu --for 1"));
  const HostUsage after = MUST(stage.kernel().host().usage());
  const Duration worked = after.cpu - before.cpu;
  BOOST_CHECK_MESSAGE(worked >= milliseconds(500), worked.count() << " ns");
}

CASE(disk_of_a_directory) {
  const DiskInfo disk = MUST(stage.kernel().host().disk(stage.scratch()));
  BOOST_CHECK(!disk.file_system.empty());
  BOOST_CHECK(disk.capacity.value > 0);
  BOOST_CHECK(disk.available <= disk.capacity);
  BOOST_CHECK(disk.available.value >= 256 << 20);
  BOOST_CHECK(disk.used.value > 0);
  BOOST_CHECK(disk.used <= disk.capacity);
}

CASE(disk_of_a_path_that_is_not_there_yet_is_that_of_its_ancestor) {
  const DiskInfo here = MUST(stage.kernel().host().disk(stage.scratch()));
  const DiskInfo below = MUST(stage.kernel().host().disk(stage.scratch() + "/a/b/c"));
  BOOST_CHECK_EQUAL(here.file_system, below.file_system);
  BOOST_CHECK_EQUAL(here.capacity.value, below.capacity.value);
}

CASE(disk_refuses_a_relative_path) {
  REFUSED(stage.kernel().host().disk("tmp"), invalid_argument);
}

CASE(boot_id_stays_during_a_boot) {
  const std::string id = MUST(stage.kernel().host().boot_id());
  BOOST_CHECK(!id.empty());
  BOOST_CHECK_EQUAL(id, MUST(stage.kernel().host().boot_id()));
}

CASE(features_have_different_names) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kFeatureCount; ++i) names.insert(to_string(static_cast<Feature>(i)));
  BOOST_CHECK_EQUAL(names.size(), kFeatureCount);
}

}  // namespace

Area host_area() {
  return {"host", cases()};
}

}  // namespace twinhull::contract
