// Several containers in one command: words for each, reports, display, results.
#include "tools/vzmigrate/several.h"

#include <boost/test/unit_test.hpp>

#include "tools/vzmigrate/progress.h"

namespace twinhull::tools::move {
namespace {

Options parse(std::vector<std::string> words) {
  words.insert(words.begin(), "vzmigrate");
  return parse_options(words).value();
}

BOOST_AUTO_TEST_SUITE(vzmigrate_several)

BOOST_AUTO_TEST_CASE(the_words_for_one_say_what_was_asked_for) {
  const auto again = [](const std::vector<std::string>& words) {
    const Options options = parse(words);
    return parse_options(words_for(options, options.containers.back())).value();
  };
  const Options full = again({"-r",
                              "no",
                              "-s",
                              "-v",
                              "--keep-dst",
                              "--online",
                              "--auto-converge",
                              "--downtime",
                              "50",
                              "--rounds",
                              "4",
                              "--rate",
                              "10M",
                              "--compress",
                              "-f=disk_space",
                              "--timeout",
                              "60",
                              "--keeper=200",
                              "--ssh=-p 22 -i '/a b/it'\\''s'",
                              "--parallel",
                              "4",
                              "-b",
                              "root@n2",
                              "101",
                              "102:202::/r/$VEID"});
  BOOST_TEST(full.report);
  BOOST_TEST(full.parallel == 1U);
  BOOST_TEST(!full.batch);
  BOOST_TEST(!full.remove.value());
  BOOST_TEST(full.no_start);
  BOOST_TEST(full.verbose);
  BOOST_TEST(full.keep_destination);
  BOOST_TEST(full.online.value().goals.slow_down);
  BOOST_TEST(full.online->goals.downtime.count() == Duration(milliseconds(50)).count());
  BOOST_TEST(full.online->goals.rounds == 4U);
  BOOST_TEST(full.rate.value().value == 10U << 20);
  BOOST_TEST(full.compress);
  BOOST_TEST(full.force);
  BOOST_TEST(full.skipped.size() == 1U);
  BOOST_TEST(full.timeout.count() == Duration(seconds(60)).count());
  BOOST_TEST(full.keeper.value().value == 200U);
  BOOST_TEST(full.peer.ssh_options == (std::vector<std::string>{"-p", "22", "-i", "/a b/it's"}));
  BOOST_TEST(full.peer.text() == "root@n2");
  BOOST_REQUIRE(full.containers.size() == 1U);
  BOOST_TEST(full.containers[0].source == "102");
  BOOST_TEST(full.containers[0].destination == "202");
  BOOST_TEST(full.containers[0].private_pattern.empty());
  BOOST_TEST(full.containers[0].root_pattern == "/r/$VEID");
  const Options bare = again({"n2", "web server"});
  BOOST_TEST(!bare.remove.has_value());
  BOOST_TEST(!bare.online.has_value());
  BOOST_TEST(!bare.keeper.has_value());
  BOOST_TEST(bare.containers[0].source == "web server");
}

BOOST_AUTO_TEST_CASE(reports_come_back) {
  const Report stage{.stage = migrate::MoveStage::copy_area, .expected = {1234}};
  const Report read = parse_report(report_line(stage)).value();
  BOOST_TEST((read.stage == stage.stage));
  BOOST_TEST(read.expected.value == 1234U);
  migrate::Timing timing;
  timing.down = milliseconds(1500);
  timing.total = seconds(20);
  timing.wire = {99};
  timing.round_count = 3;
  timing.followed = {2};
  const Report moved = parse_report(report_line(report_of(timing, true))).value();
  BOOST_TEST(!moved.stage.has_value());
  BOOST_TEST(moved.online);
  BOOST_TEST(moved.down.count() == timing.down.count());
  BOOST_TEST(moved.total.count() == timing.total.count());
  BOOST_TEST(moved.sent.value == 99U);
  BOOST_TEST(moved.rounds == 3U);
  BOOST_TEST(moved.followed.value == 2 * kPageSize);
  for (const char* line :
       {"", "CT 101 has moved to n2", "\x1f", "\x1fstage", "\x1fstage 1", "\x1fstage 1 x",
        "\x1fstage 7 1", "\x1fstage 1 2 3", "\x1fmoved 1 2 3 4"})
    BOOST_TEST(!parse_report(line).has_value(), line);
}

BOOST_AUTO_TEST_CASE(progress_is_one_line) {
  Progress progress("101");
  BOOST_TEST(progress.line() == "CT 101      checks");
  const auto at = [](int length) { return Instant(milliseconds(length)); };
  progress.count(Bytes{1000}, at(0));
  progress.begin({.stage = migrate::MoveStage::copy_area, .expected = {100 << 20}}, at(0));
  BOOST_TEST(progress.line() == "CT 101      files          0 %  0 B of 100.0 MiB");
  progress.count(Bytes{1000 + (20 << 20)}, at(2000));
  BOOST_TEST(progress.line() ==
             "CT 101      files         20 %  20.0 MiB of 100.0 MiB  10.0 MiB/s  0:08 left");
  progress.count(Bytes{1000 + (120 << 20)}, at(4000));
  BOOST_TEST(progress.line() ==
             "CT 101      files         99 %  120.0 MiB of 100.0 MiB  30.0 MiB/s");
  progress.begin({.stage = migrate::MoveStage::start}, at(4000));
  BOOST_TEST(progress.line() == "CT 101      start there");
  BOOST_TEST(Progress(std::string(200, 'x')).line().size() == 79U);
}

BOOST_AUTO_TEST_CASE(results) {
  const std::vector<Outcome> outcomes{{.container = "101",
                                       .there = "201",
                                       .exit_code = 0,
                                       .moved = Report{.stage = {},
                                                       .online = true,
                                                       .down = milliseconds(250),
                                                       .total = seconds(2),
                                                       .sent = {4 << 20},
                                                       .rounds = 2},
                                       .error = {}},
                                      {.container = "102",
                                       .there = {},
                                       .exit_code = 9,
                                       .moved = std::nullopt,
                                       .error = "is \"there\""}};
  BOOST_TEST(batch_line(outcomes[0]) == "101 moved\n");
  BOOST_TEST(batch_line(outcomes[1]) == "102 failed 9\n");
  BOOST_TEST(failures_text(outcomes) == "1 of 2 containers failed: 102 (exit 9)");
  BOOST_TEST(failures_text({outcomes[0]}).empty());
  const auto table = results_table(outcomes);
  BOOST_REQUIRE(table.size() == 3U);
  BOOST_TEST(table[1] ==
             "101              online          0.250 s      2.000 s      4.0 MiB        2.0 MiB");
  const std::string json = results_json(outcomes, "n2");
  for (const char* part :
       {R"("container": "101")", R"("container_there": "201")", R"("down_ms": 250)",
        R"("exit_code": 9)", R"("error": "is \"there\"")", R"("moved": false)"})
    BOOST_TEST(json.find(part) != std::string::npos, json);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools::move
