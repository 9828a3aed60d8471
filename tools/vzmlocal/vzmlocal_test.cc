// vzmlocal on a simulated node: what moves, what is copied, what is refused, and every way to cut
// it off.
#include <boost/test/unit_test.hpp>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/decorators/fault_injector.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/intercept.h"
#include "runtime/kernel/mounts.h"
#include "runtime/kernel/quotas.h"
#include "runtime/local/plan.h"
#include "runtime/local/tree_update.h"
#include "tools/vzcfg/tools_node.h"

namespace twinhull::tools {
namespace {

struct Fixture : ToolsNode {
  Fixture() {
    done(
        "vzctl create 101 --ostemplate busybox --ipadd 10.0.0.2 --hostname one --name first "
        "--diskspace 200M");
    write("/etc/vz/conf/101.mount", "#!/bin/sh\nexit 0\n", 0755);
  }
  void start() {
    done("vzctl start 101 --wait");
    put("101", "precious");
  }
  void put(const std::string& id, const std::string& text) {
    done("vzctl exec " + id + " 'mkdir -p /data; echo " + text + " > /data/file; sync'");
  }
  std::string data(const std::string& id) { return done("vzctl exec " + id + " 'cat /data/file'"); }
  std::string status(const std::string& id) {
    std::string text = run("vzctl status " + id).out;
    return text.substr(0, text.find('\n'));
  }
  /// A second file system, of memory: no quota acts there.
  void second_disk() {
    BOOST_REQUIRE(kernel().files().make_directory("/fast").has_value());
    BOOST_REQUIRE(kernel().mounts().tmpfs("/fast", {256 << 20}).has_value());
  }
  void fails(const std::string& line, int code, const std::string& part) {
    const Outcome outcome = run(line);
    BOOST_TEST(outcome.code == code, line << ": " << outcome.text());
    BOOST_TEST(outcome.err.find(part) != std::string::npos, line << ": " << outcome.text());
  }
  std::string uuid(const std::string& id) {
    const std::string text = file("/etc/vz/conf/" + id + ".conf").value();
    const std::size_t at = text.find("UUID=");
    return text.substr(at, text.find('\n', at) - at);
  }
};

BOOST_FIXTURE_TEST_SUITE(local_moves, Fixture)

BOOST_AUTO_TEST_CASE(a_running_container_gets_another_number) {
  start();
  const std::string before = uuid("101");
  done("vzmlocal 101:205");
  BOOST_TEST(status("101") == "VEID 101 deleted unmounted down");
  BOOST_TEST(status("205") == "VEID 205 exist mounted running");
  BOOST_TEST(status("first") == "VEID 205 exist mounted running");
  BOOST_TEST(data("205") == "precious\n");
  BOOST_TEST(uuid("205") == before);
  BOOST_TEST(exists("/etc/vz/conf/205.mount"));
  BOOST_TEST(!exists("/etc/vz/conf/101.mount"));
  BOOST_TEST(!exists("/vz/private/101"));
  BOOST_TEST(kernel().quotas().usage("/vz/private/205").value().limit.bytes.value == 200U << 20);
  BOOST_TEST(leaks(true) == "");
}

BOOST_AUTO_TEST_CASE(stopped_and_mounted_ones_stay_so) {
  done("vzmlocal first:205");
  BOOST_TEST(status("205") == "VEID 205 exist unmounted down");
  done("vzctl mount 205");
  done("vzmlocal 205:206::/vz/root/other");
  BOOST_TEST(status("206") == "VEID 206 exist mounted down");
  BOOST_TEST(kernel().mounts().find("/vz/root/other").value().has_value());
  BOOST_TEST(!exists("/vz/root/205"));
}

BOOST_AUTO_TEST_CASE(places_alone) {
  start();
  done("vzmlocal 101::/vz/elsewhere/$VEID");
  BOOST_TEST(exists("/vz/elsewhere/101/fs"));
  BOOST_TEST(!exists("/vz/private/101"));
  BOOST_TEST(data("101") == "precious\n");
  done("vzmlocal 101:::/mnt/root101");
  BOOST_TEST(kernel().mounts().find("/mnt/root101").value().has_value());
  BOOST_TEST(data("101") == "precious\n");
  fails("vzmlocal 101:::/mnt/root101", 34, "neither number nor place");
}

BOOST_AUTO_TEST_CASE(named_places_follow_the_number) {
  using local::renumbered_place;
  BOOST_TEST(renumbered_place("/vz/private/$VEID", CtId{101}, CtId{205}) == "/vz/private/$VEID");
  BOOST_TEST(renumbered_place("/fast/101", CtId{101}, CtId{205}) == "/fast/205");
  BOOST_TEST(renumbered_place("/fast/web", CtId{101}, CtId{205}) == "/fast/web");
  BOOST_TEST(renumbered_place("/fast/1101", CtId{101}, CtId{205}) == "/fast/1101");
}

BOOST_AUTO_TEST_CASE(to_another_file_system) {
  second_disk();
  start();
  for (const char* line :
       {"vzmlocal 101:205:/fast/$VEID", "vzmlocal --online 205:101:/vz/private/101"}) {
    const std::string output = done(line);
    BOOST_TEST(output.find("Copying /") != std::string::npos, output);
  }
  BOOST_TEST(data("101") == "precious\n");
  BOOST_TEST(kernel().files().list("/fast").value().empty());
  BOOST_TEST(leaks(true) == "");
}

BOOST_AUTO_TEST_CASE(several_entries_go_their_way) {
  done("vzctl create 102 --ostemplate busybox");
  fails("vzmlocal 101:205 999:300 102:206", 10, "999");
  BOOST_TEST(status("205") == "VEID 205 exist unmounted down");
  BOOST_TEST(status("206") == "VEID 206 exist unmounted down");
}

BOOST_AUTO_TEST_CASE(refusals) {
  done("vzctl create 102 --ostemplate busybox");
  const std::string before = configurations();
  fails("vzmlocal 101:102", 9, "102.conf exists");
  fails("vzmlocal 101::/vz/private/102", 9, "exists");
  fails("vzmlocal 101:::/vz/root/102", 9, "those of CT 102");
  fails("vzmlocal 101::/vz/private/101/inner", 1, "lies in");
  fails("vzmlocal 101::relative", 1, "no absolute path");
  fails("vzmlocal 101::/vz/../up", 1, "no absolute path");
  fails("vzmlocal 101", 1, "what it becomes");
  fails("vzmlocal 101:7", 1, "7");
  fails("vzmlocal -C 101::/vz/private/x", 1, "number of its own");
  fails("vzmlocal -C 101:101", 1, "number of its own");
  fails("vzmlocal 777:778", 10, "not on this node");
  fails("vzmlocal", 1, "missing");
  done("vzctl start 101");
  done("vzctl pause 101");
  fails("vzmlocal 101:205", 8, "paused");
  done("vzctl resume 101");
  done("vzctl suspend 101");
  fails("vzmlocal 101:205", 8, "suspended");
  fails("vzmlocal -C 101:205", 29, "suspended");
  done("vzctl resume 101");
  BOOST_TEST(configurations() == before);
  BOOST_TEST(leaks(true) == "");
}

BOOST_AUTO_TEST_CASE(an_open_session_is_in_the_way) {
  start();
  const auto console = std::make_shared<CapturedConsole>();
  const sim::CommandId session =
      SimulatedNode::start({"vzctl", "exec", "101", "sleep 1000"}, console);
  world().advance(seconds(1));
  fails("vzmlocal 101:205", 8, "somebody works inside: sh");
  done("vzmlocal -f 101:205");
  finish(session, *console);
  BOOST_TEST(status("205") == "VEID 205 exist mounted running");
}

BOOST_AUTO_TEST_CASE(a_copy_is_another_container) {
  start();
  for (const char* line : {"vzmlocal -C 101:205", "vzmlocal -C --online 101:206"}) done(line);
  BOOST_TEST(status("101") == "VEID 101 exist mounted running");
  BOOST_TEST(status("first") == "VEID 101 exist mounted running");
  for (const std::string id : {"205", "206"}) {
    BOOST_TEST(status(id) == "VEID " + id + " exist unmounted down");
    BOOST_TEST(uuid(id) != uuid("101"));
    const std::string config = file("/etc/vz/conf/" + id + ".conf").value();
    BOOST_TEST(config.find("NAME=") == config.find("HOSTNAME=") + 4);  // that of HOSTNAME alone
    BOOST_TEST(config.find("10.0.0.2") != std::string::npos);
    BOOST_TEST(exists("/etc/vz/conf/" + id + ".mount"));
    fails("vzctl start " + id, 78, "10.0.0.2");
    done("vzctl set " + id + " --ipdel all --save");
    done("vzctl start " + id + " --wait");
    BOOST_TEST(data(id) == "precious\n");
    put(id, "own");
  }
  BOOST_TEST(uuid("205") != uuid("206"));
  BOOST_TEST(data("101") == "precious\n");
  BOOST_TEST(kernel().quotas().usage("/vz/private/206").value().limit.bytes.value == 200U << 20);
  BOOST_TEST((kernel().cgroups().freeze_state(CgroupPath{"101"}).value() == FreezeState::thawed));
}

BOOST_AUTO_TEST_CASE(a_copy_gets_its_own_hardware_addresses) {
  const std::string path = "/etc/vz/conf/101.conf";
  write(path, file(path).value() +
                  "NETIF=\"ifname=eth0,mac=00:18:51:00:00:01,host_mac=00:18:51:00:00:02\"\n");
  done("vzmlocal -C 101:205");
  const std::string config = file("/etc/vz/conf/205.conf").value();
  BOOST_TEST(config.find("ifname=eth0,mac=02:") != std::string::npos, config);
  BOOST_TEST(config.find("00:18:51") == std::string::npos, config);
}

BOOST_AUTO_TEST_CASE(a_copy_of_a_tree_in_use_is_brought_up_to_date) {
  Files& files = kernel().files();
  for (const char* path : {"/t", "/t/stays", "/t/made-anew", "/t/goes"})
    BOOST_REQUIRE(files.make_directory(path).has_value());
  for (const char* path : {"/t/same", "/t/grows", "/t/rewritten", "/t/gone", "/t/becomes-directory",
                           "/t/stays/deep", "/t/made-anew/old", "/t/goes/x", "/t/mode"})
    write(path, "12345");
  BOOST_REQUIRE(files.make_symlink("same", "/t/link").has_value());
  world().advance(seconds(10));
  const WallTime begun = kernel().clock().wall();
  const local::DirectoryMap known = local::directories_of(files, "/t").value();
  BOOST_REQUIRE(files.copy_tree("/t", "/copy").has_value());
  world().advance(seconds(10));
  write("/t/grows", "1234567");
  write("/t/rewritten", "54321");
  write("/t/stays/deep", "54321");
  BOOST_REQUIRE(files.set_mode("/t/mode", 0600).has_value());
  BOOST_REQUIRE(files.set_mode("/t/stays", 0700).has_value());
  BOOST_REQUIRE(files.remove("/t/gone").has_value());
  BOOST_REQUIRE(files.remove("/t/becomes-directory").has_value());
  BOOST_REQUIRE(files.make_directory("/t/becomes-directory").has_value());
  write("/t/becomes-directory/inner", "new");
  BOOST_REQUIRE(files.remove_tree("/t/made-anew").has_value());
  BOOST_REQUIRE(files.make_directory("/t/made-anew").has_value());
  BOOST_REQUIRE(files.remove_tree("/t/goes").has_value());
  BOOST_REQUIRE(files.remove("/t/link").has_value());
  BOOST_REQUIRE(files.make_symlink("else", "/t/link").has_value());
  const local::UpdateResult update = local::update_tree(files, "/t", "/copy", known, begun).value();
  BOOST_TEST(update.done);
  BOOST_TEST(update.replaced == 7U);  // all but "same", "stays" and what is gone
  BOOST_TEST(update.removed == 2U);
  BOOST_TEST(files.digest_tree("/t").value() == files.digest_tree("/copy").value());
  BOOST_TEST(local::update_tree(files, "/t", "/copy", known, begun).value().removed == 0U);
  // What was written while the copy was made may be torn however its time looks.
  BOOST_TEST(!local::update_tree(files, "/t", "/copy", known, kernel().clock().wall() + seconds(60))
                  .value()
                  .replaced == 0U);
  BOOST_REQUIRE(files.hard_link("/t/grows", "/t/second").has_value());
  BOOST_TEST(!local::update_tree(files, "/t", "/copy", known, begun).value().done);
}

BOOST_AUTO_TEST_SUITE_END()

/// The command with the n-th kernel call cut off, for every n.
void sweep(FaultKind kind, const std::string& command, bool running) {
  Fixture prepared;
  if (running) prepared.start();
  prepared.second_disk();
  const std::string new_area =
      command.find("/fast") == std::string::npos ? "/vz/private/205" : "/fast/205";
  for (std::uint64_t nth = 1;; ++nth) {
    BOOST_REQUIRE_MESSAGE(nth < 1000, "it does not end");
    const auto node = prepared.copy();
    FaultInjector injector(
        {.power_cut = [&] { BOOST_REQUIRE(node->world().power_off("n1")); }, .delay = {}});
    FaultRule rule;
    rule.nth = nth;
    rule.kind = kind;
    BOOST_REQUIRE(injector.add(rule).has_value());
    CapturedConsole console;
    const auto watched = intercept(node->kernel(), injector);
    Session session{*watched, Layout{}, console};
    const std::vector<std::string> words = split_words(command);
    const int code = find_command(words.front())(session, words);
    const auto hits = injector.hits();
    if (hits.empty()) {
      BOOST_TEST(code == 0, console.error_text);
      BOOST_TEST(nth > 20U);
      return;
    }
    if (hits.front().object.find(".lck") != std::string::npos) continue;  // of this very process
    const bool power = kind == FaultKind::power_cut_before || kind == FaultKind::power_cut_after;
    if (power) BOOST_REQUIRE(node->world().power_on("n1"));
    const std::string where = command + " at call " + std::to_string(nth) + " (" +
                              hits.front().name + " " + hits.front().object + ", exit " +
                              std::to_string(code) + " " + console.error_text + ")";
    // Any command on either number completes it; the one with the new number here.
    for (const char* id : {"205", "101"}) {
      const Outcome touched = node->vzctl(std::string("umount ") + id);
      BOOST_TEST((touched.code != 92 && touched.code != 9), where << ": " << touched.text());
    }
    const bool copy = command.find("-C") != std::string::npos;
    const bool old = node->exists("/etc/vz/conf/101.conf");
    const bool fresh = node->exists("/etc/vz/conf/205.conf");
    BOOST_TEST((copy ? old : old != fresh), where);
    BOOST_TEST(node->exists("/vz/private/101") == old, where);
    BOOST_TEST(node->exists(new_area) == fresh, where);
    BOOST_TEST(node->exists(new_area + ".moving") == false, where);
    for (const char* id : {"101", "205"}) {
      if (id[0] == '1' ? !old : !fresh) continue;
      if (!running) continue;
      const Outcome up = node->vzctl(std::string("start ") + id);
      const bool address = copy && id[0] == '2';
      BOOST_TEST((up.code == 0 || up.code == 32 || (address && up.code == 78)),
                 where << ": " << up.text());
      if (!address) BOOST_TEST(node->inside(id, "cat /data/file") == "precious", where);
    }
    for (const char* id : {"101", "205"}) node->vzctl(std::string("stop ") + id + " --fast");
    BOOST_TEST(node->leaks() == "", where);
  }
}

BOOST_AUTO_TEST_SUITE(local_moves_cut_off)

BOOST_AUTO_TEST_CASE(power_before) {
  sweep(FaultKind::power_cut_before, "vzmlocal 101:205", true);
}
BOOST_AUTO_TEST_CASE(power_after) {
  sweep(FaultKind::power_cut_after, "vzmlocal 101:205", true);
}
BOOST_AUTO_TEST_CASE(refused) {
  sweep(FaultKind::refuse, "vzmlocal 101:205", true);
}
BOOST_AUTO_TEST_CASE(report_lost) {
  sweep(FaultKind::lose_report, "vzmlocal 101:205", false);
}
BOOST_AUTO_TEST_CASE(other_disk_refused) {
  sweep(FaultKind::refuse, "vzmlocal --online 101:205:/fast/205", true);
}
BOOST_AUTO_TEST_CASE(other_disk_report_lost) {
  sweep(FaultKind::lose_report, "vzmlocal 101:205:/fast/205", true);
}
BOOST_AUTO_TEST_CASE(copy_power) {
  sweep(FaultKind::power_cut_before, "vzmlocal -C --online 101:205", true);
}
BOOST_AUTO_TEST_CASE(copy_refused) {
  sweep(FaultKind::refuse, "vzmlocal -C 101:205", true);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools
