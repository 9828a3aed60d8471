// What the runtime relies on: Cgroups, groups and what setters hand back.
#include <algorithm>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/contract/checks.h"
#include "runtime/kernel/contract/containers.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"

namespace twinhull::contract {
namespace {

std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

const CgroupPath kGroup{"g1"};
const CgroupPath kMissing{"no-such-group"};

CASE(create_and_remove_can_be_repeated) {
  Cgroups& cgroups = stage.kernel().cgroups();
  CHANGED(cgroups.create(kGroup));
  NO_EFFECT(cgroups.create(kGroup));
  CHANGED(cgroups.remove(kGroup));
  NO_EFFECT(cgroups.remove(kGroup));
}

CASE(children_are_sorted) {
  Cgroups& cgroups = stage.kernel().cgroups();
  BOOST_CHECK(MUST(cgroups.children({})).empty());
  for (const std::string name : {"b", "a", "10", "9"}) MUST(cgroups.create({name}));
  MUST(cgroups.create({"a/x"}));
  BOOST_CHECK((MUST(cgroups.children({})) == std::vector<std::string>{"10", "9", "a", "b"}));
  BOOST_CHECK((MUST(cgroups.children({"a"})) == std::vector<std::string>{"x"}));
  BOOST_CHECK(MUST(cgroups.children({"a/x"})).empty());
  REFUSED(cgroups.children(kMissing), not_found);
}

CASE(two_nodes_have_groups_of_their_own) {
  MUST(stage.kernel().cgroups().create(kGroup));
  BOOST_CHECK(MUST(stage.peer().cgroups().children({})).empty());
  REFUSED(stage.peer().cgroups().sample(kGroup), not_found);
}

CASE(create_needs_the_parent) {
  Cgroups& cgroups = stage.kernel().cgroups();
  REFUSED(cgroups.create({"no/child"}), not_found);
  BOOST_CHECK(MUST(cgroups.children({})).empty());
}

CASE(paths_are_checked_first) {
  Cgroups& cgroups = stage.kernel().cgroups();
  const std::string deep = "1/2/3/4/5/6/7/8/9";
  for (const std::string& path :
       {std::string("/g1"), std::string("g1/"), std::string("a//b"), std::string("."),
        std::string("a/.."), std::string("a b"), std::string(65, 'x'), deep}) {
    REFUSED(cgroups.create({path}), invalid_argument);
    REFUSED(cgroups.remove({path}), invalid_argument);
    REFUSED(cgroups.children({path}), invalid_argument);
    REFUSED(cgroups.sample({path}), invalid_argument);
    REFUSED(cgroups.kill_all({path}), invalid_argument);
  }
  REFUSED(cgroups.create({}), invalid_argument);
  REFUSED(cgroups.remove({}), invalid_argument);
}

CASE(limits_are_read_back_as_the_setters_kept_them) {
  Cgroups& cgroups = stage.kernel().cgroups();
  MUST(cgroups.create(kGroup));
  const CgroupLimits fresh = MUST(cgroups.limits(kGroup, {}));
  BOOST_CHECK(fresh.shares.has_value());  // v1 and v2 begin with different ones
  BOOST_CHECK(!fresh.quota);
  BOOST_CHECK((fresh.cpus == MUST(stage.kernel().host().info()).online_cpus));
  BOOST_CHECK((fresh.memory == MemoryLimit{}));
  BOOST_CHECK(fresh.pids == kUnlimited);
  Host& host = stage.kernel().host();
  const bool high = MUST(host.supports(Feature::memory_high)).available;
  const bool low = MUST(host.supports(Feature::memory_low)).available;
  BOOST_CHECK(fresh.memory_high == (high ? std::optional(Bytes{kUnlimited}) : std::nullopt));
  BOOST_CHECK(fresh.memory_low == (low ? std::optional(Bytes{0}) : std::nullopt));
  BOOST_REQUIRE(fresh.memory_nodes.has_value());
  BOOST_CHECK_EQUAL(fresh.memory_nodes->cpus.size(), MUST(host.info()).memory_nodes.size());
  BOOST_CHECK(!fresh.io && !fresh.io_weight);  // nobody asked about a disk

  CgroupLimits kept;
  kept.shares = MUST(cgroups.set_cpu_shares(kGroup, {2000}));
  kept.quota = MUST(cgroups.set_cpu_quota(kGroup, CpuQuota{.quota = milliseconds(30)}));
  kept.cpus = MUST(cgroups.set_cpus(kGroup, CpuSet{{fresh.cpus->cpus.front()}}));
  kept.memory = MUST(cgroups.set_memory(kGroup, {.memory = {(std::uint64_t{64} << 20) + 5}}));
  if (high)
    kept.memory_high = MUST(cgroups.set_memory_high(kGroup, {(std::uint64_t{32} << 20) + 5}));
  if (low) kept.memory_low = MUST(cgroups.set_memory_low(kGroup, {(std::uint64_t{16} << 20) + 5}));
  kept.memory_nodes =
      MUST(cgroups.set_memory_nodes(kGroup, CpuSet{{fresh.memory_nodes->cpus.front()}}));
  kept.pids = MUST(cgroups.set_pids(kGroup, 20));
  BOOST_CHECK(MUST(cgroups.limits(kGroup, {})) == kept);

  MUST(cgroups.set_cpu_shares(kGroup, *fresh.shares));
  MUST(cgroups.set_cpu_quota(kGroup, std::nullopt));
  MUST(cgroups.set_cpus(kGroup, std::nullopt));
  MUST(cgroups.set_memory(kGroup, MemoryLimit{}));
  if (high) MUST(cgroups.set_memory_high(kGroup, {kUnlimited}));
  if (low) MUST(cgroups.set_memory_low(kGroup, {0}));
  MUST(cgroups.set_memory_nodes(kGroup, std::nullopt));
  MUST(cgroups.set_pids(kGroup, kUnlimited));
  BOOST_CHECK(MUST(cgroups.limits(kGroup, {})) == fresh);
  REFUSED(cgroups.limits(kMissing, {}), not_found);
  REFUSED(cgroups.limits({"a//b"}, {}), invalid_argument);
}

CASE(eight_levels_are_allowed) {
  Cgroups& cgroups = stage.kernel().cgroups();
  std::string path;
  for (int i = 1; i <= 8; ++i) {
    path += (i == 1 ? "" : "/") + std::to_string(i);
    CHANGED(cgroups.create({path}));
  }
  BOOST_CHECK(MUST(cgroups.children({path})).empty());
}

CASE(remove_refuses_a_group_with_children) {
  Cgroups& cgroups = stage.kernel().cgroups();
  MUST(cgroups.create(kGroup));
  MUST(cgroups.create({"g1/child"}));
  REFUSED(cgroups.remove(kGroup), not_empty);
  CHANGED(cgroups.remove({"g1/child"}));
  CHANGED(cgroups.remove(kGroup));
}

CASE(remove_refuses_a_group_with_processes) {
  const Box box = MUST(start_box(stage, "c1"));
  REFUSED(stage.kernel().cgroups().remove(box.group), busy);
  BOOST_CHECK(MUST(stage.kernel().processes().alive(box.init)));
  BOOST_CHECK_EQUAL(MUST(stage.kernel().cgroups().processes(box.group)).size(), 1);
}

CASE(every_call_needs_the_group) {
  Cgroups& cgroups = stage.kernel().cgroups();
  REFUSED(cgroups.set_cpu_shares(kMissing, {1024}), not_found);
  REFUSED(cgroups.set_cpu_quota(kMissing, std::nullopt), not_found);
  REFUSED(cgroups.set_cpus(kMissing, std::nullopt), not_found);
  REFUSED(cgroups.set_memory(kMissing, {}), not_found);
  REFUSED(cgroups.set_pids(kMissing, 10), not_found);
  REFUSED(cgroups.set_devices(kMissing, {}), not_found);
  REFUSED(cgroups.freeze(kMissing), not_found);
  REFUSED(cgroups.thaw(kMissing), not_found);
  REFUSED(cgroups.freeze_state(kMissing), not_found);
  REFUSED(cgroups.kill_all(kMissing), not_found);
  REFUSED(cgroups.processes(kMissing), not_found);
  REFUSED(cgroups.sample(kMissing), not_found);
}

CASE(shares_are_clamped) {
  Cgroups& cgroups = stage.kernel().cgroups();
  MUST(cgroups.create(kGroup));
  NEEDS(stage, cpu_shares, cgroups.set_cpu_shares(kGroup, {1024}));
  BOOST_CHECK_EQUAL(MUST(cgroups.set_cpu_shares(kGroup, {1024})).value, 1024);
  BOOST_CHECK_EQUAL(MUST(cgroups.set_cpu_shares(kGroup, {0})).value, 2);
  BOOST_CHECK_EQUAL(MUST(cgroups.set_cpu_shares(kGroup, {1})).value, 2);
  BOOST_CHECK_EQUAL(MUST(cgroups.set_cpu_shares(kGroup, {262'144})).value, 262'144);
  BOOST_CHECK_EQUAL(MUST(cgroups.set_cpu_shares(kGroup, {1'000'000})).value, 262'144);
}

CASE(quota_is_kept_and_lifted) {
  Cgroups& cgroups = stage.kernel().cgroups();
  MUST(cgroups.create(kGroup));
  const CpuQuota quota{milliseconds(50), milliseconds(100)};
  NEEDS(stage, cpu_quota, cgroups.set_cpu_quota(kGroup, quota));
  BOOST_CHECK(MUST(cgroups.set_cpu_quota(kGroup, quota)) == quota);
  const CpuQuota several{milliseconds(1500), seconds(1)};
  BOOST_CHECK(MUST(cgroups.set_cpu_quota(kGroup, several)) == several);
  BOOST_CHECK(!MUST(cgroups.set_cpu_quota(kGroup, std::nullopt)).has_value());
}

CASE(quota_out_of_range_is_refused) {
  Cgroups& cgroups = stage.kernel().cgroups();
  MUST(cgroups.create(kGroup));
  const auto set = [&](Duration quota, Duration period) {
    return cgroups.set_cpu_quota(kGroup, CpuQuota{quota, period});
  };
  NEEDS(stage, cpu_quota, set(milliseconds(50), milliseconds(100)));
  REFUSED(set(microseconds(999), milliseconds(100)), invalid_argument);
  REFUSED(set(Duration(0), milliseconds(100)), invalid_argument);
  REFUSED(set(milliseconds(-50), milliseconds(100)), invalid_argument);
  REFUSED(set(milliseconds(50), microseconds(999)), invalid_argument);
  REFUSED(set(milliseconds(50), milliseconds(1001)), invalid_argument);
}

CASE(quota_of_a_child_fits_its_parent) {
  Cgroups& cgroups = stage.kernel().cgroups();
  MUST(cgroups.create(kGroup));
  MUST(cgroups.create({"g1/child"}));
  const CpuQuota half{milliseconds(50), milliseconds(100)};
  NEEDS(stage, cpu_quota, cgroups.set_cpu_quota(kGroup, half));
  MUST(cgroups.set_cpu_quota(kGroup, half));
  REFUSED(cgroups.set_cpu_quota({"g1/child"}, CpuQuota{milliseconds(60), milliseconds(100)}),
          invalid_argument);
  MUST(cgroups.set_cpu_quota({"g1/child"}, CpuQuota{milliseconds(40), milliseconds(100)}));
}

CASE(cpus_are_kept_and_reset_to_the_parents) {
  Cgroups& cgroups = stage.kernel().cgroups();
  MUST(cgroups.create(kGroup));
  const CpuSet all = MUST(stage.kernel().host().info()).online_cpus;
  const CpuSet first{{all.cpus.front()}};
  NEEDS(stage, cpuset, cgroups.set_cpus(kGroup, first));
  BOOST_CHECK(MUST(cgroups.set_cpus(kGroup, first)) == first);
  BOOST_CHECK(MUST(cgroups.set_cpus(kGroup, std::nullopt)) == all);
}

CASE(cpus_that_are_not_there_are_refused) {
  Cgroups& cgroups = stage.kernel().cgroups();
  MUST(cgroups.create(kGroup));
  const CpuSet all = MUST(stage.kernel().host().info()).online_cpus;
  NEEDS(stage, cpuset, cgroups.set_cpus(kGroup, all));
  REFUSED(cgroups.set_cpus(kGroup, CpuSet{{all.cpus.back() + 1}}), invalid_argument);
  REFUSED(cgroups.set_cpus(kGroup, CpuSet{}), invalid_argument);
}

CASE(cpus_of_a_child_are_of_its_parent) {
  Cgroups& cgroups = stage.kernel().cgroups();
  const CpuSet all = MUST(stage.kernel().host().info()).online_cpus;
  BOOST_REQUIRE_MESSAGE(all.cpus.size() >= 2, "the stage needs two CPUs");
  MUST(cgroups.create(kGroup));
  const CpuSet first{{all.cpus[0]}}, second{{all.cpus[1]}};
  NEEDS(stage, cpuset, cgroups.set_cpus(kGroup, first));
  MUST(cgroups.set_cpus(kGroup, first));
  MUST(cgroups.create({"g1/child"}));
  REFUSED(cgroups.set_cpus({"g1/child"}, second), invalid_argument);
  BOOST_CHECK(MUST(cgroups.set_cpus({"g1/child"}, first)) == first);
  BOOST_CHECK(MUST(cgroups.set_cpus({"g1/child"}, std::nullopt)) == first);
}

CASE(memory_is_rounded_down_to_pages) {
  Cgroups& cgroups = stage.kernel().cgroups();
  MUST(cgroups.create(kGroup));
  const auto set = [&](Bytes memory) { return cgroups.set_memory(kGroup, {memory, {kUnlimited}}); };
  NEEDS(stage, memory_limit, set({64 << 20}));
  BOOST_CHECK_EQUAL(MUST(set({64 << 20})).memory.value, 64 << 20);
  BOOST_CHECK_EQUAL(MUST(set({(64 << 20) + 4095})).memory.value, 64 << 20);
  BOOST_CHECK_EQUAL(MUST(set({kUnlimited})).memory.value, kUnlimited);
}

// The order in which v1 wants its two files written must not matter to the caller.
CASE(memory_and_swap_move_together_in_both_directions) {
  Cgroups& cgroups = stage.kernel().cgroups();
  MUST(cgroups.create(kGroup));
  NEEDS(stage, swap_limit, cgroups.set_memory(kGroup, {{64 << 20}, {0}}));
  for (const std::uint64_t mebibytes : {64U, 256U, 32U, 512U, 16U}) {
    const MemoryLimit limit{{mebibytes << 20}, {mebibytes << 19}};
    const MemoryLimit kept = MUST(cgroups.set_memory(kGroup, limit));
    BOOST_CHECK_EQUAL(kept.memory.value, limit.memory.value);
    BOOST_CHECK_EQUAL(kept.swap.value, limit.swap.value);
  }
  const MemoryLimit lifted = MUST(cgroups.set_memory(kGroup, {}));
  BOOST_CHECK_EQUAL(lifted.memory.value, kUnlimited);
  BOOST_CHECK_EQUAL(lifted.swap.value, kUnlimited);
}

CASE(pids_limit_is_kept_and_lifted) {
  Cgroups& cgroups = stage.kernel().cgroups();
  MUST(cgroups.create(kGroup));
  NEEDS(stage, pids_limit, cgroups.set_pids(kGroup, 10));
  BOOST_CHECK_EQUAL(MUST(cgroups.set_pids(kGroup, 10)), 10);
  BOOST_CHECK_EQUAL(MUST(cgroups.set_pids(kGroup, kUnlimited)), kUnlimited);
}

CASE(a_new_group_is_empty_and_has_used_nothing) {
  Cgroups& cgroups = stage.kernel().cgroups();
  MUST(cgroups.create(kGroup));
  BOOST_CHECK(MUST(cgroups.processes(kGroup)).empty());
  const CgroupSample sample = MUST(cgroups.sample(kGroup));
  BOOST_CHECK_EQUAL(sample.cpu.usage.count(), 0);
  BOOST_CHECK_EQUAL(sample.cpu.throttled_periods, 0);
  BOOST_CHECK_EQUAL(sample.pids, 0);
  BOOST_CHECK_EQUAL(sample.memory.oom_kills, 0);
  BOOST_CHECK_EQUAL(MUST(cgroups.kill_all(kGroup)), 0);
}

CASE(sample_counts_tasks_and_memory) {
  const Box box = MUST(start_box(stage, "c1", {"/bin/sh", "-c", "sleep 1000 & sleep 1001; exit"}));
  Cgroups& cgroups = stage.kernel().cgroups();
  BOOST_CHECK(
      eventually(stage, seconds(10), [&] { return MUST(cgroups.sample(box.group)).pids == 3; }));
  const CgroupSample sample = MUST(cgroups.sample(box.group));
  BOOST_CHECK(sample.memory.usage.value > 0);
  BOOST_CHECK(sample.memory.peak >= sample.memory.usage);
}

CASE(processes_are_ascending_and_of_the_subtree) {
  Cgroups& cgroups = stage.kernel().cgroups();
  MUST(cgroups.create({"outer"}));
  MUST(cgroups.create({"outer/inner"}));
  const Box box = MUST(make_root(stage, "c1"));
  SpawnSpec spec = box_spec(box, {"/bin/sh", "-c", "sleep 1000 & sleep 1001; exit"});
  spec.cgroup = {"outer/inner"};
  const ProcessRef init = MUST(stage.kernel().processes().spawn(spec));
  BOOST_REQUIRE(eventually(stage, seconds(10),
                           [&] { return MUST(cgroups.processes({"outer/inner"})).size() == 3; }));
  const auto outer = MUST(cgroups.processes({"outer"}));
  BOOST_REQUIRE_EQUAL(outer.size(), 3);
  BOOST_CHECK(std::ranges::is_sorted(outer, {}, &ProcessRef::pid));
  BOOST_CHECK(std::ranges::find(outer, init) != outer.end());
  BOOST_CHECK_EQUAL(MUST(cgroups.sample({"outer"})).pids, 3);
}

CASE(kill_all_ends_a_whole_subtree) {
  Cgroups& cgroups = stage.kernel().cgroups();
  const Box box =
      MUST(start_box(stage, "c1", {"/bin/sh", "-c", "sleep 1000 & sleep 1001 & sleep 1002; exit"}));
  BOOST_REQUIRE(eventually(stage, seconds(10),
                           [&] { return MUST(cgroups.processes(box.group)).size() == 4; }));
  BOOST_CHECK_EQUAL(MUST(cgroups.kill_all(box.group)), 4);
  BOOST_CHECK(
      eventually(stage, seconds(10), [&] { return MUST(cgroups.processes(box.group)).empty(); }));
  MUST(stage.kernel().processes().wait_gone(box.init, seconds(10)));
  BOOST_CHECK(!MUST(stage.kernel().processes().find("c1")).has_value());
}

CASE(kill_all_reaches_children_groups_and_spares_others) {
  Cgroups& cgroups = stage.kernel().cgroups();
  MUST(cgroups.create({"outer"}));
  MUST(cgroups.create({"outer/inner"}));
  const Box inside = MUST(make_root(stage, "c1"));
  SpawnSpec spec = box_spec(inside, {"/bin/sleep", "1000"});
  spec.cgroup = {"outer/inner"};
  const ProcessRef init = MUST(stage.kernel().processes().spawn(spec));
  const Box other = MUST(start_box(stage, "c2"));
  BOOST_CHECK_EQUAL(MUST(cgroups.kill_all({"outer"})), 1);
  MUST(stage.kernel().processes().wait_gone(init, seconds(10)));
  BOOST_CHECK(MUST(stage.kernel().processes().alive(other.init)));
}

}  // namespace

Area cgroups_area() {
  return {"cgroups", cases()};
}

}  // namespace twinhull::contract
