#include "runtime/migrate/predict.h"

#include <boost/test/unit_test.hpp>

namespace twinhull::migrate {
namespace {

constexpr std::uint64_t kMebi = std::uint64_t{1} << 20;

MoveFacts facts_of(std::uint64_t mebibytes, std::uint64_t changed_a_second) {
  MoveFacts facts;
  facts.bandwidth = {100 * kMebi};
  facts.disk = {1000 * kMebi};
  facts.survey.tasks = 10;
  facts.survey.held = to_pages({mebibytes * kMebi});
  facts.survey.changed = to_pages({changed_a_second * kMebi});
  facts.survey.watched = seconds(1);
  return facts;
}

bool within(Duration value, Duration least, Duration most) {
  return value >= least && value <= most;
}

BOOST_AUTO_TEST_SUITE(prediction)

BOOST_AUTO_TEST_CASE(without_rounds_everything_is_downtime) {
  MoveFacts facts = facts_of(1000, 0);
  facts.iterative = false;
  facts.files = {500 * kMebi};
  const Prediction told = predict(facts);
  BOOST_TEST(told.rounds == 0U);
  // 10 s over the link, 1 s into images and 1 s onto the disk, 4 s out of them, 0.34 s fixed.
  BOOST_TEST(within(told.down, milliseconds(16'000), milliseconds(16'500)));
  BOOST_TEST((told.total - told.down).count() == Duration(milliseconds(5'120)).count());
  BOOST_TEST(told.sent.value == 1500 * kMebi);
}

BOOST_AUTO_TEST_CASE(rounds_shorten_it) {
  MoveFacts facts = facts_of(1000, 5);
  const Prediction told = predict(facts);
  BOOST_TEST((told.verdict == PrecopyVerdict::enough));
  BOOST_TEST(told.rounds == 2U);
  // What is left is read back with all the rest: 4 s of it.
  BOOST_TEST(within(told.down, milliseconds(4'200), milliseconds(4'700)));
  BOOST_TEST(within(told.total, seconds(16), seconds(18)));
}

BOOST_AUTO_TEST_CASE(a_writer_faster_than_the_link_does_not_converge) {
  const Prediction told = predict(facts_of(200, 150));
  BOOST_TEST((told.verdict == PrecopyVerdict::no_progress));
  BOOST_TEST(told.down > Duration(seconds(2)));
}

BOOST_AUTO_TEST_CASE(a_slow_disk_counts_twice) {
  MoveFacts facts = facts_of(100, 0);
  facts.disk = {10 * kMebi};
  BOOST_TEST(within(predict(facts).total, seconds(20), milliseconds(21'500)));
}

BOOST_AUTO_TEST_CASE(a_rate_that_is_unknown_counts_as_none) {
  MoveFacts facts = facts_of(100, 0);
  facts.survey.changed.reset();
  BOOST_TEST(predict(facts).rounds == 2U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::migrate
