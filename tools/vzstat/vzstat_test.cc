#include <boost/test/unit_test.hpp>

#include "tools/commands.h"
#include "tools/vzctl/simulated_node.h"
#include "tools/vzctl/split_words.h"
#include "tools/vzstat/io_figures.h"

namespace twinhull::tools {
namespace {

stat::IoSamples samples(std::uint32_t id, std::uint64_t read, std::uint64_t written,
                        std::optional<Duration> throttled = {}) {
  stat::IoSamples made;
  made.id = CtId{id};
  made.last = {.read = {read},
               .written = {written},
               .reads = read / 4096,
               .writes = written / 4096,
               .throttled = throttled};
  if (throttled) made.first.throttled = Duration{0};
  return made;
}

BOOST_AUTO_TEST_SUITE(io_report)

BOOST_AUTO_TEST_CASE(rates_and_shares) {
  const auto figures =
      stat::io_figures({samples(101, 4096000, 0), samples(102, 0, 12288000)}, seconds(2));
  BOOST_REQUIRE_EQUAL(figures.size(), 2U);
  BOOST_TEST(figures[0].id.value == 102U);
  BOOST_TEST(figures[0].written == 6144000U);
  BOOST_TEST(figures[0].operations == 1500U);
  BOOST_TEST(figures[0].share == 7500U);
  BOOST_TEST(figures[1].read == 2048000U);
  BOOST_TEST(!figures[0].throttled.has_value());
  const auto found = stat::find_bottleneck(figures);
  BOOST_TEST(found.id.value().value == 102U);
  BOOST_TEST(found.text.find("--ioprio 3") != std::string::npos, found.text);
}

BOOST_AUTO_TEST_CASE(who_waits_for_its_limit_comes_first) {
  auto waits = samples(103, 1000, 0, milliseconds(1500));
  waits.iolimit = 1000;
  const auto figures = stat::io_figures({samples(101, 900000, 0, Duration{0}), waits}, seconds(2));
  BOOST_TEST(figures[0].id.value == 103U);
  BOOST_TEST(figures[0].throttled.value() == 7500U);
  const auto found = stat::find_bottleneck(figures);
  BOOST_TEST(found.text.find("waits 75 % of the time for its own limit of 1000 bytes/s") !=
                 std::string::npos,
             found.text);
}

BOOST_AUTO_TEST_CASE(without_the_kernels_word_a_limit_that_is_used_up_tells) {
  auto full = samples(101, 0, 4096 * 200);
  full.iopslimit = 100;
  auto half = samples(102, 0, 4096 * 100);
  half.iopslimit = 100;
  const auto figures = stat::io_figures({half, full}, seconds(2));
  BOOST_TEST(figures[0].id.value == 101U);
  BOOST_TEST(figures[0].at_limit);
  BOOST_TEST(!figures[1].at_limit);
  BOOST_TEST(stat::find_bottleneck(figures).text.find("--iopslimit") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(nobody_stands_out) {
  BOOST_TEST(stat::find_bottleneck({}).text == "No Container is running.");
  BOOST_TEST(stat::find_bottleneck(stat::io_figures({samples(101, 0, 0)}, seconds(1))).text ==
             "No bottleneck: no Container uses the disk.");
  // Alone on the disk is no bottleneck of anybody.
  BOOST_TEST(
      !stat::find_bottleneck(stat::io_figures({samples(101, 5000, 0)}, seconds(1))).id.has_value());
  // A restart in between: from zero, not from the end of the number line.
  auto again = samples(101, 4096, 0);
  again.first = {.read = {1 << 20}, .written = {}, .reads = 256, .writes = 0, .throttled = {}};
  BOOST_TEST(stat::io_figures({again}, seconds(1))[0].read == 4096U);
}

BOOST_AUTO_TEST_SUITE_END()

struct Fixture : SimulatedNode {
  Outcome watch(std::string_view words) {
    std::vector<std::string> argv{"vzstat"};
    for (std::string& word : split_words(words)) argv.push_back(std::move(word));
    auto console = std::make_shared<CapturedConsole>();
    const auto id = world().start("n1", "vzstat", [this, console, argv](Kernel& kernel) {
      Session session{kernel, layout, *console};
      return tools::vzstat(session, argv);
    });
    BOOST_REQUIRE(id.has_value());
    return finish(*id, *console);
  }
};

BOOST_FIXTURE_TEST_CASE(a_limited_writer_is_named, Fixture) {
  BOOST_TEST(watch("-a -l").out.find("No Container is running.") != std::string::npos);
  BOOST_REQUIRE(vzctl("create 101 --ostemplate busybox --iolimit 1M --name web").code == 0);
  BOOST_REQUIRE(vzctl("start 101 --wait").code == 0);
  auto console = std::make_shared<CapturedConsole>();
  start({"vzctl", "exec", "101", "vzload write /a --bytes 16M --direct --for 600"}, console);
  world().advance(seconds(2));
  const Outcome outcome = watch("-a --interval 4 --count 2");
  BOOST_TEST(outcome.code == 0, outcome.text());
  BOOST_TEST(outcome.out.find("Bottleneck: CT 101 (web) waits") != std::string::npos,
             outcome.text());
  BOOST_TEST(outcome.out.find("vzctl set 101 --iolimit") != std::string::npos, outcome.text());
  const Outcome json = watch("-a -j -l");
  BOOST_TEST(json.out.find("\"bottleneck\":101") != std::string::npos, json.text());
  for (const char* words : {"", "-a --count 0", "-a --interval x", "-i"})
    BOOST_TEST(watch(words).code == 1, words);
}

}  // namespace
}  // namespace twinhull::tools
