// A container's life by commands, on the simulator.
#include <boost/test/unit_test.hpp>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/links.h"
#include "runtime/kernel/processes.h"
#include "tools/vzctl/simulated_node.h"

namespace twinhull::tools {
namespace {

#define CHECK_COMMAND(words)                                                \
  do {                                                                      \
    const Outcome th_outcome = vzctl(words);                                \
    BOOST_TEST(th_outcome.code == 0, (words) << ": " << th_outcome.text()); \
  } while (false)

struct Life : SimulatedNode {
  void make(const std::string& options = "") {
    CHECK_COMMAND("create 101 --ostemplate busybox " + options);
  }
  void make_running(const std::string& options = "") {
    make(options);
    CHECK_COMMAND("start 101 --wait");
  }
  bool has(const std::string& path, const std::string& part) {
    return file(path).value_or("").find(part) != std::string::npos;
  }
  std::string config() { return file("/etc/vz/conf/101.conf").value_or(""); }
  bool configured(const std::string& line) {
    return ("\n" + config()).find("\n" + line + "\n") != std::string::npos;
  }
  std::string state() {
    std::string out = vzctl("status 101").out;
    if (!out.empty()) out.pop_back();
    return out;
  }
};

BOOST_FIXTURE_TEST_SUITE(lifecycle, Life)

BOOST_AUTO_TEST_CASE(create_says_what_it_does_and_makes_a_whole_container) {
  BOOST_TEST(state() == "VEID 101 deleted unmounted down");
  const Outcome made = vzctl("create 101 --ostemplate busybox --hostname web1 --name web");
  BOOST_TEST(made.code == 0, made.text());
  BOOST_TEST(made.out ==
             "Creating Container private area (busybox)\n"
             "Postcreate action done\n"
             "Saved parameters for Container 101\n"
             "Container private area /vz/private/101 was created\n");
  BOOST_TEST(state() == "VEID 101 exist unmounted down");
  for (const char* line : {"OSTEMPLATE=\".busybox\"", "DISTRIBUTION=\"busybox\"",
                           "ORIGIN_SAMPLE=\"basic\"", "HOSTNAME=\"web1\"", "NAME=\"web\""})
    BOOST_TEST(configured(line), line << " in " << config());
  BOOST_TEST(exists("/vz/private/101/fs"));
  BOOST_TEST(vzctl("status web").out == "VEID 101 exist unmounted down\n");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(a_container_starts_runs_stops_and_leaves_nothing) {
  make("--ipadd 10.0.0.2");
  const Outcome started = vzctl("start 101 --wait");
  BOOST_TEST(started.code == 0, started.text());
  const auto at = [&](const char* line) { return started.out.find(line); };
  BOOST_TEST(at("Starting Container ...") == 0U);
  BOOST_TEST(at("Starting Container ...") < at("Container is mounted"));
  BOOST_TEST(at("Container is mounted") < at("Setting CPU units: 1000"));
  BOOST_TEST(at("Setting CPU units: 1000") < at("Adding IP address(es): 10.0.0.2"));
  BOOST_TEST(at("Adding IP address(es): 10.0.0.2") < at("Container was started"));
  BOOST_TEST(state() == "VEID 101 exist mounted running");
  BOOST_TEST(inside("101", "echo hello; hostname") == "hello\nct101");

  const Outcome stopped = vzctl("stop 101");
  BOOST_TEST(stopped.code == 0, stopped.text());
  BOOST_TEST(stopped.out ==
             "Stopping the Container ...\nContainer was stopped\nContainer is unmounted\n");
  BOOST_TEST(state() == "VEID 101 exist unmounted down");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(data_written_inside_survives_a_restart) {
  make_running();
  BOOST_TEST(inside("101", "echo kept > /root.txt; cat /root.txt") == "kept");
  CHECK_COMMAND("restart 101 --wait");
  BOOST_TEST(inside("101", "cat /root.txt") == "kept");
  CHECK_COMMAND("stop 101 --fast");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(restart_of_a_stopped_container_starts_it) {
  make();
  CHECK_COMMAND("restart 101");
  BOOST_TEST(state() == "VEID 101 exist mounted running");
}

BOOST_AUTO_TEST_CASE(exec_collapses_codes_and_exec2_hands_them_on) {
  make_running();
  BOOST_TEST(vzctl("exec 101 exit 3").code == 8);
  BOOST_TEST(vzctl("exec 101 true").code == 0);
  BOOST_TEST(vzctl("exec2 101 exit 3").code == 3);
  BOOST_TEST(vzctl("exec2 101 no-such-program").code == 127);
  BOOST_TEST(vzctl("exec3 101 echo 'a  b' $HOME").out == "a  b $HOME\n");
  BOOST_TEST(vzctl("exec2 101 -", "echo from input\nexit 4\n").out == "from input\n");
  BOOST_TEST(vzctl("exec2 101 -", "exit 4\n").code == 4);
  BOOST_TEST(vzctl("exec2 101 echo '$HOME'").out == "/\n");
  BOOST_TEST(vzctl("enter 101", "echo inside\n").out ==
             "entered into Container 101\ninside\nexited from Container 101\n");
}

BOOST_AUTO_TEST_CASE(a_container_that_halts_by_itself_is_cleaned_up_by_the_next_command) {
  make_running("--ipadd 10.0.0.2");
  vzctl("exec 101 halt");
  world().advance(std::chrono::seconds(30));
  BOOST_TEST(state() == "VEID 101 exist mounted down");
  CHECK_COMMAND("start 101");
  BOOST_TEST(state() == "VEID 101 exist mounted running");
  CHECK_COMMAND("stop 101");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(mount_and_umount_stand_alone) {
  make();
  BOOST_TEST(vzctl("mount 101").out == "Container is mounted\n");
  BOOST_TEST(state() == "VEID 101 exist mounted down");
  BOOST_TEST(exists("/vz/root/101/bin/sh"));
  CHECK_COMMAND("start 101");
  CHECK_COMMAND("stop 101 --skip-umount");
  BOOST_TEST(state() == "VEID 101 exist mounted down");
  BOOST_TEST(vzctl("umount 101").out == "Container is unmounted\n");
  CHECK_COMMAND("mount 101");
  BOOST_TEST(vzctl("stop 101").code == 0);  // R15: stop of a mounted container unmounts it
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(destroy_keeps_the_configuration_aside) {
  make("--name web");
  write("/etc/vz/conf/101.mount", "#!/bin/sh\nexit 0\n", 0755);
  const Outcome gone = vzctl("destroy web");
  BOOST_TEST(gone.code == 0, gone.text());
  BOOST_TEST(gone.out ==
             "Destroying Container private area: /vz/private/101\n"
             "Container private area was destroyed\n");
  BOOST_TEST(!exists("/vz/private/101"));
  BOOST_TEST(!exists("/vz/root/101"));
  BOOST_TEST(!exists("/etc/vz/names/web"));
  BOOST_TEST(exists("/etc/vz/conf/101.conf.destroyed"));
  BOOST_TEST(exists("/etc/vz/conf/101.mount.destroyed"));
  BOOST_TEST(vzctl("start 101").code == 14);
  CHECK_COMMAND("create 101 --ostemplate busybox --name web");
  CHECK_COMMAND("destroy 101 --safe");
  BOOST_TEST(exists("/vz/private/101.destroyed"));
}

BOOST_AUTO_TEST_CASE(without_save_a_change_ends_with_the_container) {
  make_running();
  CHECK_COMMAND("set 101 --cpuunits 2000");
  BOOST_TEST(configured("CPUUNITS=\"1000\""));
  CHECK_COMMAND("restart 101 --wait");
  const Outcome again = vzctl("restart 101 --wait");
  BOOST_TEST(again.out.find("Setting CPU units: 1000") != std::string::npos, again.text());
  CHECK_COMMAND("stop 101");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(with_save_only_the_changed_lines_of_the_file_change) {
  make();
  write("/etc/vz/conf/101.conf", config() + "# a remark\nUNKNOWN_KEY=\"kept\"\n");
  const std::string before = config();
  const Outcome set = vzctl("set 101 --cpuunits 2000 --description 'a b' --save");
  BOOST_TEST(set.code == 0, set.text());
  BOOST_TEST(set.out == "Saved parameters for Container 101\n");
  BOOST_TEST(configured("CPUUNITS=\"2000\""));
  BOOST_TEST(configured("DESCRIPTION=\"a b\""));
  BOOST_TEST(configured("# a remark"));
  BOOST_TEST(configured("UNKNOWN_KEY=\"kept\""));
  BOOST_TEST(before != config());
}

BOOST_AUTO_TEST_CASE(set_without_save_on_a_stopped_container_says_that_it_does_nothing) {
  make();
  const std::string before = config();
  const Outcome set = vzctl("set 101 --cpuunits 2000");
  BOOST_TEST(set.code == 0);
  BOOST_TEST(set.err.find("not running") != std::string::npos, set.text());
  BOOST_TEST(config() == before);
}

BOOST_AUTO_TEST_CASE(addresses_come_and_go_live) {
  make_running("--ipadd 10.0.0.2");
  CHECK_COMMAND("set 101 --ipadd 10.0.0.3 --save");
  BOOST_TEST(configured("IP_ADDRESS=\"10.0.0.2 10.0.0.3\""), config());
  BOOST_TEST(inside("101", "ip addr show venet0 | grep -q 10.0.0.3 && echo yes") == "yes");
  CHECK_COMMAND("set 101 --ipdel 10.0.0.2");
  BOOST_TEST(configured("IP_ADDRESS=\"10.0.0.2 10.0.0.3\""));
  const auto routes = kernel().links().routes(NetScope::node());
  BOOST_REQUIRE(routes.has_value());
  for (const Route& route : *routes) BOOST_TEST(route.destination.text() != "10.0.0.2/32");
  CHECK_COMMAND("set 101 --ipdel all --ipadd 10.0.0.4 --save");
  BOOST_TEST(configured("IP_ADDRESS=\"10.0.0.4\""), config());
  CHECK_COMMAND("stop 101");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(a_container_without_addresses_gets_its_first_one_live) {
  make_running();
  CHECK_COMMAND("set 101 --ipadd 10.0.0.9");
  BOOST_TEST(inside("101", "ip addr show venet0 | grep -q 10.0.0.9 && echo yes") == "yes");
}

BOOST_AUTO_TEST_CASE(the_system_inside_is_told_its_name_and_servers) {
  make_running();
  const Outcome set = vzctl(
      "set 101 --hostname db1.example.org --nameserver 192.0.2.1 --nameserver 192.0.2.2 "
      "--searchdomain example.org --save");
  BOOST_TEST(set.code == 0, set.text());
  BOOST_TEST(inside("101", "hostname") == "db1.example.org");
  BOOST_TEST(inside("101", "cat /etc/hostname") == "db1.example.org");
  BOOST_TEST(inside("101", "cat /etc/resolv.conf") ==
             "search example.org\nnameserver 192.0.2.1\nnameserver 192.0.2.2");
  CHECK_COMMAND("restart 101 --wait");
  BOOST_TEST(inside("101", "hostname") == "db1.example.org");
}

BOOST_AUTO_TEST_CASE(debian_keeps_its_network_file) {
  CHECK_COMMAND("create 102 --ostemplate debian-12-x86_64 --ipadd 10.0.0.7 --hostname deb");
  CHECK_COMMAND("start 102 --wait");
  const std::string interfaces = inside("102", "cat /etc/network/interfaces");
  BOOST_TEST(interfaces.find("10.0.0.7") != std::string::npos, interfaces);
  BOOST_TEST(interfaces.find("auto venet0\niface venet0 inet manual") != std::string::npos,
             interfaces);
  CHECK_COMMAND("set 102 --ipdel all --save");
  BOOST_TEST(inside("102", "grep -q venet0 /etc/network/interfaces || echo none") == "none");
  CHECK_COMMAND("stop 102");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(names_stand_for_numbers_everywhere) {
  make();
  CHECK_COMMAND("set 101 --name 'web server' --save");
  CHECK_COMMAND("start 'web server'");
  BOOST_TEST(vzctl("exec2 'web server' echo hi").out == "hi\n");
  CHECK_COMMAND("set 101 --name other --save");
  BOOST_TEST(vzctl("stop 'web server'").code == 14);
  CHECK_COMMAND("set other --name '' --save");
  BOOST_TEST(vzctl("stop other").code == 14);
  CHECK_COMMAND("stop 101");
}

BOOST_AUTO_TEST_CASE(disabled_containers_start_by_force_only) {
  make();
  CHECK_COMMAND("set 101 --disabled yes --save");
  const Outcome refused = vzctl("start 101");
  BOOST_TEST(refused.code == 105);
  BOOST_TEST(refused.err.find("Container start disabled") != std::string::npos, refused.text());
  CHECK_COMMAND("start 101 --force");
  BOOST_TEST(vzctl("restart 101").code == 105);
  BOOST_TEST(state() == "VEID 101 exist mounted running");
  CHECK_COMMAND("set 101 --disabled no --save");
  CHECK_COMMAND("restart 101");
}

BOOST_AUTO_TEST_CASE(passwords_are_set_running_or_not_and_leave_no_trace) {
  make_running();
  CHECK_COMMAND("set 101 --userpasswd root:s3cret");
  CHECK_COMMAND("set 101 --userpasswd joe:tr1cky'");
  BOOST_TEST(inside("101", "grep -q '^joe:' /etc/passwd && echo there") == "there");
  BOOST_TEST(inside("101", "grep -q '^root:[^!*:]' /etc/shadow && echo set") == "set");
  CHECK_COMMAND("stop 101");
  CHECK_COMMAND("set 101 --userpasswd anna:geheim7");
  BOOST_TEST(leaks() == "");
  BOOST_TEST(has("/vz/private/101/fs/etc/passwd", "anna:"));
  for (const char* secret : {"s3cret", "tr1cky", "geheim7"}) {
    BOOST_TEST(!has("/var/log/vzctl.log", secret));
    BOOST_TEST(config().find(secret) == std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(action_scripts_run_in_order_with_their_variables) {
  make();
  for (const char* stage : {"premount", "mount", "umount", "postumount"})
    for (const char* prefix : {"vps", "101"})
      write(std::string("/etc/vz/conf/") + prefix + "." + stage,
            std::string("#!/bin/sh\necho \"") + prefix + "." + stage +
                " $VEID $VE_CONFFILE\" >> /vz/tmp/order\n",
            0755);
  write("/etc/vz/conf/101.start", "#!/bin/sh\necho started $VEID > /started\n", 0755);
  write("/etc/vz/conf/101.stop", "#!/bin/sh\necho stopped >> /started\n", 0755);
  CHECK_COMMAND("start 101 --wait");
  BOOST_TEST(inside("101", "cat /started") == "started 101");
  CHECK_COMMAND("stop 101");
  BOOST_TEST(file("/vz/private/101/fs/started").value_or("") == "started 101\nstopped\n");
  std::string wanted;
  for (const char* stage : {"premount", "mount", "umount", "postumount"})
    for (const char* prefix : {"vps", "101"})
      wanted += std::string(prefix) + "." + stage + " 101 /etc/vz/conf/101.conf\n";
  BOOST_TEST(file("/vz/tmp/order").value_or("") == wanted);
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(a_failing_mount_script_stops_the_start_and_unmounts) {
  make();
  write("/etc/vz/conf/101.mount", "#!/bin/sh\nexit 5\n", 0755);
  const Outcome refused = vzctl("start 101");
  BOOST_TEST(refused.code == 79, refused.text());
  BOOST_TEST(refused.err.find("exit code 5") != std::string::npos, refused.text());
  BOOST_TEST(state() == "VEID 101 exist unmounted down");
  BOOST_TEST(leaks() == "");
  CHECK_COMMAND("start 101 --skip_ve_setup");
}

BOOST_AUTO_TEST_CASE(a_failing_start_script_takes_the_whole_start_back) {
  make("--ipadd 10.0.0.2");
  write("/etc/vz/conf/101.start", "#!/bin/sh\nexit 1\n", 0755);
  BOOST_TEST(vzctl("start 101").code == 79);
  BOOST_TEST(state() == "VEID 101 exist unmounted down");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(a_script_of_the_node_runs_inside_running_or_not) {
  make();
  write("/root-script.sh", "echo ran in $(pwd); echo x > /made; exit 6\n");
  const Outcome down = vzctl("runscript 101 /root-script.sh");
  BOOST_TEST(down.code == 6, down.text());
  BOOST_TEST(down.out.find("ran in /") != std::string::npos, down.text());
  BOOST_TEST(exists("/vz/private/101/fs/made"));
  BOOST_TEST(leaks() == "");
  CHECK_COMMAND("start 101");
  BOOST_TEST(vzctl("runscript 101 /root-script.sh").code == 6);
}

BOOST_AUTO_TEST_CASE(quiet_silences_the_console_but_not_the_log) {
  const Outcome made = vzctl("--quiet create 101 --ostemplate busybox");
  BOOST_TEST(made.code == 0);
  BOOST_TEST(made.out == "");
  BOOST_TEST(has("/var/log/vzctl.log", " vzctl : CT 101 : Saved parameters for Container 101\n"));
  const Outcome refused = vzctl("--quiet stop 101");
  BOOST_TEST(refused.code == 31);
  BOOST_TEST(refused.err == "");
  BOOST_TEST(has("/var/log/vzctl.log", "Container is not running"));
}

BOOST_AUTO_TEST_CASE(init_that_does_not_halt_is_killed_after_the_timeout) {
  make();
  CHECK_COMMAND("set 101 --stop-timeout 5 --save");
  CHECK_COMMAND("start 101 --wait");
  BOOST_TEST(inside("101",
                    "rm -f /bin/halt /sbin/halt; echo '#!/bin/sh' > /sbin/halt; "
                    "chmod 755 /sbin/halt; echo ok") == "ok");
  const Instant before = world().now();
  const Outcome stopped = vzctl("stop 101");
  BOOST_TEST(stopped.code == 0, stopped.text());
  BOOST_TEST(stopped.out.find("Container stop timeout has expired\n"
                              "Forcibly stop the Container...\n"
                              "Container was stopped\n") != std::string::npos,
             stopped.text());
  BOOST_TEST((world().now() - before >= std::chrono::seconds(5)));
  BOOST_TEST((world().now() - before < std::chrono::seconds(8)));
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools
