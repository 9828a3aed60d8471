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
  // 10 s over the link, during which 1 s into images; 0.49 s out of them, 0.35 s fixed.
  BOOST_TEST(within(told.down, milliseconds(10'700), milliseconds(11'200)));
  // A link that is faster than the images are written waits for them.
  facts.bandwidth = {10'000 * kMebi};
  BOOST_TEST(within(predict(facts).down, milliseconds(1'700), milliseconds(2'200)));
  BOOST_TEST((told.total - told.down).count() == Duration(milliseconds(5'095)).count());
  BOOST_TEST(told.sent.value == 1500 * kMebi);
}

BOOST_AUTO_TEST_CASE(memory_that_follows_is_no_downtime) {
  MoveFacts facts = facts_of(1000, 0);
  facts.iterative = false;
  const Prediction at_once = predict(facts);
  facts.lazy = true;
  const Prediction told = predict(facts);
  // 0.4 s fixed.
  BOOST_TEST(within(told.down, milliseconds(390), milliseconds(450)));
  BOOST_TEST(told.follows.value == 1000 * kMebi);
  BOOST_TEST(told.sent.value == at_once.sent.value);
  // It takes the link as long as before, and goes into the processes meanwhile.
  BOOST_TEST(within(told.total - told.down, milliseconds(10'090), milliseconds(10'110)));
  // A link that is faster waits for that.
  facts.bandwidth = {10'000 * kMebi};
  const Prediction near = predict(facts);
  BOOST_TEST(within(near.total - near.down, milliseconds(3'530), milliseconds(3'560)));
  facts.bandwidth = {100 * kMebi};
  // A far node is asked 63 times for 126 MiB in all, then for 4 MiB each.
  facts.round_trip = milliseconds(10);
  const Prediction far = predict(facts);
  BOOST_TEST(((far.total - told.total) == (6 + 63 + 219) * facts.round_trip));
  facts.round_trip = Duration{0};
  // With rounds only what they leave follows.
  facts = facts_of(1000, 50);
  const Prediction rounds = predict(facts);
  facts.lazy = true;
  const Prediction both = predict(facts);
  BOOST_TEST(both.rounds == rounds.rounds);
  BOOST_TEST(both.follows.value > 0U);
  BOOST_TEST(both.follows.value < 1000 * kMebi);
  BOOST_TEST((both.down < rounds.down));
}

BOOST_AUTO_TEST_CASE(rounds_shorten_it) {
  MoveFacts facts = facts_of(1000, 5);
  const Prediction told = predict(facts);
  BOOST_TEST((told.verdict == PrecopyVerdict::enough));
  BOOST_TEST(told.rounds == 2U);
  // What is left is read back with all the rest: 0.49 s of it.
  BOOST_TEST(within(told.down, milliseconds(800), milliseconds(1'500)));
  BOOST_TEST(within(told.total, seconds(12), seconds(14)));
}

BOOST_AUTO_TEST_CASE(a_writer_faster_than_the_link_does_not_converge) {
  const Prediction told = predict(facts_of(200, 150));
  BOOST_TEST((told.verdict == PrecopyVerdict::no_progress));
  BOOST_TEST(told.down > Duration(seconds(2)));
}

BOOST_AUTO_TEST_CASE(a_slow_disk_holds_up_files_and_not_memory) {
  MoveFacts facts = facts_of(100, 0);
  const Prediction fast = predict(facts);
  facts.disk = {10 * kMebi};
  BOOST_TEST((predict(facts) == fast));
  facts.files = {100 * kMebi};
  const Prediction slow = predict(facts);
  BOOST_TEST(slow.down.count() == fast.down.count());
  BOOST_TEST((slow.total - fast.total).count() == Duration(seconds(10)).count());
}

BOOST_AUTO_TEST_CASE(a_rate_that_is_unknown_counts_as_none) {
  MoveFacts facts = facts_of(100, 0);
  facts.survey.changed.reset();
  BOOST_TEST(predict(facts).rounds == 2U);
}

BOOST_AUTO_TEST_CASE(a_slow_node_takes_longer_for_its_part) {
  MoveFacts facts = facts_of(100, 0);
  const CheckpointCosts costs;
  const Prediction usual = predict(facts);
  facts.here.look = facts.there.look = costs.look;
  BOOST_TEST((predict(facts) == usual));
  facts.there.look = 10 * costs.look;
  const Prediction slow_there = predict(facts);
  // 9 times what a restore takes: its base, 10 tasks, 100 MiB out of images.
  const Duration more = 9 * (costs.restore + 10 * costs.task + microseconds(48'828));
  BOOST_TEST(within(slow_there.down - usual.down, more - microseconds(10), more + microseconds(10)));
  facts.there.look = costs.look;
  facts.here.look = 10 * costs.look;
  const Prediction slow_here = predict(facts);
  BOOST_TEST((slow_here.down - usual.down).count() == (9 * (costs.dump + 10 * costs.task)).count());
  BOOST_TEST((slow_here.total > slow_here.down + (usual.total - usual.down)));
  // What says nothing sensible is bounded.
  facts.here.look = facts.there.look = seconds(10'000);
  BOOST_TEST((predict(facts).down < seconds(60)));
}

BOOST_AUTO_TEST_CASE(the_latest_run_tells_more_than_a_look) {
  MoveFacts facts = facts_of(100, 0);
  const CheckpointCosts costs;
  const Prediction usual = predict(facts);
  facts.here.look = facts.there.look = 50 * costs.look;
  // As fast as where the costs were measured: 10 tasks and 64 MiB.
  facts.here.dump = {costs.engine_dump + 10 * costs.task + microseconds(62'500), 10, {16384}};
  facts.there.restore = {costs.engine_restore + 10 * costs.task + microseconds(31'250), 10, {16384}};
  BOOST_TEST((predict(facts) == usual));
  facts.there.restore.took *= 2;
  const Duration more = costs.restore + 10 * costs.task + microseconds(48'828);
  BOOST_TEST(within(predict(facts).down - usual.down, more - microseconds(10), more + microseconds(10)));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::migrate
