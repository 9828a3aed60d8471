// vzasysd on a simulated node of four CPUs.
#include <boost/test/unit_test.hpp>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/files.h"
#include "tools/commands.h"
#include "tools/vzctl/simulated_node.h"
#include "tools/vzctl/split_words.h"

namespace twinhull::tools {
namespace {

constexpr const char* kState = "/var/lib/vz/burst";

struct Fixture : SimulatedNode {
  Outcome look(std::string_view words = "--once --window 60") {
    std::vector<std::string> argv{"vzasysd"};
    for (std::string& word : split_words(words)) argv.push_back(std::move(word));
    auto console = std::make_shared<CapturedConsole>();
    const auto id = world().start("n1", "vzasysd", [this, console, argv](Kernel& kernel) {
      Session session{kernel, layout, *console};
      return tools::vzasysd(session, argv);
    });
    BOOST_REQUIRE(id.has_value());
    return finish(*id, *console);
  }
  void ok(std::string_view line) {
    const Outcome outcome = vzctl(line);
    BOOST_REQUIRE_MESSAGE(outcome.code == 0, line << ": " << outcome.text());
  }
  /// Looks, lets a minute pass and looks again: the window is full.
  Outcome minute() {
    BOOST_TEST(look().code == 0);
    world().advance(seconds(60));
    return look();
  }
  std::optional<CpuQuota> quota() {
    return kernel().cgroups().limits(CgroupPath{"101"}, "").value().quota;
  }
  /// A container that uses all it gets.
  void busy(const std::string& options) {
    ok("create 101 --ostemplate busybox " + options);
    ok("start 101 --wait");
    auto console = std::make_shared<CapturedConsole>();
    start({"vzctl", "exec", "101", "vzload cpu --threads 2 --for 100000"}, console);
    world().advance(seconds(1));
  }
};

CpuQuota percent(int of) {
  return {milliseconds(of), milliseconds(100)};
}

BOOST_FIXTURE_TEST_SUITE(vzasysd_world, Fixture)

BOOST_AUTO_TEST_CASE(a_node_without_burst_control_keeps_nothing) {
  ok("create 101 --ostemplate busybox");
  ok("start 101 --wait");
  const Outcome outcome = minute();
  BOOST_TEST(outcome.code == 0, outcome.text());
  BOOST_TEST(outcome.out == "");
  BOOST_TEST(!exists(kState));
}

BOOST_AUTO_TEST_CASE(imposed_and_given_back) {
  busy("--cpulimit 100 --burst_cpu_avg_usage 50 --burst_cpulimit 20");
  Outcome outcome = minute();
  BOOST_TEST(
      outcome.out.find("CT 101: burst limit of 20% imposed: average use is 100.00% of 100%") !=
          std::string::npos,
      outcome.text());
  BOOST_CHECK(quota() == percent(20));
  BOOST_TEST(file("/etc/vz/conf/101.conf")->find("BURST_IMPOSED") == std::string::npos);
  BOOST_TEST(vzctl("explain 101 cpulimit").out.find("held to the burst limit of 20 %") !=
             std::string::npos);
  // It gets 20 % from now on: at 20 % over the window the own limit returns.
  outcome = minute();
  BOOST_TEST(outcome.out.find("burst limit taken back: average use is 20.00%") != std::string::npos,
             outcome.text());
  BOOST_CHECK(quota() == percent(100));
  BOOST_TEST(leaks(true) == "");
}

BOOST_AUTO_TEST_CASE(other_limits_are_set_beside_it) {
  busy("--cpulimit 100 --burst_cpu_avg_usage 50 --burst_cpulimit 60");
  minute();
  BOOST_CHECK(quota() == percent(60));
  ok("set 101 --cpulimit 150 --cpuunits 2000 --save");
  BOOST_CHECK(quota() == percent(60));
  ok("set 101 --cpulimit 40");
  BOOST_CHECK(quota() == percent(40));
  ok("set 101 --cpulimit 100 --burst_cpulimit 55 --save");
  BOOST_CHECK(quota() == percent(55));
  // Switched off: the next look gives the own limit back.
  ok("set 101 --burst_cpulimit 0 --save");
  look();
  BOOST_CHECK(quota() == percent(100));
  BOOST_TEST(vzctl("explain 101 cpulimit").out.find("burst") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_restart_begins_with_the_own_limit) {
  busy("--cpulimit 100 --burst_cpu_avg_usage 50 --burst_cpulimit 60");
  minute();
  BOOST_CHECK(quota() == percent(60));
  ok("restart 101 --wait");
  BOOST_CHECK(quota() == percent(100));
  const Outcome outcome = look("--once -j --window 60");
  BOOST_TEST(outcome.out.find("\"average\": null") != std::string::npos, outcome.text());
  ok("stop 101 --fast");
  ok("destroy 101");
  BOOST_TEST(look("--once -j --window 60").out == "[]\n");
  BOOST_TEST(file(kState)->find("\n101 ") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(defaults_of_the_node) {
  write("/etc/vz/vz.conf",
        *file("/etc/vz/vz.conf") + "BURST_CPU_AVG_USAGE=50\nBURST_CPULIMIT=30\n");
  busy("--cpulimit 100");
  minute();
  BOOST_CHECK(quota() == percent(30));
  // Changed in vz.conf: the next look brings it to the kernel.
  write("/etc/vz/vz.conf", *file("/etc/vz/vz.conf") + "BURST_CPULIMIT=60\n");
  look();
  BOOST_CHECK(quota() == percent(60));
  ok("set 101 --burst_cpu_avg_usage 0 --save");
  look();
  BOOST_CHECK(quota() == percent(100));
}

BOOST_AUTO_TEST_CASE(a_damaged_state_costs_readings_only) {
  busy("--cpulimit 100 --burst_cpu_avg_usage 50 --burst_cpulimit 20");
  look();
  write(kState, "nonsense");
  world().advance(seconds(60));
  BOOST_TEST(look().code == 0);
  BOOST_CHECK(quota() == percent(100));
  world().advance(seconds(60));
  BOOST_TEST(look().code == 0);
  BOOST_CHECK(quota() == percent(20));
}

BOOST_AUTO_TEST_CASE(wrong_command_lines) {
  for (const char* words :
       {"--once --window 0", "--window x --once", "--interval 86401", "--nonsense", "-j", "word"})
    BOOST_TEST(look(words).code == 20, words);
  BOOST_TEST(look("--help").code == 0);
  BOOST_TEST(!exists(kState));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools
