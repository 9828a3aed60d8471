// When to stop copying the memory of a running container (models 6.8).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/kernel/units.h"

namespace twinhull::migrate {

/// What the operator wants of pre-copy.
struct PrecopyGoals {
  Duration downtime = milliseconds(300);  ///< for the memory that is left, frozen
  std::uint32_t rounds = 8;               ///< at most so many
  Pages few{64};                          ///< so little is not worth another round
  std::uint32_t progress_percent = 10;  ///< by so much a round must be smaller than the one before
  bool slow_down = false;  ///< a container that writes faster than the cable may be slowed
};

/// One round as it went.
struct PrecopyRound {
  Pages written;        ///< pages of this round
  Bytes sent;           ///< on the wire
  Duration took{0};     ///< from the round's begin to its last byte at the destination
  Duration between{0};  ///< since the begin of the round before; 0 for the first
};

enum class PrecopyVerdict : std::uint8_t {
  another,      ///< go on
  enough,       ///< what is left fits the goal: freeze
  rounds,       ///< the goal is out of reach within the rounds: freeze, it will take longer
  no_progress,  ///< it writes as fast as the cable: freeze, it will take longer
  slow_down,    ///< take CPU time away, then go on
};
std::string_view to_string(PrecopyVerdict verdict);

/// The bytes that the next round, or the dump, would find changed: as fast as the last round's
/// pages came about, for as long as the last round took; never more than all. One round alone says
/// nothing of how fast pages change: then std::uint64_t of all its bytes.
Bytes expected_rest(const std::vector<PrecopyRound>& rounds);

/// How long so many bytes take at the speed of the last round.
Duration transfer_time(const PrecopyRound& last, Bytes bytes);

/// Looks at the rounds so far, one at least. `slowed`: how often the container was slowed down.
/// Stop rules: the expected rest passes within the goal, or little was left (P.Haul: 64 pages), the
/// round was hardly smaller than the one before, the rounds are used up (P.Haul: 8). A container
/// that is slowed gets new tries, three times at most.
PrecopyVerdict judge_rounds(const PrecopyGoals& goals, const std::vector<PrecopyRound>& rounds,
                            std::uint32_t slowed);

}  // namespace twinhull::migrate
