#include "runtime/migrate/predict.h"

#include <algorithm>

namespace twinhull::migrate {
namespace {

__extension__ typedef unsigned __int128 Wide;

Duration at(BytesPerSecond rate, Bytes bytes) {
  return Duration(static_cast<std::int64_t>(static_cast<Wide>(bytes.value) * 1'000'000'000U /
                                            std::max<std::uint64_t>(rate.value, 1)));
}

/// How often so much memory is asked for: the pieces grow by 64 KiB to 4 MiB (criu lazy-pages).
std::int64_t questions_for(Bytes memory) {
  constexpr std::uint64_t kStep = 64 << 10, kMost = 4 << 20;
  std::int64_t questions = 0;
  std::uint64_t piece = kStep;
  for (; memory.value > 0 && piece < kMost; piece += kStep, ++questions)
    memory -= Bytes{std::min(piece, memory.value)};
  return questions + static_cast<std::int64_t>((memory.value + kMost - 1) / kMost);
}

/// How a node's pace differs from that of the machine of the costs.
class Pace {
 public:
  /// `run` would usually have taken `run_usual`.
  Pace(const EngineRun& run, Duration run_usual, Duration look, Duration look_usual)
      : took_(run.took > Duration{0} ? run.took : look),
        usual_(run.took > Duration{0} ? run_usual : look_usual) {
    took_ = took_ > Duration{0} ? std::clamp(took_, usual_ / kMost, usual_ * kMost) : usual_;
  }
  [[nodiscard]] Duration of(Duration cost) const {
    return Duration(static_cast<std::int64_t>(static_cast<Wide>(cost.count()) *
                                              static_cast<Wide>(took_.count()) /
                                              static_cast<Wide>(usual_.count())));
  }

 private:
  static constexpr std::int64_t kMost = 100;  ///< no machine differs by more
  Duration took_, usual_;
};

}  // namespace

Prediction predict(const MoveFacts& facts, const CheckpointCosts& costs) {
  const EngineRun &dump = facts.here.dump, &restore = facts.there.restore;
  const Pace here(dump, costs.engine_dump + costs.task * static_cast<std::int64_t>(dump.tasks) +
                            at(costs.write, to_bytes(dump.pages)),
                  facts.here.look, costs.look);
  const Pace there(restore,
                   costs.engine_restore + costs.task * static_cast<std::int64_t>(restore.tasks) +
                       at(costs.read, to_bytes(restore.pages)),
                   facts.there.look, costs.look);
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
  // Images of rounds are written here and then sent; neither disk is waited for.
  const auto image_time = [&](Bytes bytes) {
    return at(costs.write, bytes) + at(facts.bandwidth, bytes) + at(costs.receive, bytes);
  };
  // The disk there writes files while they arrive.
  const Duration files = at(std::min(facts.bandwidth, facts.disk), facts.files);
  result.total = here.of(costs.move / 2) + there.of(costs.move / 2) + files;
  result.sent = facts.files;

  Pages left = survey.held;
  std::vector<PrecopyRound> rounds;
  while (facts.iterative) {
    PrecopyRound round;
    round.written = left;
    round.sent = to_bytes(left);
    round.took = here.of(costs.round) + image_time(round.sent);
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
  const Bytes last = facts.lazy ? Bytes{} : to_bytes(left);
  result.follows = to_bytes(left);
  result.follows -= last;
  const Duration tasks = costs.task * static_cast<std::int64_t>(survey.tasks);
  const Duration none{0};
  // The last images cross while they are written here and there.
  const Duration images =
      std::max({at(costs.write, last), at(facts.bandwidth, last), at(costs.receive, last)});
  result.down = here.of(costs.dump + tasks) + images +
                there.of(costs.restore + tasks + (facts.lazy ? costs.lazy_restore : none) +
                         at(costs.read, to_bytes(survey.held) - result.follows)) +
                // The last files, their acceptance, the state, the commit and its answer.
                6 * facts.round_trip;
  // What carries memory and what fills it in work side by side.
  result.total += result.down +
                  std::max(at(facts.bandwidth, result.follows),
                           there.of(at(costs.follow, result.follows))) +
                  questions_for(result.follows) * facts.round_trip;
  result.sent += to_bytes(left);
  return result;
}

}  // namespace twinhull::migrate
