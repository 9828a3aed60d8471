#include "runtime/migrate/precopy.h"

#include <boost/test/unit_test.hpp>

namespace twinhull::migrate {
namespace {

PrecopyRound round_of(std::uint64_t pages, Duration took, Duration between = Duration{0}) {
  return {.written = {pages}, .sent = to_bytes(Pages{pages}), .took = took, .between = between};
}

BOOST_AUTO_TEST_SUITE(precopy)

BOOST_AUTO_TEST_CASE(a_quiet_container_needs_a_second_round_only) {
  std::vector<PrecopyRound> rounds = {round_of(10'000, seconds(4))};
  BOOST_TEST((judge_rounds({}, rounds, 0) == PrecopyVerdict::another));
  rounds.push_back(round_of(60, milliseconds(20), seconds(4)));
  BOOST_TEST((judge_rounds({}, rounds, 0) == PrecopyVerdict::enough));
}

BOOST_AUTO_TEST_CASE(the_goal_is_met_when_what_comes_about_passes_in_time) {
  // 1,000 pages in 1 s came about in 4 s: in the 1 s of the last round 250 more will, or 250 ms.
  const std::vector<PrecopyRound> rounds = {round_of(4'000, seconds(4)),
                                            round_of(1'000, seconds(1), seconds(4))};
  BOOST_TEST(expected_rest(rounds).value == 250U * kPageSize);
  BOOST_TEST(transfer_time(rounds.back(), expected_rest(rounds)).count() ==
             Duration(milliseconds(250)).count());
  BOOST_TEST((judge_rounds({.downtime = milliseconds(250)}, rounds, 0) == PrecopyVerdict::enough));
  BOOST_TEST((judge_rounds({.downtime = milliseconds(249)}, rounds, 0) == PrecopyVerdict::another));
}

BOOST_AUTO_TEST_CASE(what_is_left_is_never_more_than_all) {
  const std::vector<PrecopyRound> rounds = {round_of(1'000, seconds(1)),
                                            round_of(900, seconds(10), seconds(1))};
  BOOST_TEST(expected_rest(rounds).value == 1'000U * kPageSize);
}

BOOST_AUTO_TEST_CASE(memory_that_changes_as_fast_as_it_is_sent_ends_the_rounds) {
  std::vector<PrecopyRound> rounds = {round_of(10'000, seconds(10)),
                                      round_of(9'000, seconds(9), seconds(10))};
  BOOST_TEST((judge_rounds({}, rounds, 0) == PrecopyVerdict::another));
  rounds.push_back(round_of(8'101, seconds(8), seconds(9)));
  BOOST_TEST((judge_rounds({}, rounds, 0) == PrecopyVerdict::no_progress));
  BOOST_TEST((judge_rounds({.slow_down = true}, rounds, 2) == PrecopyVerdict::slow_down));
  BOOST_TEST((judge_rounds({.slow_down = true}, rounds, 3) == PrecopyVerdict::no_progress));
}

BOOST_AUTO_TEST_CASE(rounds_are_counted) {
  BOOST_TEST(
      (judge_rounds({.rounds = 1}, {round_of(9'999, seconds(1))}, 0) == PrecopyVerdict::rounds));
  std::vector<PrecopyRound> rounds = {round_of(1'000'000, seconds(100))};
  for (std::uint64_t n = 1; n < 8; ++n)
    rounds.push_back(
        round_of(1'000'000 >> n, seconds(100 >> n) + seconds(1), seconds(100 >> (n - 1))));
  rounds.pop_back();
  BOOST_TEST((judge_rounds({}, rounds, 0) == PrecopyVerdict::another));
  rounds.push_back(round_of(7'000, seconds(2), seconds(2)));
  BOOST_TEST((judge_rounds({}, rounds, 0) == PrecopyVerdict::rounds));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::migrate
