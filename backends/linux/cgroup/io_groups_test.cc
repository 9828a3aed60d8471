// How disk limits and weights become files, without root.
#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>
#include <utility>

#include "backends/linux/cgroup/cgroups.h"
#include "backends/linux/cgroup/io_values.h"
#include "backends/linux/cgroup/memory_tree.h"

using namespace twinhull;
using namespace twinhull::linux_backend;
using twinhull::linux_backend::testing::MemoryTree;

namespace {

/// A node with one group "c" and only the block controller.
struct Machine {
  explicit Machine(CgroupLayoutKind kind, bool with_controller = true) {
    CgroupLayout layout;
    layout.kind = kind;
    state.directories = {"/cg"};
    state.files["/sys/block/sda/queue/scheduler"] = "none [bfq]\n";
    auto& files = state.templates["/cg"];
    files = {{"cgroup.procs", ""}, {"tasks", ""}};
    if (kind == CgroupLayoutKind::v1) {
      layout.hierarchies.push_back(
          {.mount = "/cg", .root = "/", .controllers = {with_controller ? "blkio" : "pids"}});
      files.insert({{"pids.current", "0\n"}, {"pids.events", "max 0\n"}, {"pids.max", "max\n"}});
      if (with_controller) {
        files.insert({{"blkio.throttle.read_bps_device", ""},
                      {"blkio.throttle.write_bps_device", ""},
                      {"blkio.throttle.read_iops_device", ""},
                      {"blkio.throttle.write_iops_device", ""},
                      {"blkio.bfq.weight", "100\n"}});
      }
      state.on_write = [](const std::string& path, std::string& text) {
        // As the kernel shows it: a limit of 0 is no line.
        if (path.find("throttle") != std::string::npos && text.ends_with(" 0")) text.clear();
        return 0;
      };
    } else {
      layout.unified = "/cg";
      if (with_controller) layout.unified_controllers = {"io"};
      files.insert({{"cgroup.subtree_control", ""}, {"cgroup.controllers", "io\n"}});
      state.files["/cg/cgroup.controllers"] = "io\n";
      state.files["/cg/cgroup.subtree_control"] = "";
      if (with_controller) {
        files.insert({{"io.max", ""}, {"io.stat", ""}, {"io.bfq.weight", "default 100\n"}});
      }
    }
    groups = make_cgroups("node", layout, std::make_unique<MemoryTree>(state));
    BOOST_REQUIRE(groups->create({"c"}));
    state.writes.clear();
  }
  std::string& file(const std::string& name) { return state.files["/cg/node/c/" + name]; }

  MemoryTree::State state;
  std::unique_ptr<Cgroups> groups;
};

template <typename T>
void refused(const Result<T>& result, ErrorCode code) {
  BOOST_REQUIRE(!result);
  BOOST_TEST((result.error().code == code), result.error().message());
}

constexpr CgroupLayoutKind kKinds[] = {CgroupLayoutKind::v1, CgroupLayoutKind::v2};
constexpr IoLimit kSome{{1048576}, 200};

}  // namespace

BOOST_AUTO_TEST_SUITE(cgroup_io)

BOOST_AUTO_TEST_CASE(v1_limits_name_the_disk_in_four_files) {
  Machine machine(CgroupLayoutKind::v1);
  const auto kept = machine.groups->set_io_limits({"c"}, "/vz", kSome);
  BOOST_REQUIRE(kept);
  BOOST_TEST((*kept == kSome));
  BOOST_TEST(machine.file("blkio.throttle.read_bps_device") == "8:0 1048576");
  BOOST_TEST(machine.file("blkio.throttle.write_bps_device") == "8:0 1048576");
  BOOST_TEST(machine.file("blkio.throttle.read_iops_device") == "8:0 200");
  BOOST_TEST(machine.file("blkio.throttle.write_iops_device") == "8:0 200");
}

BOOST_AUTO_TEST_CASE(v1_lifting_writes_zero_also_where_there_was_none) {
  Machine machine(CgroupLayoutKind::v1);
  const auto kept = machine.groups->set_io_limits({"c"}, "/vz", {});
  BOOST_REQUIRE(kept);
  BOOST_TEST((*kept == IoLimit{}));
  BOOST_TEST(machine.state.writes.size() == 4U);
}

BOOST_AUTO_TEST_CASE(v1_takes_back_what_was_set_before_a_refusal) {
  Machine machine(CgroupLayoutKind::v1);
  BOOST_REQUIRE(machine.groups->set_io_limits({"c"}, "/vz", kSome));
  machine.state.on_write = [](const std::string& path, std::string&) {
    return path.ends_with("read_iops_device") ? ENODEV : 0;
  };
  BOOST_REQUIRE(!machine.groups->set_io_limits({"c"}, "/vz", {{4096}, 7}));
  BOOST_TEST(machine.file("blkio.throttle.read_bps_device") == "8:0 1048576");
  BOOST_TEST(machine.file("blkio.throttle.write_bps_device") == "8:0 1048576");
}

BOOST_AUTO_TEST_CASE(v2_limits_are_one_line) {
  Machine machine(CgroupLayoutKind::v2);
  const auto kept = machine.groups->set_io_limits({"c"}, "/vz", {{1048576}, kUnlimited});
  BOOST_REQUIRE(kept);
  BOOST_TEST(machine.file("io.max") == "8:0 rbps=1048576 wbps=1048576 riops=max wiops=max");
  BOOST_TEST((*kept == IoLimit{{1048576}, kUnlimited}));
}

