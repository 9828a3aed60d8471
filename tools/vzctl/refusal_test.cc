// Bad input: each refusal has its code, one clear line, and loses nothing.
#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "runtime/kernel/files.h"
#include "runtime/kernel/processes.h"
#include "tools/vzctl/simulated_node.h"

namespace twinhull::tools {
namespace {

struct Refusals : SimulatedNode {
  /// Runs it and checks the code, that exactly one line says why, and that it holds `part`.
  void refused(const std::string& words, int code, const std::string& part) {
    const Outcome outcome = vzctl(words);
    BOOST_TEST(outcome.code == code, words << ": " << outcome.text());
    BOOST_TEST(outcome.err.find(part) != std::string::npos, words << ": " << outcome.text());
    BOOST_TEST(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1,
               words << ": " << outcome.text());
  }
  void done(const std::string& words) {
    const Outcome outcome = vzctl(words);
    BOOST_TEST(outcome.code == 0, words << ": " << outcome.text());
  }
};

BOOST_FIXTURE_TEST_SUITE(refusal, Refusals)

BOOST_AUTO_TEST_CASE(an_unknown_container_is_named) {
  for (const char* words : {"start 101", "stop 101", "restart 101", "mount 101", "umount 101",
                            "destroy 101", "set 101 --onboot yes --save", "exec 101 true",
                            "exec2 101 true", "enter 101", "runscript 101 /x"})
    refused(words, 14, "CT 101");
  refused("start web1", 14, "web1");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(numbers_outside_the_range_are_refused) {
  for (const char* id : {"0", "1", "100", "2147483645", "99999999999"})
    refused(std::string("create ") + id + " --ostemplate busybox", 20, "");
  refused("create web --ostemplate busybox", 20, "web");
  for (const char* command : {"start 0", "destroy 0", "status 0", "exec 0 true"})
    refused(command, 20, "node itself");
}

BOOST_AUTO_TEST_CASE(create_refuses_what_it_cannot_make) {
  refused("create 101 --ostemplate nothing", 91, "busybox");
  refused("create 101 --ostemplate ../..", 21, "..");
  refused("create 101 --ostemplate busybox --config nothing", 82, "nothing");
  refused("create 101 --ostemplate busybox --hostname -bad-", 70, "-bad-");
  refused("create 101 --ostemplate busybox --ipadd 10.0.0.300", 71, "10.0.0.300");
  refused("create 101 --ostemplate busybox --nameserver x", 72, "x");
  refused("create 101 --ostemplate busybox --name 123", 137, "123");
  refused("create 101 --ostemplate busybox --cpuunits 5", 21, "cpuunits");
  BOOST_TEST(!exists("/etc/vz/conf/101.conf"));
  BOOST_TEST(leaks() == "");
  done("create 101 --ostemplate busybox --name web");
  refused("create 101 --ostemplate busybox", 44, "/vz/private/101");
  refused("create 102 --ostemplate busybox --name web", 137, "CT 101");
}

BOOST_AUTO_TEST_CASE(a_template_without_init_makes_no_container) {
  BOOST_REQUIRE(kernel().files().make_directory("/vz/template/cache/empty").has_value());
  refused("create 101 --ostemplate empty", 47, "/sbin/init");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(states_that_do_not_fit_have_codes_of_their_own) {
  done("create 101 --ostemplate busybox");
  refused("stop 101", 31, "not running");
  refused("exec 101 true", 31, "not running");
  refused("exec2 101 true", 31, "not running");
  refused("enter 101", 31, "not running");
  refused("umount 101", 40, "not mounted");
  done("mount 101");
  refused("mount 101", 41, "already mounted");
  refused("destroy 101", 41, "mounted");
  done("start 101");
  refused("start 101", 32, "already running");
  refused("umount 101", 32, "running");
  refused("mount 101", 41, "already mounted");
  refused("destroy 101", 32, "running");
  done("stop 101");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(missing_parts_are_told_apart) {
  done("create 101 --ostemplate busybox");
  BOOST_REQUIRE(kernel().files().rename("/vz/template/cache/busybox", "/vz/template/kept"));
  refused("start 101", 91, "busybox");
  refused("mount 101", 91, "busybox");
  BOOST_REQUIRE(kernel().files().rename("/vz/template/kept", "/vz/template/cache/busybox"));
  BOOST_REQUIRE(kernel().files().rename("/vz/private/101", "/vz/away"));
  refused("start 101", 43, "/vz/private/101");
  refused("destroy 101", 43, "/vz/private/101");
  BOOST_TEST(!exists("/etc/vz/conf/101.conf"));
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(wrong_values_change_nothing) {
  done("create 101 --ostemplate busybox");
  done("start 101");
  const std::string before = file("/etc/vz/conf/101.conf").value();
  refused("set 101 --cpuunits 7 --save", 21, "cpuunits");
  refused("set 101 --cpuunits 2000 --ipadd 1.2.3 --save", 71, "1.2.3");
  refused("set 101 --ram 0 --save", 21, "ram");
  refused("set 101 --cpumask 99 --save", 146, "99");
  refused("set 101 --hostname -bad- --save", 70, "-bad-");
  refused("set 101 --name web", 20, "--save");
  refused("set 101 --userpasswd nocolon", 74, "USER:PASSWORD");
  refused("set 101 --userpasswd a$b:x", 74, "user name");
  refused("set 101", 20, "no parameter");
  refused("set 101 --setmode restart --cpuunits 2000", 20, "--save");
  BOOST_TEST(file("/etc/vz/conf/101.conf").value() == before);
  done("stop 101");
}

BOOST_AUTO_TEST_CASE(an_address_in_use_is_refused_naming_its_owner) {
  done("create 101 --ostemplate busybox --ipadd 10.0.0.2");
  done("create 102 --ostemplate busybox");
  done("create 103 --ostemplate busybox --ipadd 10.0.0.2");
  done("start 101");
  done("start 102");
  refused("set 102 --ipadd 10.0.0.2 --save", 78, "CT 101");
  const Outcome start = vzctl("start 103");
  BOOST_TEST(start.code == 78, start.text());
  BOOST_TEST(start.err.find("CT 101") != std::string::npos, start.text());
  BOOST_TEST(vzctl("status 103").out == "VEID 103 exist unmounted down\n");
  BOOST_TEST(vzctl("exec2 101 'ip addr show venet0 | grep -q 10.0.0.2'").code == 0);
}

BOOST_AUTO_TEST_CASE(a_held_lock_is_refused_naming_its_owner) {
  done("create 101 --ostemplate busybox");
  auto console = std::make_shared<CapturedConsole>();
  const sim::CommandId slow = start({"vzctl", "start", "101", "--wait"}, console);
  world().advance(milliseconds(1));
  if (!world().result(slow)) {
    refused("stop 101", 9, "starting");
    BOOST_TEST(vzctl("status 101").code == 0);
  }
  BOOST_TEST(finish(slow, *console).code == 0, console->error_text);
  write("/vz/lock/101.lck", "1\nbacking-up\n");  // a two-line lock of another tool: pid 1 lives
  refused("stop 101", 9, "pid=1");
}

BOOST_AUTO_TEST_CASE(a_lock_of_the_dead_is_taken_over) {
  done("create 101 --ostemplate busybox");
  for (const char* text : {"31999\nstarting\n12345\n", "31999\nstarting\n", "no lock at all", "",
                           "-5\nx\n", "1\nstarting\n999999999\n"}) {
    write("/vz/lock/101.lck", text);
    done("mount 101");
    done("umount 101");
    BOOST_TEST(leaks() == "", text);
  }
  // Somebody died in the middle of a takeover.
  write("/vz/lock/101.lck", "31999\nstarting\n12345\n");
  write("/vz/lock/101.lck.takeover", "31998\nstarting\n12345\n");
  done("mount 101");
  done("umount 101");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(broken_configurations_are_named_and_kept) {
  done("create 101 --ostemplate busybox");
  const std::string good = file("/etc/vz/conf/101.conf").value();
  write("/etc/vz/conf/101.conf", good + "CPUUNITS=\"many\"\n");
  refused("start 101", 85, "CPUUNITS");
  refused("set 101 --onboot yes --save", 85, "CPUUNITS");
  write("/etc/vz/conf/101.conf", "HOSTNAME=\"unterminated\n");
  refused("start 101", 85, "101.conf");
  BOOST_TEST(vzctl("status 101").code == 0);
  write("/etc/vz/conf/101.conf", good);
  done("start 101");
  const std::string global = file("/etc/vz/vz.conf").value();
  write("/etc/vz/vz.conf", "VE_ROOT=\"/fixed\"\n");
  refused("stop 101", 22, "VE_ROOT");
  BOOST_REQUIRE(kernel().files().remove("/etc/vz/vz.conf").has_value());
  refused("stop 101", 10, "vz.conf");
  write("/etc/vz/vz.conf", global);
  done("stop 101");
}

BOOST_AUTO_TEST_CASE(a_broken_configuration_can_still_be_destroyed) {
  done("create 101 --ostemplate busybox");
  write("/etc/vz/conf/101.conf", "HOSTNAME=\"unterminated\n");
  done("destroy 101");
  BOOST_TEST(!exists("/vz/private/101"));
}

BOOST_AUTO_TEST_CASE(an_empty_journal_is_of_nothing_that_happened) {
  done("create 101 --ostemplate busybox");
  for (const std::string& text : {std::string(), std::string(300, '\0')}) {
    write("/vz/lock/101.journal", text);
    const Outcome mount = vzctl("mount 101");
    BOOST_TEST(mount.code == 0, mount.text());
    BOOST_TEST(mount.err.empty(), mount.text());
    BOOST_TEST(!exists("/vz/lock/101.journal"));
    BOOST_TEST(!exists("/vz/lock/101.journal.corrupt"));
    done("umount 101");
  }
}

BOOST_AUTO_TEST_CASE(a_journal_that_nobody_can_read_is_set_aside) {
  done("create 101 --ostemplate busybox");
  write("/vz/lock/101.journal", "half a jour");
  const Outcome start = vzctl("start 101");
  BOOST_TEST(start.code == 0, start.text());
  BOOST_TEST(start.err.find("101.journal.corrupt") != std::string::npos, start.text());
  BOOST_TEST(exists("/vz/lock/101.journal.corrupt"));
}

BOOST_AUTO_TEST_CASE(a_full_disk_makes_no_container_and_loses_nothing) {
  done("create 101 --ostemplate busybox");
  BOOST_REQUIRE(world().occupy_disk("n1", Bytes{std::uint64_t{100} << 30}));
  const std::string before = file("/etc/vz/conf/101.conf").value();
  const Outcome create = vzctl("create 102 --ostemplate busybox");
  BOOST_TEST(create.code == 46, create.text());
  const Outcome set = vzctl("set 101 --description 'a long enough text to need a block' --save");
  BOOST_TEST(set.code != 0, set.text());
  BOOST_TEST(file("/etc/vz/conf/101.conf").value() == before);
  BOOST_REQUIRE(world().occupy_disk("n1", Bytes{0}));
  BOOST_TEST(!exists("/etc/vz/conf/102.conf"));
  BOOST_TEST(leaks() == "");
  done("create 102 --ostemplate busybox");
}

BOOST_AUTO_TEST_CASE(a_busy_mount_is_refused_and_stays) {
  done("create 101 --ostemplate busybox");
  done("mount 101");
  // Somebody works below the mount point: an overlay mounted on top of a directory inside.
  BOOST_REQUIRE(kernel().files().make_directory("/vz/root/101/mnt").has_value());
  ExecSpec sleeper;
  sleeper.argv = {"/bin/sh", "-c", "sleep 100"};
  const sim::CommandId busy =
      world()
          .start("n1", "sleeper",
                 [&](Kernel& node) {
                   return node.processes().run_in_root("/vz/root/101", sleeper) ? 0 : 1;
                 })
          .value();
  world().advance(seconds(1));
  refused("umount 101", 51, "/vz/root/101");
  BOOST_TEST(vzctl("status 101").out == "VEID 101 exist mounted down\n");
  BOOST_REQUIRE(world().finish(busy, std::chrono::hours(1)).has_value());
  done("umount 101");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(ctrl_c_during_a_stop_leaves_a_container_that_can_be_stopped) {
  done("create 101 --ostemplate busybox");
  done("start 101 --wait");
  BOOST_TEST(inside("101",
                    "rm -f /bin/halt /sbin/halt; echo '#!/bin/sh' > /sbin/halt; "
                    "chmod 755 /sbin/halt; echo ok") == "ok");
  auto console = std::make_shared<CapturedConsole>();
  const sim::CommandId stop = start({"vzctl", "stop", "101"}, console);
  world().advance(seconds(3));
  BOOST_REQUIRE(world().interrupt(stop));
  BOOST_TEST(finish(stop, *console).code != 0);
  BOOST_TEST(vzctl("status 101").out == "VEID 101 exist mounted running\n");
  done("stop 101 --fast");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools
