// A container's life by commands, on the real kernel. Root only.
#include <boost/test/unit_test.hpp>

#include "runtime/kernel/files.h"
#include "runtime/kernel/processes.h"
#include "tools/vzctl/real_node.h"

namespace twinhull::tools {
namespace {

BOOST_FIXTURE_TEST_SUITE(vzctl_on_linux, RealNode)

BOOST_AUTO_TEST_CASE(a_container_lives_and_leaves_nothing) {
  done("create 101 --ostemplate busybox --hostname one --ipadd 10.77.0.2 --name first");
  const auto started = vzctl("start first --wait");
  BOOST_TEST(started.code == 0, started.text());
  BOOST_TEST_MESSAGE(started.text());
  BOOST_TEST(vzctl("status 101").out == "VEID 101 exist mounted running\n");
  BOOST_TEST(inside("hostname; cat /etc/hostname") == "one\none");
  BOOST_TEST(inside("ip addr show venet0 | grep -c 10.77.0.2") == "1");
  BOOST_TEST(vzctl("exec 101 false").code == 8);
  BOOST_TEST(vzctl("exec2 101 exit 7").code == 7);
  BOOST_TEST(vzctl("exec2 101 nothing-there").code == 127);
  BOOST_TEST(vzctl("exec2 101 -", "echo from input").out == "from input\n");
  BOOST_TEST(vzctl("start 101").code == 32);
  BOOST_TEST(inside("echo data > /kept; cat /kept") == "data");

  done("set 101 --cpuunits 2000 --ram 64M --numproc 100 --save");
  done("set 101 --ipadd 10.77.0.3 --nameserver 192.0.2.1 --save");
  BOOST_TEST(inside("ip addr show venet0 | grep -c 10.77.0") == "2");
  BOOST_TEST(inside("cat /etc/resolv.conf") == "nameserver 192.0.2.1");
  done("set 101 --ipdel 10.77.0.2 --save");
  BOOST_TEST(inside("ip addr show venet0 | grep -c 10.77.0") == "1");
  done("set 101 --hostname two.example.org --save");
  BOOST_TEST(inside("hostname; cat /etc/hostname") == "two.example.org\ntwo.example.org");
  done("set 101 --userpasswd root:s3cret");
  BOOST_TEST(inside("grep -c \"^root:[^*!:]\" /etc/shadow") == "1");

  done("restart 101 --wait");
  BOOST_TEST(inside("cat /kept") == "data");
  const auto stopped = vzctl("stop 101");
  BOOST_TEST(stopped.code == 0, stopped.text());
  BOOST_TEST(stopped.out.find("timeout") == std::string::npos, stopped.text());
  BOOST_TEST(leaks() == "");
  done("start 101");
  done("stop 101 --fast");
  BOOST_TEST(leaks() == "");
  done("destroy 101");
  BOOST_TEST(!node().kernel().files().stat(node() / "/vz/private/101").value().has_value());
}

BOOST_AUTO_TEST_CASE(what_a_container_left_that_halted_by_itself_is_removed) {
  done("create 101 --ostemplate busybox --ipadd 10.77.0.2");
  done("start 101 --wait");
  const auto init = node().kernel().processes().find("101").value();
  BOOST_REQUIRE(init.has_value());
  (void)vzctl("exec 101 halt");
  BOOST_REQUIRE(node().kernel().processes().wait_gone(*init, std::chrono::seconds(20)));
  BOOST_TEST(vzctl("status 101").out == "VEID 101 exist mounted down\n");
  done("start 101");
  done("stop 101 --fast");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(refusals_have_the_codes_of_the_simulator) {
  BOOST_TEST(vzctl("start 101").code == 14);
  BOOST_TEST(vzctl("create 101 --ostemplate nothing").code == 91);
  done("create 101 --ostemplate busybox --ipadd 10.77.0.2");
  done("create 102 --ostemplate busybox --ipadd 10.77.0.2");
  BOOST_TEST(vzctl("create 101 --ostemplate busybox").code == 44);
  BOOST_TEST(vzctl("stop 101").code == 31);
  BOOST_TEST(vzctl("exec 101 true").code == 31);
  BOOST_TEST(vzctl("umount 101").code == 40);
  done("start 101");
  const auto conflict = vzctl("start 102");
  BOOST_TEST(conflict.code == 78, conflict.text());
  BOOST_TEST(vzctl("destroy 101").code == 32);
  done("stop 101 --fast");
  done("mount 101");
  BOOST_TEST(vzctl("destroy 101").code == 41);
  done("umount 101");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools
