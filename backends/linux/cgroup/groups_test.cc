// How values of the seam become files, on all three drivers, without root.
#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/linux/cgroup/cgroups.h"
#include "backends/linux/cgroup/group_base.h"
#include "backends/linux/cgroup/memory_tree.h"

using namespace twinhull;
using namespace twinhull::linux_backend;
using twinhull::linux_backend::testing::MemoryTree;

namespace {

using Writes = std::vector<std::pair<std::string, std::string>>;
constexpr const char* kHuge = "9223372036854771712\n";

std::map<std::string, std::string> v1_files() {
  return {{"cgroup.procs", ""}, {"tasks", ""}};
}

/// A node without groups on one of the layouts.
struct Machine {
  explicit Machine(CgroupLayoutKind kind) {
    CgroupLayout layout;
    layout.kind = kind;
    state.directories = {"/cg"};
    if (kind == CgroupLayoutKind::v2) {
      layout.unified_controllers = {"cpu", "cpuset", "memory", "pids"};
    } else {
      for (const char* const name : {"cpu", "cpuset", "memory", "devices", "freezer", "pids"}) {
        add(layout, name, {name});
      }
      add(layout, "systemd", {"name=systemd"});
      fill_v1();
    }
    if (kind != CgroupLayoutKind::v1) {
      layout.unified = "/cg/unified";
      state.directories.insert("/cg/unified");
      fill_v2(kind == CgroupLayoutKind::v2);
    }
    groups = make_cgroups("node/n1", layout, std::make_unique<MemoryTree>(state));
  }

  void add(CgroupLayout& layout, const std::string& name, std::vector<std::string> controllers) {
    layout.hierarchies.push_back(
        {.mount = "/cg/" + name, .root = "/", .controllers = std::move(controllers)});
    state.directories.insert("/cg/" + name);
    state.templates["/cg/" + name] = v1_files();
  }
  void fill_v1() {
    state.templates["/cg/cpu"].insert({{"cpu.shares", "1024\n"},
                                       {"cpu.cfs_period_us", "100000\n"},
                                       {"cpu.cfs_quota_us", "-1\n"}});
    state.templates["/cg/cpuset"].insert({{"cpuset.cpus", "\n"}, {"cpuset.mems", "\n"}});
    state.files["/cg/cpuset/cpuset.cpus"] = "0-3\n";
    state.files["/cg/cpuset/cpuset.mems"] = "0\n";
    state.templates["/cg/memory"].insert(
        {{"memory.limit_in_bytes", kHuge}, {"memory.memsw.limit_in_bytes", kHuge}});
    state.templates["/cg/devices"].insert(
        {{"devices.allow", ""}, {"devices.deny", ""}, {"devices.list", "a *:* rwm\n"}});
    state.templates["/cg/freezer"].insert({{"freezer.state", "THAWED\n"}});
    state.templates["/cg/pids"].insert({{"pids.max", "max\n"}, {"pids.current", "0\n"}});
  }
  void fill_v2(bool controllers) {
    auto& files = state.templates["/cg/unified"];
    files = {{"cgroup.procs", ""},
             {"cgroup.freeze", "0\n"},
             {"cgroup.kill", ""},
             {"cgroup.events", "populated 0\nfrozen 0\n"},
             {"cgroup.subtree_control", ""},
             {"cgroup.controllers", controllers ? "cpuset cpu memory pids\n" : "hugetlb\n"}};
    for (const auto& [name, text] : files) state.files["/cg/unified/" + name] = text;
    if (!controllers) return;
    files.insert({{"cpu.weight", "100\n"},
                  {"cpu.max", "max 100000\n"},
                  {"cpuset.cpus", "\n"},
                  {"cpuset.cpus.effective", "0-3\n"},
                  {"memory.max", "max\n"},
                  {"memory.high", "max\n"},
                  {"memory.low", "0\n"},
                  {"memory.current", "0\n"},
                  {"memory.swap.max", "max\n"},
                  {"pids.max", "max\n"}});
  }
  std::string& file(const std::string& hierarchy, const std::string& rest) {
    return state.files["/cg/" + hierarchy + "/node/n1/" + rest];
  }
  /// A group "c" and a clean record of writes.
  Cgroups& with_group() {
    BOOST_REQUIRE(groups->create({"c"}));
    state.writes.clear();
    return *groups;
  }

  MemoryTree::State state;
  std::unique_ptr<Cgroups> groups;
};

template <typename T>
void refused(const Result<T>& result, const char* code) {
  BOOST_REQUIRE(!result);
  BOOST_TEST(to_string(result.error().code) == code, result.error().message());
}

const CgroupLayoutKind kKinds[] = {CgroupLayoutKind::v1, CgroupLayoutKind::hybrid,
                                   CgroupLayoutKind::v2};

}  // namespace

BOOST_AUTO_TEST_SUITE(cgroup_drivers)

BOOST_AUTO_TEST_CASE(paths_are_checked) {
  for (const char* const good : {"101", "101/build", "a.b-c_D", "1/2/3/4/5/6/7/8"}) {
    BOOST_TEST(valid_group_path(good), good);
  }
  for (const std::string bad : {"", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "a b", "ü",
                                "1/2/3/4/5/6/7/8/9"}) {
    BOOST_TEST(!valid_group_path(bad), bad);
  }
  BOOST_TEST(!valid_group_path(std::string(65, 'x')));
}

BOOST_AUTO_TEST_CASE(shares_map_to_weights_and_back) {
  BOOST_TEST(weight_of({2}) == 1U);
  BOOST_TEST(weight_of({1024}) == 40U);
  BOOST_TEST(shares_of(40).value == 1024U);
  BOOST_TEST(weight_of({262144}) == 10000U);
  BOOST_TEST(weight_of({0}) == 1U);
  BOOST_TEST(weight_of({1U << 30}) == 10000U);
  BOOST_TEST(shares_of(1).value == 2U);
  BOOST_TEST(shares_of(10000).value == 262144U);
  for (std::uint64_t shares = 2; shares <= 262144; shares += 97) {
    const auto back = shares_of(weight_of({shares})).value;
    // One step of the weight is 26.2 shares; back is rounded down.
    BOOST_TEST(back + 14U >= shares);
    BOOST_TEST(back <= shares + 14U);
    BOOST_TEST(weight_of({back}) == weight_of({shares}));
  }
}

BOOST_AUTO_TEST_CASE(a_group_is_made_in_every_hierarchy_and_fit_for_processes) {
  for (const auto kind : kKinds) {
    Machine machine(kind);
    BOOST_TEST((machine.groups->create({"c"}).value() == Effect::changed));
    BOOST_TEST((machine.groups->create({"c"}).value() == Effect::none));
    refused(machine.groups->create({"no/child"}), "not_found");
    BOOST_TEST((machine.groups->create({"c/d"}).value() == Effect::changed));
    BOOST_TEST(machine.groups->children({}).value() == std::vector<std::string>{"c"},
               boost::test_tools::per_element());
    BOOST_TEST(machine.groups->children({"c"}).value() == std::vector<std::string>{"d"},
               boost::test_tools::per_element());
    refused(machine.groups->remove({"c"}), "not_empty");
    BOOST_TEST((machine.groups->remove({"c/d"}).value() == Effect::changed));
    BOOST_TEST((machine.groups->remove({"c"}).value() == Effect::changed));
    BOOST_TEST((machine.groups->remove({"c"}).value() == Effect::none));
    BOOST_TEST(machine.groups->children({}).value().empty());
  }
}

BOOST_AUTO_TEST_CASE(a_new_cpuset_is_filled_from_its_parent) {
  Machine machine(CgroupLayoutKind::v1);
  machine.with_group();
  BOOST_TEST(machine.file("cpuset", "c/cpuset.cpus") == "0-3\n");
  BOOST_TEST(machine.file("cpuset", "c/cpuset.mems") == "0\n");
}

BOOST_AUTO_TEST_CASE(half_a_group_is_taken_back) {
  Machine machine(CgroupLayoutKind::v1);
  machine.state.on_write = [](const std::string& path, std::string&) {
    return path.ends_with("/c/cpuset.cpus") ? EACCES : 0;
  };
  refused(machine.groups->create({"c"}), "not_permitted");
  for (const auto& directory : machine.state.directories) {
    BOOST_TEST(!directory.ends_with("/c"), directory);
  }
}

BOOST_AUTO_TEST_CASE(what_programs_inside_left_goes_with_the_group) {
  Machine hybrid(CgroupLayoutKind::hybrid);
  hybrid.with_group();
  hybrid.state.directories.insert("/cg/systemd/node/n1/c/system.slice");
  hybrid.state.directories.insert("/cg/systemd/node/n1/c/system.slice/a.service");
  hybrid.state.directories.insert("/cg/unified/node/n1/c/init.scope");
  BOOST_TEST(hybrid.groups->children({"c"}).value().empty());
  BOOST_TEST((hybrid.groups->remove({"c"}).value() == Effect::changed));
  Machine v2(CgroupLayoutKind::v2);
  v2.with_group();
  v2.state.directories.insert("/cg/unified/node/n1/c/init.scope");
  BOOST_TEST(v2.groups->children({"c"}).value().empty());
  BOOST_TEST((v2.groups->remove({"c"}).value() == Effect::changed));
}

BOOST_AUTO_TEST_CASE(removal_waits_for_processes_that_are_ending_but_not_for_ever) {
  Machine machine(CgroupLayoutKind::v1);
  machine.with_group();
  machine.state.on_remove = [&](const std::string&) { return machine.state.pauses < 3 ? EBUSY : 0; };
  BOOST_TEST((machine.groups->remove({"c"}).value() == Effect::changed));
  BOOST_TEST(machine.state.pauses == 3);

  Machine full(CgroupLayoutKind::v1);
  full.with_group();
  full.file("systemd", "c/cgroup.procs") = "7\n";
  full.state.on_remove = [](const std::string&) { return EBUSY; };
  const auto busy = full.groups->remove({"c"});
  refused(busy, "busy");
  BOOST_TEST(busy.error().detail.find("such as 7") != std::string::npos, busy.error().message());
  BOOST_TEST(full.groups->children({}).value().size() == 1U);  // still found, can be repeated
}

BOOST_AUTO_TEST_CASE(setters_return_what_was_kept) {
  Machine v1(CgroupLayoutKind::v1);
  Cgroups& old = v1.with_group();
  v1.state.on_write = [](const std::string& path, std::string& text) {
    if (path.ends_with("cpu.shares") && text == "1") text = "2\n";
    return 0;
  };
  BOOST_TEST(old.set_cpu_shares({"c"}, {1}).value().value == 2U);
  BOOST_TEST(old.set_pids({"c"}, 17).value() == 17U);
  BOOST_TEST(old.set_pids({"c"}, kUnlimited).value() == kUnlimited);
  Machine v2(CgroupLayoutKind::v2);
  Cgroups& young = v2.with_group();
  BOOST_TEST(young.set_cpu_shares({"c"}, {1024}).value().value == 1024U);
  BOOST_TEST((v2.state.writes == Writes{{"cpu.weight", "40"}}));
  BOOST_TEST(young.set_pids({"c"}, kUnlimited).value() == kUnlimited);
}

BOOST_AUTO_TEST_CASE(v1_quota_writes_period_and_quota_in_an_order_that_is_never_refused) {
  Machine machine(CgroupLayoutKind::v1);
  Cgroups& groups = machine.with_group();
  const CpuQuota quota{.quota = milliseconds(50), .period = milliseconds(100)};
  BOOST_TEST((groups.set_cpu_quota({"c"}, quota).value() == quota));
  BOOST_TEST((machine.state.writes == Writes{{"cpu.cfs_quota_us", "50000"}}));
  machine.state.writes.clear();
  const CpuQuota other{.quota = milliseconds(50), .period = milliseconds(20)};
  BOOST_TEST((groups.set_cpu_quota({"c"}, other).value() == other));
  BOOST_TEST((machine.state.writes == Writes{{"cpu.cfs_quota_us", "-1"},
                                             {"cpu.cfs_period_us", "20000"},
                                             {"cpu.cfs_quota_us", "50000"}}));
  machine.state.writes.clear();
  BOOST_TEST(!groups.set_cpu_quota({"c"}, std::nullopt).value().has_value());
  BOOST_TEST((machine.state.writes == Writes{{"cpu.cfs_quota_us", "-1"}}));
}

BOOST_AUTO_TEST_CASE(v1_quota_is_restored_when_the_kernel_refuses) {
  Machine machine(CgroupLayoutKind::v1);
  Cgroups& groups = machine.with_group();
  BOOST_REQUIRE(groups.set_cpu_quota({"c"}, CpuQuota{milliseconds(50), milliseconds(100)}));
  machine.state.on_write = [](const std::string& path, std::string& text) {
    return path.ends_with("cfs_quota_us") && text == "40000" ? EINVAL : 0;
  };
  refused(groups.set_cpu_quota({"c"}, CpuQuota{milliseconds(40), milliseconds(10)}),
          "invalid_argument");
  BOOST_TEST(machine.file("cpu", "c/cpu.cfs_quota_us") == "50000");
  BOOST_TEST(machine.file("cpu", "c/cpu.cfs_period_us") == "100000");
}

BOOST_AUTO_TEST_CASE(quota_ranges_are_the_same_everywhere) {
  for (const auto kind : kKinds) {
    Machine machine(kind);
    Cgroups& groups = machine.with_group();
    for (const auto& bad : {CpuQuota{microseconds(999), milliseconds(100)},
                            CpuQuota{milliseconds(10), microseconds(999)},
                            CpuQuota{milliseconds(10), milliseconds(1001)}}) {
      refused(groups.set_cpu_quota({"c"}, bad), "invalid_argument");
    }
    BOOST_TEST(machine.state.writes.empty());
  }
}

BOOST_AUTO_TEST_CASE(v2_quota_is_one_write_and_checked_against_ancestors) {
  Machine machine(CgroupLayoutKind::v2);
  Cgroups& groups = machine.with_group();
  BOOST_REQUIRE(groups.create({"c/d"}));
  machine.state.writes.clear();
  const CpuQuota quota{milliseconds(30), milliseconds(60)};
  BOOST_TEST((groups.set_cpu_quota({"c"}, quota).value() == quota));
  BOOST_TEST((machine.state.writes == Writes{{"cpu.max", "30000 60000"}}));
  refused(groups.set_cpu_quota({"c/d"}, CpuQuota{milliseconds(51), milliseconds(100)}),
          "invalid_argument");
  BOOST_TEST(groups.set_cpu_quota({"c/d"}, CpuQuota{milliseconds(50), milliseconds(100)})
                 .has_value());
}

BOOST_AUTO_TEST_CASE(cpus_are_checked_against_the_parent) {
  for (const auto kind : kKinds) {
    Machine machine(kind);
    Cgroups& groups = machine.with_group();
    refused(groups.set_cpus({"c"}, CpuSet{}), "invalid_argument");
    const auto bad = groups.set_cpus({"c"}, CpuSet{{1, 9}});
    refused(bad, "invalid_argument");
    BOOST_TEST(bad.error().detail.find("CPU 9") != std::string::npos);
    BOOST_REQUIRE(groups.set_cpus({"c"}, CpuSet{{1, 2}}));
    const auto name = kind == CgroupLayoutKind::v2 ? "unified" : "cpuset";
    BOOST_TEST(machine.file(name, "c/cpuset.cpus") == "1-2");
    const auto all = groups.set_cpus({"c"}, std::nullopt);
    BOOST_REQUIRE(all);
    BOOST_TEST(all->text() == "0-3");
  }
}

BOOST_AUTO_TEST_CASE(v1_memory_and_sum_are_written_in_the_order_that_works) {
  Machine machine(CgroupLayoutKind::v1);
  Cgroups& groups = machine.with_group();
  // A kernel refuses a sum below memory at every moment.
  const auto value = [&](const char* name) {
    const auto text = machine.file("memory", std::string("c/") + name);
    return text == "-1" ? std::uint64_t{1} << 62 : std::stoull(text);
  };
  machine.state.on_write = [&](const std::string& path, std::string& text) {
    const auto wish = text == "-1" ? std::uint64_t{1} << 62 : std::stoull(text);
    const bool sum = path.ends_with("memsw.limit_in_bytes");
    const auto other = value(sum ? "memory.limit_in_bytes" : "memory.memsw.limit_in_bytes");
    if (sum ? wish < other : wish > other) return EINVAL;
    if (text == "-1") text = kHuge;
    return 0;
  };
  const auto set = [&](std::uint64_t memory, std::uint64_t swap) {
    const auto kept = groups.set_memory({"c"}, {{memory}, {swap}});
    BOOST_REQUIRE_MESSAGE(kept, (kept ? "" : kept.error().message()));
    return *kept;
  };
  BOOST_TEST((set(8192, 4096) == MemoryLimit{{8192}, {4096}}));
  BOOST_TEST((set(65536, 0) == MemoryLimit{{65536}, {0}}));
  BOOST_TEST((set(8192, 1 << 20) == MemoryLimit{{8192}, {1 << 20}}));
  BOOST_TEST((set(8192, 0) == MemoryLimit{{8192}, {0}}));
  BOOST_TEST((set(8200, 0) == MemoryLimit{{8192}, {0}}));  // down to pages
  BOOST_TEST((set(kUnlimited, 0) == MemoryLimit{}));       // v1 cannot bound swap alone
  BOOST_TEST((set(4096, kUnlimited) == MemoryLimit{{4096}, {kUnlimited}}));
}

BOOST_AUTO_TEST_CASE(v1_memory_is_restored_when_it_cannot_be_reclaimed) {
  Machine machine(CgroupLayoutKind::v1);
  Cgroups& groups = machine.with_group();
  BOOST_REQUIRE(groups.set_memory({"c"}, {{1 << 20}, {1 << 20}}));
  machine.state.on_write = [](const std::string& path, std::string& text) {
    return path.ends_with("memsw.limit_in_bytes") && text == "8192" ? EBUSY : 0;
  };
  refused(groups.set_memory({"c"}, {{8192}, {0}}), "busy");
  BOOST_TEST(machine.file("memory", "c/memory.limit_in_bytes") == "1048576");
  BOOST_TEST(machine.file("memory", "c/memory.memsw.limit_in_bytes") == "2097152");
}

BOOST_AUTO_TEST_CASE(without_swap_accounting_a_bound_on_swap_is_refused) {
  for (const auto kind : {CgroupLayoutKind::v1, CgroupLayoutKind::v2}) {
    Machine machine(kind);
    machine.state.templates["/cg/memory"].erase("memory.memsw.limit_in_bytes");
    machine.state.templates["/cg/unified"].erase("memory.swap.max");
    Cgroups& groups = machine.with_group();
    refused(groups.set_memory({"c"}, {{8192}, {0}}), "not_supported");
    BOOST_TEST(machine.state.writes.empty());
    const auto kept = groups.set_memory({"c"}, {{8192}, {kUnlimited}});
    BOOST_REQUIRE(kept);
    BOOST_TEST(kept->memory.value == 8192U);
    BOOST_TEST(kept->swap.value == kUnlimited);
  }
}

BOOST_AUTO_TEST_CASE(v2_memory_reclaims_first_and_kills_nothing) {
  Machine machine(CgroupLayoutKind::v2);
  Cgroups& groups = machine.with_group();
  machine.file("unified", "c/memory.current") = "1048576\n";
  refused(groups.set_memory({"c"}, {{65536}, {0}}), "busy");
  BOOST_TEST((machine.state.writes == Writes{{"memory.high", "65536"}, {"memory.high", "max"}}));
  BOOST_TEST(machine.file("unified", "c/memory.max") == "max\n");
  machine.state.on_write = [&](const std::string& path, std::string& text) {
    if (path.ends_with("memory.high") && text != "max") {
      machine.file("unified", "c/memory.current") = text + "\n";  // reclaim works this time
    }
    return 0;
  };
  machine.state.writes.clear();
  BOOST_TEST((groups.set_memory({"c"}, {{65536}, {4096}}).value() ==
              MemoryLimit{{65536}, {4096}}));
  BOOST_TEST((machine.state.writes == Writes{{"memory.high", "65536"},
                                             {"memory.high", "max"},
                                             {"memory.max", "65536"},
                                             {"memory.swap.max", "4096"}}));
}

BOOST_AUTO_TEST_CASE(v1_devices_are_denied_first_then_allowed) {
  Machine machine(CgroupLayoutKind::hybrid);
  Cgroups& groups = machine.with_group();
  BOOST_REQUIRE(groups.set_devices({"c"}, {{'c', 1, 3, true, true, false},
                                           {'b', 7, std::nullopt, true, false, true}}));
  BOOST_TEST((machine.state.writes == Writes{{"devices.deny", "a"},
                                             {"devices.allow", "c 1:3 rw"},
                                             {"devices.allow", "b 7:* rm"}}));
  machine.state.writes.clear();
  refused(groups.set_devices({"c"}, {{'x', 1, 3, true, true, false}}), "invalid_argument");
  refused(groups.set_devices({"c"}, {{'c', 1, 3, false, false, false}}), "invalid_argument");
  BOOST_TEST(machine.state.writes.empty());
}

BOOST_AUTO_TEST_CASE(v1_devices_of_a_group_with_children_lose_their_exceptions_one_by_one) {
  Machine machine(CgroupLayoutKind::v1);
  Cgroups& groups = machine.with_group();
  machine.state.on_write = [](const std::string& path, std::string& text) {
    return path.ends_with("devices.deny") && text == "a" ? EINVAL : 0;
  };
  refused(groups.set_devices({"c"}, {{'c', 1, 3, true, true, false}}), "busy");
  machine.file("devices", "c/devices.list") = "c 1:5 rwm\nc 136:* rw\n";
  BOOST_REQUIRE(groups.set_devices({"c"}, {{'c', 1, 3, true, true, false}}));
  BOOST_TEST((machine.state.writes == Writes{{"devices.deny", "c 1:5 rwm"},
                                             {"devices.deny", "c 136:* rw"},
                                             {"devices.allow", "c 1:3 rw"}}));
}

BOOST_AUTO_TEST_CASE(v2_devices_are_a_program) {
  Machine machine(CgroupLayoutKind::v2);
  Cgroups& groups = machine.with_group();
  BOOST_REQUIRE(groups.set_devices({"c"}, {{'c', 1, 3, true, true, false}}));
  BOOST_TEST(!machine.state.program.empty());
  BOOST_TEST(machine.state.writes.empty());
}

BOOST_AUTO_TEST_CASE(v1_freezes_until_it_is_frozen_or_gives_up_thawed) {
  Machine machine(CgroupLayoutKind::v1);
  Cgroups& groups = machine.with_group();
  machine.state.on_write = [&](const std::string&, std::string& text) {
    if (text == "FROZEN" && machine.state.pauses < 3) text = "FREEZING\n";
    return 0;
  };
  BOOST_TEST(groups.freeze({"c"}).has_value());
  BOOST_TEST((groups.freeze_state({"c"}).value() == FreezeState::frozen));
  BOOST_TEST(groups.thaw({"c"}).has_value());
  BOOST_TEST((groups.freeze_state({"c"}).value() == FreezeState::thawed));
  machine.state.on_write = [](const std::string&, std::string& text) {
    if (text == "FROZEN") text = "FREEZING\n";
    return 0;
  };
  refused(groups.freeze({"c"}), "timed_out");
  BOOST_TEST((groups.freeze_state({"c"}).value() == FreezeState::thawed));
}

BOOST_AUTO_TEST_CASE(hybrid_and_v2_freeze_and_kill_through_the_v2_tree) {
  for (const auto kind : {CgroupLayoutKind::hybrid, CgroupLayoutKind::v2}) {
    Machine machine(kind);
    Cgroups& groups = machine.with_group();
    BOOST_TEST((groups.freeze_state({"c"}).value() == FreezeState::thawed));
    machine.state.on_pause = [&] {
      machine.file("unified", "c/cgroup.events") = "populated 1\nfrozen 1\n";
    };
    BOOST_TEST(groups.freeze({"c"}).has_value());
    BOOST_TEST((groups.freeze_state({"c"}).value() == FreezeState::frozen));
    machine.state.processes = {7, 9};
    machine.file(kind == CgroupLayoutKind::v2 ? "unified" : "cpu", "c/cgroup.procs") =
        "9\n7\n9\n0\n";
    BOOST_TEST(groups.processes({"c"}).value().size() == 2U);
    machine.state.writes.clear();
    BOOST_TEST(groups.kill_all({"c"}).value() == 2U);
    BOOST_TEST((machine.state.writes == Writes{{"cgroup.kill", "1"}}));
  }
}

BOOST_AUTO_TEST_CASE(v1_kills_in_a_frozen_group_and_thaws_it) {
  Machine machine(CgroupLayoutKind::v1);
  Cgroups& groups = machine.with_group();
  machine.state.processes = {7, 9};
  machine.file("cpu", "c/cgroup.procs") = "7\n9\n";
  BOOST_TEST(groups.kill_all({"c"}).value() == 2U);
  BOOST_TEST(machine.state.processes.empty());
  BOOST_TEST((groups.freeze_state({"c"}).value() == FreezeState::thawed));
  BOOST_TEST(groups.kill_all({"c"}).value() == 0U);
}

