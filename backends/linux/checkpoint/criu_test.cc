#include "backends/linux/checkpoint/criu.h"

#include <boost/test/unit_test.hpp>

#include "backends/linux/checkpoint/pace.h"
#include "backends/linux/checkpoint/surroundings.h"

namespace {

using namespace twinhull;
using namespace twinhull::linux_backend;

BOOST_AUTO_TEST_CASE(the_cause_is_the_first_line_that_matters) {
  constexpr std::string_view kLog =
      "(00.046940) Error (criu/util.c:1534): rlimit: Can't setup RLIMIT_NOFILE for self: EPERM\n"
      "Error (criu/util.c:642): execvp(\"iptables-save\", ...) failed: No such file or directory\n"
      "(00.151404) Warn  (criu/x.c:1): something\n"
      "(00.200000)      1: Error (criu/files-reg.c:1710): Can't lookup mount=42 for fd=3 path=/x\n"
      "(00.531365) Error (criu/cr-dump.c:1975): Dumping FAILED.\n";
  const std::string cause = cause_in_log(kLog);
  BOOST_CHECK_EQUAL(cause, "Can't lookup mount=42 for fd=3 path=/x");
  BOOST_CHECK(code_of_cause(cause, true) == ErrorCode::not_supported);
  BOOST_CHECK(code_of_cause("Can't open file log on restore: No such file or directory", false) ==
              ErrorCode::failed);
  BOOST_CHECK_EQUAL(cause_in_log("(00.1) all is well\n"), "");
}

BOOST_AUTO_TEST_CASE(versions_are_read) {
  BOOST_CHECK(parse_criu_version("Version: 3.17.1\n") == CriuVersion(3, 17));
  BOOST_CHECK(parse_criu_version("Version: 4.2\nGitID: v4.2-1-g0\n") == CriuVersion(4, 2));
  BOOST_CHECK(parse_criu_version("Warn\nVersion: 10.0.1\n") == CriuVersion(10, 0));
  BOOST_CHECK(!parse_criu_version("criu: not found\n"));
  BOOST_CHECK(!parse_criu_version("Version: new\n"));
}

BOOST_AUTO_TEST_CASE(latest_runs_come_back) {
  LatestRuns runs;
  BOOST_CHECK(parse_runs(runs_text(runs)) == runs);
  runs.restores = {{milliseconds(1300), 4, {16400}}, {milliseconds(9000), 4, {16400}}};
  runs.dumps = {{microseconds(150'321), 3, {12}}};
  BOOST_CHECK(parse_runs(runs_text(runs)) == runs);
  BOOST_CHECK(parse_runs(runs_text(runs) + "restore 12\ndump -5 1 1\ndump x\n") == runs);
}

BOOST_AUTO_TEST_CASE(one_run_that_was_held_up_does_not_count) {
  BOOST_CHECK(middle_of({}) == EnginePace{});
  LatestRuns runs;
  for (const int took : {120, 5000, 100}) runs.dumps.push_back({milliseconds(took), 3, {7}});
  runs.restores = {{milliseconds(900), 2, {1}}, {milliseconds(80), 2, {2}}};
  const EnginePace pace = middle_of(runs);
  BOOST_CHECK(pace.dump.took == milliseconds(120));
  BOOST_CHECK(pace.restore.took == milliseconds(80));
}

BOOST_AUTO_TEST_CASE(statistics_are_read) {
  const DumpResult result = parse_dump_stats(
      "Displaying dump stats:\nFreezing time: 7450 us\nFrozen time: 159791 us\n"
      "Memory pages scanned: 71 (0x47)\nMemory pages skipped from parent: 3 (0x3)\n"
      "Memory pages written: 50 (0x32)\n");
  BOOST_CHECK(result.freezing == microseconds(7450));
  BOOST_CHECK(result.frozen == microseconds(159791));
  BOOST_CHECK_EQUAL(result.scanned.value, 71);
  BOOST_CHECK_EQUAL(result.skipped.value, 3);
  BOOST_CHECK_EQUAL(result.written.value, 50);
  BOOST_CHECK_EQUAL(parse_restored_pages("Pages restored: 48 (0x30)\n").value, 48);
}

BOOST_AUTO_TEST_CASE(devices_that_every_namespace_has_do_not_count) {
  const auto names = devices_in(
      "Inter-|   Receive\n face |bytes\n    lo: 0 0\n tunl0: 0 0\nvenet0: 12 3\n  sit0:0\n");
  BOOST_REQUIRE_EQUAL(names.size(), 1);
  BOOST_CHECK_EQUAL(names[0], "venet0");
  BOOST_CHECK(compare_devices({{"venet0", "veth101"}}, names, "t"));
  BOOST_CHECK(!compare_devices({}, names, "t"));
  BOOST_CHECK(!compare_devices({{"venet0", "a"}, {"eth1", "b"}}, names, "t"));
}

BOOST_AUTO_TEST_CASE(files_of_the_node_that_are_mounted_inside_are_found) {
  const auto found = external_mounts(
      "270 81 0:103 / / rw - overlay overlay rw\n"
      "291 272 0:5 /null /proc/keys rw - devtmpfs udev rw\n"
      "292 272 0:108 /null /proc/x rw - tmpfs tmpfs rw\n"
      "293 272 0:60 /proc/meminfo /proc/meminfo rw - fuse.lxcfs lxcfs rw\n");
  BOOST_REQUIRE(found);
  const std::vector<ExternalMount> wanted = {{"/proc/keys", "/dev/null"},
                                             {"/proc/meminfo", "view:meminfo"}};
  BOOST_CHECK(*found == wanted);
}

BOOST_AUTO_TEST_CASE(notes_come_back_and_half_ones_do_not) {
  const ImageNotes notes{"/twinhull/101", 4711, {"venet0"}, {{"/proc/stat", "view:stat"}},
                         {{"", {}, "memory pids"},
                          {"a slice/b.service", {{"cpu.max", "max 100000"}, {"pids.max", "7"}}, ""}},
                         "0123abcd"};
  const std::string text = notes_text(notes);
  const auto back = parse_notes(text, "x");
  BOOST_REQUIRE(back);
  BOOST_CHECK_EQUAL(back->group, notes.group);
  BOOST_CHECK_EQUAL(back->init, notes.init);
  BOOST_CHECK(back->devices == notes.devices);
  BOOST_CHECK(back->externals == notes.externals);
  BOOST_CHECK(back->groups == notes.groups);
  BOOST_CHECK_EQUAL(back->lazy, notes.lazy);
  BOOST_CHECK(!parse_notes(text.substr(0, text.size() - 4), "x"));
  BOOST_CHECK(!parse_notes("", "x"));
}

}  // namespace
