#include "runtime/migrate/predict.h"

#include <algorithm>

namespace twinhull::migrate {
namespace {

__extension__ typedef unsigned __int128 Wide;

Duration at(BytesPerSecond rate, Bytes bytes) {
  return Duration(static_cast<std::int64_t>(static_cast<Wide>(bytes.value) * 1'000'000'000U /
                                            std::max<std::uint64_t>(rate.value, 1)));
}

}  // namespace

Prediction predict(const MoveFacts& facts, const CheckpointCosts& costs) {
  Prediction result;
  const Survey& survey = facts.survey;
  std::uint32_t slowed = 0;  // each time it writes half as fast
  const auto changed_in = [&](Duration length) -> Pages {
    if (!survey.changed || survey.watched <= Duration{0}) return {};
    const Wide pages = static_cast<Wide>(survey.changed->value) *
                           static_cast<Wide>(std::max(length, Duration{0}).count()) /
                           static_cast<Wide>(survey.watched.count()) >>
                       slowed;
    return {static_cast<std::uint64_t>(std::min<Wide>(pages, survey.held.value))};
  };
  // Images are written here, durably, and then sent; the disk there writes while they arrive.
  const BytesPerSecond arrival = std::min(facts.bandwidth, facts.disk);
  const auto image_time = [&](Bytes bytes) {
    return at(costs.write, bytes) + at(facts.disk, bytes) + at(arrival, bytes);
  };
  const Duration files = at(arrival, facts.files);
  result.total = costs.move + files;
  result.sent = facts.files;

  Pages left = survey.held;
  std::vector<PrecopyRound> rounds;
  while (facts.iterative) {
    PrecopyRound round;
    round.written = left;
    round.sent = to_bytes(left);
    round.took = costs.round + image_time(round.sent);
    if (!rounds.empty()) round.between = rounds.back().took;
    rounds.push_back(round);
    result.total += round.took;
    result.sent += round.sent;
    left = changed_in(round.took);
    result.verdict = judge_rounds(facts.goals, rounds, slowed);
    if (result.verdict == PrecopyVerdict::slow_down) ++slowed;
    if (result.verdict != PrecopyVerdict::another && result.verdict != PrecopyVerdict::slow_down)
      break;
  }
  result.rounds = static_cast<std::uint32_t>(rounds.size());
  const Bytes last = to_bytes(left);
  const Duration tasks = costs.task * static_cast<std::int64_t>(survey.tasks);
  result.down = costs.dump + tasks + image_time(last) + costs.restore + tasks +
                at(costs.read, to_bytes(survey.held)) +
                // The last files, their acceptance, the state, the commit and its answer.
                6 * facts.round_trip;
  result.total += result.down;
  result.sent += last;
  return result;
}

}  // namespace twinhull::migrate