BOOST_AUTO_TEST_CASE(a_missing_controller_is_named) {
  Machine machine(CgroupLayoutKind::v2);
  machine.state.templates["/cg/unified"].erase("cpu.max");
  machine.state.templates["/cg/unified"].erase("pids.max");
  Cgroups& groups = machine.with_group();
  const auto quota = groups.set_cpu_quota({"c"}, CpuQuota{milliseconds(10), milliseconds(100)});
  refused(quota, "not_supported");
  BOOST_TEST(quota.error().detail.find("controller cpu") != std::string::npos,
             quota.error().message());
  refused(groups.set_pids({"none"}, 5), "not_found");
}

BOOST_AUTO_TEST_CASE(v2_guarantees_are_handed_down_by_the_nodes_groups) {
  Machine machine(CgroupLayoutKind::v2);
  Cgroups& groups = machine.with_group();
  BOOST_REQUIRE(groups.create({"d"}));
  const auto kept = groups.set_memory_low({"c"}, {(std::uint64_t{1} << 20) + 5});
  BOOST_REQUIRE(kept);
  BOOST_TEST(kept->value == std::uint64_t{1} << 20);
  BOOST_REQUIRE(groups.set_memory_low({"d"}, {8192}));
  BOOST_TEST(machine.file("unified", "c/memory.low") == "1048576");
  BOOST_TEST(machine.file("unified", "memory.low") == "1056768");
  BOOST_TEST(machine.state.files["/cg/unified/node/memory.low"] == "1056768");
  // The mount's root is not ours.
  BOOST_TEST(!machine.state.files.contains("/cg/unified/memory.low"));
  BOOST_REQUIRE(groups.remove({"c"}));
  BOOST_TEST(machine.file("unified", "memory.low") == "8192");
  BOOST_REQUIRE(groups.set_memory_low({"d"}, {kUnlimited}));
  BOOST_TEST(machine.file("unified", "memory.low") == "max");
  BOOST_REQUIRE(groups.set_memory_low({"d"}, {0}));
  BOOST_TEST(machine.file("unified", "memory.low") == "0");
}

BOOST_AUTO_TEST_CASE(v2_groups_of_others_above_the_nodes_are_left_alone) {
  Machine machine(CgroupLayoutKind::v2);
  Cgroups& groups = machine.with_group();
  machine.state.marks.erase("/cg/unified/node");
  machine.state.files["/cg/unified/node/memory.low"] = "77";
  BOOST_REQUIRE(groups.set_memory_low({"c"}, {8192}));
  BOOST_TEST(machine.file("unified", "memory.low") == "8192");
  BOOST_TEST(machine.state.files["/cg/unified/node/memory.low"] == "77");
}

BOOST_AUTO_TEST_CASE(v1_guarantees_nothing) {
  for (const auto kind : {CgroupLayoutKind::v1, CgroupLayoutKind::hybrid}) {
    Machine machine(kind);
    Cgroups& groups = machine.with_group();
    refused(groups.set_memory_low({"c"}, {8192}), "not_supported");
    refused(groups.set_memory_low({"no"}, {8192}), "not_found");
    const auto limits = groups.limits({"c"}, {});
    BOOST_REQUIRE(limits);
    BOOST_TEST(!limits->memory_low);
    BOOST_TEST(!limits->memory_high);
    BOOST_TEST((limits->memory_nodes == CpuSet{{0}}));
  }
}

BOOST_AUTO_TEST_CASE(v2_bounds_on_memory_are_read_back) {
  Machine machine(CgroupLayoutKind::v2);
  Cgroups& groups = machine.with_group();
  machine.file("unified", "c/memory.high") = "65536\n";
  machine.file("unified", "c/memory.low") = "4096\n";
  machine.file("unified", "c/cpuset.mems.effective") = "0-1\n";
  const auto limits = groups.limits({"c"}, {});
  BOOST_REQUIRE(limits);
  BOOST_TEST(limits->memory_high->value == 65536U);
  BOOST_TEST(limits->memory_low->value == 4096U);
  BOOST_TEST((limits->memory_nodes == CpuSet{{0, 1}}));
}

BOOST_AUTO_TEST_SUITE_END()