BOOST_AUTO_TEST_CASE(weights_need_bfq) {
  for (const auto kind : kKinds) {
    Machine machine(kind);
    const auto kept = machine.groups->set_io_weight({"c"}, "/vz", {300});
    BOOST_REQUIRE(kept);
    BOOST_TEST(kept->value == 300U);
    machine.state.files["/sys/block/sda/queue/scheduler"] = "[none] bfq\n";
    const auto without = machine.groups->set_io_weight({"c"}, "/vz", {300});
    refused(without, ErrorCode::not_supported);
    BOOST_TEST(without.error().detail.find("echo bfq > /sys/block/sda/queue/scheduler") !=
               std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(v2_weights_use_the_cost_model_where_it_is_on) {
  Machine machine(CgroupLayoutKind::v2);
  machine.state.files["/sys/block/sda/queue/scheduler"] = "[none]\n";
  machine.file("io.weight") = "default 100\n";
  machine.state.files["/cg/io.cost.qos"] = "8:0 enable=0 ctrl=auto\n";
  refused(machine.groups->set_io_weight({"c"}, "/vz", {300}), ErrorCode::not_supported);
  machine.state.files["/cg/io.cost.qos"] = "8:0 enable=1 ctrl=auto\n";
  BOOST_REQUIRE(machine.groups->set_io_weight({"c"}, "/vz", {300}));
  BOOST_TEST(machine.file("io.weight") == "300");
}

BOOST_AUTO_TEST_CASE(both_refuse_the_same_in_the_same_order) {
  for (const auto kind : kKinds) {
    Machine machine(kind);
    Cgroups& groups = *machine.groups;
    refused(groups.set_io_limits({"no"}, "/vz", {{0}, 1}), ErrorCode::not_found);
    refused(groups.set_io_limits({"c"}, "/gone", {{0}, 1}), ErrorCode::invalid_argument);
    refused(groups.set_io_limits({"c"}, "/vz", {{1}, 0}), ErrorCode::invalid_argument);
    refused(groups.set_io_limits({"c"}, "/vz", {{1}, 1ULL << 32U}), ErrorCode::invalid_argument);
    refused(groups.set_io_limits({"c"}, "/gone", kSome), ErrorCode::not_found);
    refused(groups.set_io_limits({"c"}, "/memory", kSome), ErrorCode::not_supported);
    refused(groups.set_io_weight({"c"}, "/vz", {0}), ErrorCode::invalid_argument);
    refused(groups.set_io_weight({"c"}, "/vz", {1001}), ErrorCode::invalid_argument);
    refused(groups.set_io_weight({"c"}, "/gone", {1}), ErrorCode::not_found);
    Machine without(kind, false);
    refused(without.groups->set_io_limits({"c"}, "/vz", kSome), ErrorCode::not_supported);
  }
}

BOOST_AUTO_TEST_CASE(counters_are_summed_over_disks) {
  std::uint64_t reads = 0, writes = 0;
  add_v1_counters("8:0 Read 4096\n8:0 Write 100\n8:0 Sync 50\n8:16 Read 1\nTotal 4247\n", reads,
                  writes);
  BOOST_TEST(reads == 4097U);
  BOOST_TEST(writes == 100U);
  IoSample sample;
  add_io_stat("8:0 rbytes=10 wbytes=20 rios=3 wios=4 dbytes=0 dios=0\n8:16 rbytes=1 wbytes=0\n",
              sample);
  BOOST_TEST(sample.read.value == 11U);
  BOOST_TEST(sample.written.value == 20U);
  BOOST_TEST(sample.reads == 3U);
  BOOST_TEST(sample.writes == 4U);
}

BOOST_AUTO_TEST_CASE(texts_of_the_kernel_are_understood) {
  BOOST_TEST(active_scheduler("mq-deadline kyber [bfq] none\n") == "bfq");
  BOOST_TEST(active_scheduler("[none]") == "none");
  BOOST_TEST(active_scheduler("none").empty());
  BOOST_TEST(parse_io_weight("default 250\n8:0 10\n") == 250U);
  BOOST_TEST(parse_io_weight("250\n") == 250U);
  const BlockDevice disk{"8:0", "sda"};
  BOOST_TEST((parse_io_max("8:16 rbps=5 wbps=5 riops=max wiops=max\n", disk) == IoLimit{}));
  BOOST_TEST((parse_io_max("8:0 rbps=5 wbps=7 riops=max wiops=9\n", disk) == IoLimit{{5}, 9}));
}

BOOST_AUTO_TEST_CASE(limits_of_a_disk_are_read_back) {
  for (const auto kind : kKinds) {
    Machine machine(kind);
    Cgroups& groups = *machine.groups;
    BOOST_REQUIRE(groups.set_io_limits({"c"}, "/vz", kSome));
    BOOST_REQUIRE(groups.set_io_weight({"c"}, "/vz", {300}));
    auto limits = groups.limits({"c"}, "/vz");
    BOOST_REQUIRE(limits);
    BOOST_TEST((limits->io == kSome));
    BOOST_TEST((limits->io_weight == IoWeight{300}));
    // Another disk has neither limits nor a scheduler that heeds weights.
    machine.state.disk = {"8:16", "sdb"};
    limits = groups.limits({"c"}, "/vz");
    BOOST_REQUIRE(limits);
    BOOST_TEST((limits->io == IoLimit{}));
    BOOST_TEST(!limits->io_weight);
    limits = groups.limits({"c"}, "/memory");
    BOOST_REQUIRE(limits);
    BOOST_TEST(!limits->io);
    refused(groups.limits({"c"}, "/gone"), ErrorCode::not_found);
    Machine without(kind, false);
    limits = without.groups->limits({"c"}, "/vz");
    BOOST_REQUIRE(limits);
    BOOST_TEST(!limits->io);
  }
}

BOOST_AUTO_TEST_SUITE_END()
