#include "runtime/migrate/precopy.h"

#include <algorithm>

namespace twinhull::migrate {
namespace {

constexpr std::uint32_t kMostSlowing = 3;

__extension__ typedef unsigned __int128 Wide;

std::uint64_t scaled(std::uint64_t value, Duration by, Duration of) {
  if (of <= Duration{0}) return value;
  return static_cast<std::uint64_t>(static_cast<Wide>(value) * static_cast<Wide>(by.count()) /
                                    static_cast<Wide>(of.count()));
}

}  // namespace

std::string_view to_string(PrecopyVerdict verdict) {
  switch (verdict) {
    case PrecopyVerdict::another: return "another round";
    case PrecopyVerdict::enough: return "little is left";
    case PrecopyVerdict::rounds: return "the rounds are used up";
    case PrecopyVerdict::no_progress: return "memory changes as fast as it is sent";
    case PrecopyVerdict::slow_down: return "slowed down";
  }
  return "";
}

Bytes expected_rest(const std::vector<PrecopyRound>& rounds) {
  const PrecopyRound& last = rounds.back();
  if (rounds.size() == 1) return last.sent;
  return {std::min(rounds.front().sent.value, scaled(last.sent.value, last.took, last.between))};
}

Duration transfer_time(const PrecopyRound& last, Bytes bytes) {
  if (last.sent.value == 0) return Duration{0};
  return Duration(static_cast<std::int64_t>(static_cast<Wide>(last.took.count()) * bytes.value /
                                            last.sent.value));
}

PrecopyVerdict judge_rounds(const PrecopyGoals& goals, const std::vector<PrecopyRound>& rounds,
                            std::uint32_t slowed) {
  const PrecopyRound& last = rounds.back();
  if (last.written <= goals.few) return PrecopyVerdict::enough;
  if (rounds.size() == 1)
    return goals.rounds <= 1 ? PrecopyVerdict::rounds : PrecopyVerdict::another;
  if (transfer_time(last, expected_rest(rounds)) <= goals.downtime) return PrecopyVerdict::enough;
  const PrecopyRound& before = rounds[rounds.size() - 2];
  const bool stuck = static_cast<Wide>(last.written.value) * 100 >
                     static_cast<Wide>(before.written.value) * (100 - goals.progress_percent);
  const bool used_up = rounds.size() >= goals.rounds;
  if (!stuck && !used_up) return PrecopyVerdict::another;
  if (goals.slow_down && slowed < kMostSlowing) return PrecopyVerdict::slow_down;
  return used_up ? PrecopyVerdict::rounds : PrecopyVerdict::no_progress;
}

}  // namespace twinhull::migrate
