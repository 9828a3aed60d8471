#include <boost/test/unit_test.hpp>

#include "runtime/resource/beancounters.h"
#include "runtime/resource/resources.h"

namespace twinhull::resource {
namespace {

struct Fixture {
  CtSettings settings;
  HostInfo host;
  Fixture() {
    settings.id = CtId{101};
    host.online_cpus = CpuSet{{0, 1, 2, 3}};
    host.cpu_mhz = 2400;
  }
  ResourcePlan plan() {
    auto made = plan_resources(settings, host);
    BOOST_TEST_REQUIRE(made.has_value());
    return *made;
  }
};

BOOST_FIXTURE_TEST_SUITE(resource_plan, Fixture)

BOOST_AUTO_TEST_CASE(units_become_shares) {
  BOOST_TEST(to_shares({1000}).value == 1024U);
  BOOST_TEST(to_shares({2000}).value == 2048U);
  BOOST_TEST(to_shares({8}).value == 8U);
  BOOST_TEST(to_shares({1}).value == 2U);
  BOOST_TEST(to_shares({500000}).value == 262144U);
  BOOST_TEST(to_shares({kUnlimited}).value == 262144U);
}

BOOST_AUTO_TEST_CASE(the_smaller_of_cpus_and_limit_wins) {
  BOOST_TEST(!plan().quota.has_value());
  settings.cpus = 2;
  BOOST_TEST((plan().quota->quota == milliseconds(200)));
  settings.cpulimit = CpuLimitSetting{CpuLimitSetting::Unit::percent, 150};
  BOOST_TEST((plan().quota->quota == milliseconds(150)));
  settings.cpulimit->value = 300;
  BOOST_TEST((plan().quota->quota == milliseconds(200)));
}

BOOST_AUTO_TEST_CASE(megahertz_follow_the_node) {
  settings.cpulimit = CpuLimitSetting{CpuLimitSetting::Unit::megahertz, 600};
  BOOST_TEST((plan().quota->quota == milliseconds(25)));
  settings.cpulimit->value = 1;
  BOOST_TEST((plan().quota->quota == milliseconds(1)));
  host.cpu_mhz = 0;
  const auto refused = plan_resources(settings, host);
  BOOST_TEST_REQUIRE(!refused.has_value());
  BOOST_TEST(refused.error().exit_code == 2);
  BOOST_TEST((refused.error().code == ErrorCode::not_supported));
}

BOOST_AUTO_TEST_CASE(a_limit_above_the_node_is_a_warning) {
  settings.cpulimit = CpuLimitSetting{CpuLimitSetting::Unit::percent, 401};
  BOOST_TEST(plan().warnings.size() == 1U);
  settings.cpulimit->value = 400;
  BOOST_TEST(plan().warnings.empty());
}

BOOST_AUTO_TEST_CASE(only_a_stated_guarantee_acts) {
  constexpr std::uint64_t kMebi = std::uint64_t{1} << 20;
  settings.physpages = BarrierLimit{25600, 25600};  // 100 MiB
  BOOST_TEST(plan().guarantee.value == 0U);
  settings.beancounters["oomguarpages"] = {12800, kUnlimited};
  BOOST_TEST(plan().guarantee.value == 50 * kMebi);
  // No more than it may use, which is what "unlimited" comes to.
  settings.beancounters["oomguarpages"] = {kUnlimited, kUnlimited};
  BOOST_TEST(plan().guarantee.value == 100 * kMebi);
  settings.swappages = BarrierLimit{0, 12800};
  BOOST_TEST(plan().guarantee.value == 150 * kMebi);
  settings.physpages.reset();
  BOOST_TEST(plan().guarantee.value == 0U);
}

BOOST_AUTO_TEST_CASE(a_guarantee_is_taken_off_each_process) {
  constexpr std::uint64_t kMebi = std::uint64_t{1} << 20;
  host.memory = {1000 * kMebi};
  BOOST_TEST(guarantee_adjust({0}, host) == 0);
  BOOST_TEST(guarantee_adjust({100 * kMebi}, host) == -100);
  BOOST_TEST(guarantee_adjust({100 * kMebi + kPageSize}, host) == -101);  // never too little
  host.swap = {1000 * kMebi};
  BOOST_TEST(guarantee_adjust({100 * kMebi}, host) == -50);
  BOOST_TEST(guarantee_adjust({5000 * kMebi}, host) == -999);
  host.memory = host.swap = {0};
  BOOST_TEST(guarantee_adjust({100 * kMebi}, host) == 0);
}

BOOST_AUTO_TEST_CASE(a_mask_is_cut_to_what_is_online) {
  settings.cpumask = CpuMaskSetting{false, CpuSet{{2, 3, 4}}};
  BOOST_TEST(plan().cpus->text() == "2-3");
  BOOST_TEST(plan().warnings.size() == 1U);
  settings.cpumask->cpus = CpuSet{{7}};
  const auto refused = plan_resources(settings, host);
  BOOST_TEST_REQUIRE(!refused.has_value());
  BOOST_TEST(refused.error().exit_code == 146);
  settings.cpumask->automatic = true;
  BOOST_TEST(!plan().cpus.has_value());
}

BOOST_AUTO_TEST_CASE(memory_nodes_bring_their_cpus) {
  host.memory_nodes = {{0, CpuSet{{0, 1}}}, {1, CpuSet{{2, 3}}}};
  BOOST_TEST(!plan().memory_nodes.has_value());
  settings.nodemask = CpuMaskSetting{false, CpuSet{{1}}};
  settings.cpumask = CpuMaskSetting{true, {}};
  BOOST_TEST(plan().memory_nodes->text() == "1");
  BOOST_TEST(plan().cpus->text() == "2-3");
  BOOST_TEST(plan().warnings.empty());
  settings.cpumask = CpuMaskSetting{false, CpuSet{{0}}};
  BOOST_TEST(plan().cpus->text() == "0");
  settings.nodemask->cpus = CpuSet{{1, 2}};
  BOOST_TEST(plan().memory_nodes->text() == "1");
  BOOST_TEST(plan().warnings.size() == 1U);
  settings.nodemask->cpus = CpuSet{{7}};
  const auto refused = plan_resources(settings, host);
  BOOST_TEST_REQUIRE(!refused.has_value());
  BOOST_TEST(refused.error().exit_code == 149);
}

BOOST_AUTO_TEST_CASE(open_files_are_a_limit_of_the_init) {
  BOOST_TEST(!open_files_limit(settings).has_value());
  settings.beancounters["numfile"] = {100, 200};
  BOOST_TEST(open_files_limit(settings)->hard == 200U);
  BOOST_TEST(open_files_limit(settings)->soft == 200U);
  settings.beancounters["numfile"] = {0, kUnlimited};
  BOOST_TEST(!open_files_limit(settings).has_value());
}

BOOST_AUTO_TEST_CASE(vm_overcommit_says_that_it_does_not_act) {
  settings.vm_overcommit_thousandths = 1500;
  BOOST_TEST((unenforced_settings(settings) == std::vector<std::string>{"vm_overcommit"}));
  settings.vm_overcommit_thousandths = 0;
  BOOST_TEST(unenforced_settings(settings).empty());
}

BOOST_AUTO_TEST_CASE(memory_is_two_numbers) {
  BOOST_TEST((plan().memory == MemoryLimit{}));
  settings.physpages = BarrierLimit{65536, 65536};
  BOOST_TEST(plan().memory.memory.value == std::uint64_t{256} << 20);
  BOOST_TEST(plan().memory.swap.value == kUnlimited);
  settings.swappages = BarrierLimit{0, 0};
  BOOST_TEST(plan().memory.swap.value == 0U);
  settings.physpages = BarrierLimit{0, kUnlimited};
  BOOST_TEST((plan().memory == MemoryLimit{}));
  BOOST_TEST(plan().warnings.size() == 1U);
}

BOOST_AUTO_TEST_CASE(disk_limits_are_hard_unless_there_is_no_grace) {
  settings.diskspace = BarrierLimit{1000, 2000};
  settings.diskinodes = BarrierLimit{10, 20};
  BOOST_TEST(plan().disk.bytes.value == 2000U * 1024);
  BOOST_TEST(plan().disk.inodes.value == 20U);
  settings.quotatime = 0;
  BOOST_TEST(plan().disk.bytes.value == 1000U * 1024);
  BOOST_TEST(plan().disk.inodes.value == 10U);
  settings.disk_quota = false;
  BOOST_TEST((plan().disk == TreeLimit{}));
}

BOOST_AUTO_TEST_CASE(disk_io_is_a_weight_and_two_bounds) {
  BOOST_TEST(plan().io_weight.value == 100U);
  BOOST_TEST((plan().io == IoLimit{}));
  BOOST_TEST(to_io_weight(0).value == 20U);
  BOOST_TEST(to_io_weight(7).value == 160U);
  settings.ioprio = 7;
  settings.iolimit = 10485760;
  settings.iopslimit = 250;
  BOOST_TEST(plan().io_weight.value == 160U);
  BOOST_TEST((plan().io == IoLimit{{10485760}, 250}));
  BOOST_TEST(plan().warnings.empty());
  settings.iolimit = 0;
  settings.iopslimit = 0;
  BOOST_TEST((plan().io == IoLimit{}));
  settings.iolimit = std::uint64_t{3} << 30;  // edited by hand
  BOOST_TEST(plan().io.bandwidth.value == kMostIoLimit);
  BOOST_TEST(plan().warnings.size() == 1U);
}

BOOST_AUTO_TEST_CASE(what_is_not_enforced_is_named) {
  settings.beancounters["kmemsize"] = {1, 2};
  settings.beancounters["numproc"] = {5, 5};
  settings.beancounters["numfile"] = {};
  BOOST_TEST(plan().tasks == 5U);
  BOOST_TEST((unenforced_settings(settings) == std::vector<std::string>{"kmemsize"}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::resource
