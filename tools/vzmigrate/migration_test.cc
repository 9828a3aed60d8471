// vzmigrate between two simulated nodes: what it does, refuses and takes back.
#include <boost/test/unit_test.hpp>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/intercept.h"
#include "tools/vzmigrate/two_nodes.h"

namespace twinhull::tools {
namespace {

constexpr const char* kStopped = "VEID 101 exist unmounted down";
constexpr const char* kMounted = "VEID 101 exist mounted down";
constexpr const char* kRunning = "VEID 101 exist mounted running";
constexpr const char* kGone = "VEID 101 deleted unmounted down";

struct Fixture : TwoNodes {
  void ok(const std::string& node, std::string_view line) {
    const CommandEnd end = run(node, line);
    BOOST_REQUIRE_MESSAGE(end.code == 0, line << ": " << end.text());
  }
  void create() {
    ok("n1", "vzctl create 101 --ostemplate busybox --ipadd 10.0.0.2 --hostname one --name first");
  }
  void put_data() { ok("n1", "vzctl exec 101 mkdir -p /data; echo precious > /data/file; sync"); }
  void check_data(const std::string& node) {
    BOOST_TEST(run(node, "vzctl exec 101 cat /data/file").out == "precious\n");
  }
  void check_clean() {
    BOOST_TEST(leftovers("n1") == "");
    BOOST_TEST(leftovers("n2") == "");
  }
};

BOOST_FIXTURE_TEST_SUITE(migration, Fixture)

BOOST_AUTO_TEST_CASE(a_running_container_moves_with_its_data) {
  create();
  ok("n1", "vzctl start 101 --wait");
  put_data();
  write("n1", "/etc/vz/conf/101.mount", "#!/bin/sh\nexit 0\n", 0755);
  const CommandEnd end = run("n1", "vzmigrate n2 101");
  BOOST_TEST(end.code == 0, end.text());
  BOOST_TEST(status("n1", "101") == kGone);
  BOOST_TEST(status("n2", "101") == kRunning);
  BOOST_TEST(status("n2", "first") == kRunning);
  check_data("n2");
  BOOST_TEST(file("n2", "/etc/vz/conf/101.mount").value() == "#!/bin/sh\nexit 0\n");
  BOOST_TEST(!exists("n1", "/etc/vz/names/first"));
  BOOST_TEST(exists("n1", "/vz/private/101.migrated"));
  BOOST_TEST(exists("n1", "/etc/vz/conf/101.conf.migrated"));
  BOOST_TEST(exists("n1", "/etc/vz/conf/101.mount.migrated"));
  check_clean();
}

BOOST_AUTO_TEST_CASE(both_ends_limit_their_tools) {
  create();
  for (const char* node : {"n1", "n2"})
    write(node, "/etc/vz/vz.conf", "VZ_TOOLS_BCID=2\nVZ_TOOLS_MEMLIMIT=64M\n");
  ok("n1", "vzmigrate n2 101");
  for (const char* node : {"n1", "n2"}) {
    const auto limits = kernel(node).cgroups().limits(CgroupPath{"2"}, "");
    BOOST_REQUIRE_MESSAGE(limits, node << (limits ? "" : limits.error().message()));
    BOOST_TEST(limits->memory.value().memory.value == 64U << 20);
  }
}

BOOST_AUTO_TEST_CASE(stopped_and_mounted_ones_stay_so) {
  create();
  ok("n1", "vzmigrate -r yes n2 101");
  BOOST_TEST(status("n2", "101") == kStopped);
  BOOST_TEST(!exists("n1", "/vz/private/101.migrated"));
  BOOST_TEST(!exists("n1", "/etc/vz/conf/101.conf.migrated"));
  ok("n2", "vzctl mount 101");
  ok("n2", "vzmigrate -r yes n1 101");
  BOOST_TEST(status("n1", "101") == kMounted);
  BOOST_TEST(status("n2", "101") == kGone);
  check_clean();
}

BOOST_AUTO_TEST_CASE(nostart_leaves_it_stopped) {
  create();
  ok("n1", "vzctl start 101");
  ok("n1", "vzmigrate -s n2 101");
  BOOST_TEST(status("n2", "101") == kStopped);
}

BOOST_AUTO_TEST_CASE(a_new_number_and_new_places) {
  create();
  ok("n1", "vzmigrate n2 101:205:/vz/private/moved.$VEID");
  BOOST_TEST(status("n2", "205") == "VEID 205 exist unmounted down");
  BOOST_TEST(status("n2", "101") == kGone);
  BOOST_TEST(exists("n2", "/vz/private/moved.205/fs"));
  ok("n2", "vzctl start first");
  BOOST_TEST(status("n2", "205") == "VEID 205 exist mounted running");
}

BOOST_AUTO_TEST_CASE(there_and_back_keeps_both_old_copies) {
  create();
  for (int round = 0; round < 2; ++round) {
    ok("n1", "vzmigrate -r no n2 101");
    ok("n2", "vzmigrate -r no n1 101");
  }
  BOOST_TEST(status("n1", "101") == kStopped);
  BOOST_TEST(exists("n1", "/vz/private/101.migrated"));
  BOOST_TEST(exists("n1", "/vz/private/101.2.migrated"));
  check_clean();
}

BOOST_AUTO_TEST_CASE(the_template_travels_when_it_is_missing) {
  create();
  BOOST_REQUIRE(kernel("n2").files().remove_tree("/vz/template/cache/busybox").has_value());
  ok("n1", "vzctl start 101");
  ok("n1", "vzmigrate n2 101");
  BOOST_TEST(status("n2", "101") == kRunning);
  BOOST_TEST(kernel("n1").files().digest_tree("/vz/template/cache/busybox").value() ==
             kernel("n2").files().digest_tree("/vz/template/cache/busybox").value());
  check_clean();
}

BOOST_AUTO_TEST_CASE(a_dry_run_changes_nothing) {
  create();
  ok("n1", "vzctl start 101");
  BOOST_TEST(run("n1", "vzmigrate --dry-run n2 101").code == 104);
  BOOST_TEST(status("n1", "101") == kRunning);
  BOOST_TEST(status("n2", "101") == kGone);
  check_clean();
}

BOOST_AUTO_TEST_CASE(conflicts_are_found_before_anything_is_touched) {
  create();
  ok("n1", "vzctl start 101");
  const auto refused = [&](int code, std::string_view word) {
    const CommandEnd end = run("n1", "vzmigrate n2 101");
    BOOST_TEST(end.code == code, end.text());
    BOOST_TEST(end.err.find(word) != std::string::npos, end.err);
    BOOST_TEST(status("n1", "101") == kRunning);
    check_clean();
  };
  ok("n2", "vzctl create 101 --ostemplate busybox");
  refused(9, "101");
  ok("n2", "vzctl destroy 101");
  ok("n2", "vzctl create 102 --ostemplate busybox --name first");
  refused(45, "first");
  ok("n2", "vzctl destroy 102");
  ok("n2", "vzctl create 102 --ostemplate busybox --ipadd 10.0.0.2");
  refused(12, "10.0.0.2");
  ok("n2", "vzctl destroy 102");
}

BOOST_AUTO_TEST_CASE(a_full_destination_is_refused) {
  create();
  ok("n1", "vzctl start 101 --wait");
  ok("n1", "vzctl exec 101 dd if=/dev/zero of=/big bs=1M count=500");
  const auto disk = kernel("n2").host().disk("/vz");
  BOOST_REQUIRE(disk.has_value());
  BOOST_REQUIRE(world().occupy_disk("n2", disk->available - Bytes{100 << 20}).has_value());
  const CommandEnd end = run("n1", "vzmigrate n2 101");
  BOOST_TEST(end.code == 31, end.text());
  BOOST_TEST(status("n1", "101") == kRunning);
  // Without the check the copy itself runs into the wall and is taken back.
  const CommandEnd forced = run("n1", "vzmigrate -f n2 101");
  BOOST_TEST((forced.code == 6 || forced.code == 31), forced.text());
  BOOST_TEST(status("n1", "101") == kRunning);
  check_clean();
  BOOST_REQUIRE(world().occupy_disk("n2", Bytes{0}).has_value());
  ok("n1", "vzmigrate n2 101");
  check_clean();
}

BOOST_AUTO_TEST_CASE(wrong_command_lines_have_their_codes) {
  create();
  BOOST_TEST(run("n1", "vzmigrate n2 999").code == 10);
  BOOST_TEST(run("n1", "vzmigrate n2 nobody").code == 10);
  BOOST_TEST(run("n1", "vzmigrate n2 5").code == 1);
  BOOST_TEST(run("n1", "vzmigrate n2 101:7").code == 1);
  BOOST_TEST(run("n1", "vzmigrate nowhere 101").code == 4);
  BOOST_TEST(run("n1", "vzmigrate n2").code == 1);
  BOOST_TEST(status("n1", "101") == kStopped);
}

BOOST_AUTO_TEST_CASE(a_container_that_does_not_start_there_comes_back) {
  create();
  ok("n1", "vzctl start 101 --wait");
  put_data();
  // A mount script of n2 itself, so that only the start there fails.
  write("n2", "/etc/vz/conf/vps.mount", "#!/bin/sh\nexit 1\n", 0755);
  const CommandEnd end = run("n1", "vzmigrate n2 101");
  BOOST_TEST(end.code == 7, end.text());
  BOOST_TEST(status("n1", "101") == kRunning);
  BOOST_TEST(status("n2", "101") == kGone);
  check_data("n1");
  check_clean();
}

BOOST_AUTO_TEST_CASE(keep_dst_saves_the_second_copy) {
  create();
  ok("n1", "vzctl mount 101");
  write("n2", "/etc/vz/conf/vps.mount", "#!/bin/sh\nexit 1\n", 0755);
  BOOST_TEST(run("n1", "vzmigrate --keep-dst n2 101").code == 7);
  BOOST_TEST(exists("n2", "/vz/private/101.kept.migrated"));
  BOOST_TEST(status("n1", "101") == kMounted);
  ok("n1", "vzctl umount 101");
  BOOST_REQUIRE(kernel("n2").files().remove("/etc/vz/conf/vps.mount").has_value());
  const CommandEnd end = run("n1", "vzmigrate --keep-dst n2 101");
  BOOST_TEST(end.code == 0, end.text());
  BOOST_TEST(end.out.find("there already") != std::string::npos);
  BOOST_TEST(!exists("n2", "/vz/private/101.kept.migrated"));
  ok("n2", "vzctl start 101");
}

BOOST_AUTO_TEST_CASE(the_cable_is_cut_in_the_copy) {
  create();
  ok("n1", "vzctl start 101 --wait");
  ok("n1", "vzctl exec 101 dd if=/dev/zero of=/big bs=1M count=1000");
  put_data();
  auto console = std::make_shared<CapturedConsole>();
  const sim::CommandId command = start("n1", "vzmigrate n2 101", console);
  world().advance(seconds(5));
  BOOST_REQUIRE(!world().result(command).has_value());
  BOOST_REQUIRE(world().set_link_up("n1", "n2", false).has_value());
  BOOST_TEST(finish(command) == 21, console->error_text);
  world().advance(seconds(120));
  BOOST_TEST(status("n1", "101") == kRunning);
  check_data("n1");
  check_clean();
  BOOST_REQUIRE(world().set_link_up("n1", "n2", true).has_value());
  ok("n1", "vzmigrate n2 101");
  check_data("n2");
}

/// Cuts the cable when the destination has written its receipt: the source cannot hear of it.
class CutAtCommit final : public CallObserver {
 public:
  explicit CutAtCommit(sim::World& world) : world_(world) {}
  std::optional<Error> before(const Call&) override { return std::nullopt; }
  std::optional<Error> after(const Call& call, const CallOutcome&) override {
    if (!done && call.name == "files.rename" && call.object.starts_with("/vz/migration/") &&
        !call.object.contains(".return")) {
      done = true;
      BOOST_TEST(world_.set_link_up("n1", "n2", false).has_value());
    }
    return std::nullopt;
  }
  bool done = false;

 private:
  sim::World& world_;
};

BOOST_AUTO_TEST_CASE(an_unanswered_commit_is_settled_later) {
  create();
  ok("n1", "vzctl start 101 --wait");
  put_data();
  CutAtCommit cut(world());
  wrap_service([&](Kernel& inner) { return intercept(inner, cut); });
  const CommandEnd end = run("n1", "vzmigrate n2 101");
  BOOST_TEST_REQUIRE(cut.done);
  BOOST_TEST(end.code == 21, end.text());
  world().advance(seconds(120));
  BOOST_TEST(status("n2", "101") == kRunning);
  // Nobody knows that here: it must not be started twice.
  const CommandEnd refused = run("n1", "vzctl start 101");
  BOOST_TEST(refused.code == 92, refused.text());
  BOOST_TEST(refused.err.find("n2") != std::string::npos);
  BOOST_REQUIRE(world().set_link_up("n1", "n2", true).has_value());
  BOOST_TEST(run("n1", "vzctl start 101").code == 14);
  BOOST_TEST(status("n1", "101") == kGone);
  check_data("n2");
  check_clean();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools
