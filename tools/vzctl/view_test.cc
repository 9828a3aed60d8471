// What a limit looks like inside, and swap that is virtual: on the real kernel, where it has the
// means; where it lacks them, what the operator is told instead. Root only.
#include <boost/test/unit_test.hpp>
#include <chrono>

#include "runtime/kernel/host.h"
#include "tools/vzctl/real_node.h"

namespace twinhull::tools {
namespace {

class ViewNode : public RealNode {
 public:
  ViewNode() : RealNode({.proc_view = true}) {}

  /// Whether the node has it; the reason why not is printed.
  bool has(Feature feature) {
    const Support support = node().kernel().host().supports(feature).value();
    BOOST_TEST(!support.reason.empty());
    if (!support.available)
      BOOST_TEST_MESSAGE(to_string(feature) << " is not available: " << support.reason);
    return support.available;
  }
  /// Seconds that vzload takes to touch so much memory in CT 101, and its exit code.
  std::pair<double, int> grow(const std::string& size) {
    const auto begin = std::chrono::steady_clock::now();
    const int code = vzctl("exec2 101 vzload memory --grow " + size).code;
    return {std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(), code};
  }
};

BOOST_FIXTURE_TEST_SUITE(vzctl_views, ViewNode)

BOOST_AUTO_TEST_CASE(programs_inside_see_their_own_limits) {
  done("create 101 --ostemplate busybox");
  done("set 101 --ram 64M --swap 0 --cpus 1 --save");
  const auto started = vzctl("start 101 --wait");
  BOOST_TEST(started.code == 0, started.text());
  const bool told = started.err.find("see all CPUs of the node in /proc") != std::string::npos;
  if (!has(Feature::proc_view)) {
    BOOST_TEST(told, started.text());
    return;
  }
  BOOST_TEST(!told, started.text());
  BOOST_TEST(inside("grep -c \"^MemTotal: *65536 kB\" /proc/meminfo") == "1",
             inside("cat /proc/meminfo"));
  BOOST_TEST(inside("grep -c \"^SwapTotal: *0 kB\" /proc/meminfo") == "1");
  BOOST_TEST(inside("grep -c ^processor /proc/cpuinfo") == "1");
  // Its age, not the machine's: the machine was up before the test began.
  const std::string age = inside("cut -d. -f1 /proc/uptime");
  BOOST_TEST(age.size() <= 3U, age);
  done("set 101 --ram 96M");
  BOOST_TEST(inside("grep -c \"^MemTotal: *98304 kB\" /proc/meminfo") == "1",
             inside("cat /proc/meminfo"));
  // By the mask; by --cpus only where lxcfs finds the CPU accounting of cgroup v1.
  done("set 101 --cpumask 0");
  BOOST_TEST(inside("grep -c \"^cpu[0-9]\" /proc/stat") == "1");
  // The second container shares the node's one lxcfs and has a view of its own.
  done("create 102 --ostemplate busybox");
  done("set 102 --ram 128M --swap 0 --save");
  done("start 102 --wait");
  BOOST_TEST(vzctl("exec2 102 grep MemTotal /proc/meminfo").out.find("131072 kB") !=
             std::string::npos);
  for (const char* id : {"101", "102"}) done(std::string("stop ") + id + " --fast");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(virtual_swap_slows_down_and_then_kills) {
  done("create 101 --ostemplate busybox");
  done("set 101 --ram 48M --swap 8M --save");
  const auto started = vzctl("start 101 --wait");
  BOOST_TEST(started.code == 0, started.text());
  if (node().kernel().host().info().value().swap.value > 0) {
    BOOST_TEST_MESSAGE("this machine has real swap: nothing is virtual");
    return;
  }
  if (!has(Feature::memory_high)) {
    BOOST_TEST(started.err.find("virtual swap does not act") != std::string::npos, started.text());
    return;
  }
  BOOST_TEST(started.out.find("memory limit: 48 MiB, swap: 8 MiB (virtual)") != std::string::npos,
             started.text());
  const auto [free, free_code] = grow("16M");
  BOOST_TEST(free_code == 0);
  const auto [slow, slow_code] = grow("52M");  // with what else is inside, a tenth above RAM
  BOOST_TEST(slow_code == 0);
  BOOST_TEST(slow > free + 1.5, slow << " s above RAM, " << free << " s below");
  // Beyond RAM and swap.
  BOOST_TEST(grow("90M").second == 137);
  BOOST_TEST(vzctl("status 101").out.find("running") != std::string::npos);
  // Without swap there is no slow part: straight to the end.
  const auto lifted = vzctl("set 101 --swap 0 --save");
  BOOST_TEST(lifted.out.find("(virtual)") == std::string::npos, lifted.text());
  const auto [short_life, dead_code] = grow("90M");
  BOOST_TEST(dead_code == 137);
  BOOST_TEST(short_life < slow + 5);
  done("stop 101 --fast");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools
