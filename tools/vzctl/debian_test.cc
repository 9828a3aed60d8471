// A distribution as it is: Debian 12 by debootstrap, with systemd as init, on the real kernel.
// Root only; it loads packages from the mirror that the machine itself uses.
#include <boost/test/unit_test.hpp>
#include <string>

#include "runtime/kernel/host.h"
#include "tools/vzctl/debian_node.h"

namespace twinhull::tools {
namespace {

BOOST_FIXTURE_TEST_CASE(systemd_boots_runs_and_halts_in_a_container, DebianNode) {
  const auto done = [this](const char* words) { real->done(words); };
  const auto inside = [this](const char* command) { return real->inside(command); };
  done("create 101 --ostemplate debian-12-x86_64 --hostname deb --ipadd 10.77.0.2");
  done("start 101 --wait");
  BOOST_TEST(booted() == "running");
  BOOST_TEST(inside("systemctl --failed --no-legend | wc -l") == "0");
  BOOST_TEST(inside("cat /proc/1/comm; hostname; . /etc/os-release; echo $VERSION_ID") ==
             "systemd\ndeb\n12");
  BOOST_TEST(inside("ip -o addr show venet0 | grep -c 10.77.0.2") == "1");
  BOOST_TEST(inside("systemctl is-active systemd-journald dbus.socket") == "active\nactive");
  done("set 101 --userpasswd root:s3cret");
  BOOST_TEST(inside("grep -c \"^root:[^*!:]\" /etc/shadow") == "1");
  BOOST_TEST(inside("echo kept >/root/file; sync; cat /root/file") == "kept");

  // A whole system with all its services stands still on the disk, and goes on. Its services have
  // users of their own, whose limits CRIU reads: where the node may not, it says so and all runs
  // on.
  const std::string journald = inside("systemctl show -P MainPID systemd-journald");
  const auto support = real->node().kernel().host().supports(Feature::raise_limits);
  BOOST_REQUIRE(support.has_value());
  const auto suspended = real->vzctl("suspend 101");
  if (support->available) {
    BOOST_TEST(suspended.code == 0, suspended.text());
    done("resume 101");
  } else {
    BOOST_TEST_MESSAGE("not suspended here: " << support->reason);
    BOOST_TEST(suspended.code == 16);
    BOOST_TEST(suspended.err.contains("Can't get rlimit"), suspended.text());
  }
  BOOST_TEST(inside("systemctl is-system-running") == "running");
  BOOST_TEST(inside("systemctl show -P MainPID systemd-journald") == journald);
  BOOST_TEST(inside("systemd-run --wait --quiet true && echo started") == "started");

  // By its own shutdown, well before the kill at the end of STOP_TIMEOUT.
  const auto stopped = real->vzctl("stop 101");
  BOOST_TEST(stopped.code == 0, stopped.text());
  BOOST_TEST(stopped.out.find("timeout") == std::string::npos, stopped.text());
  BOOST_TEST(real->leaks() == "");

  done("start 101 --wait");
  BOOST_TEST(booted() == "running");
  BOOST_TEST(inside("cat /root/file") == "kept");
  done("stop 101 --fast");
  BOOST_TEST(real->leaks() == "");
  done("destroy 101");
}

}  // namespace
}  // namespace twinhull::tools
