// How long groups with a CPU quota stand still while they compete with each other.
#pragma once

#include <cstdint>
#include <vector>

#include "backends/sim/cpu/rate.h"

namespace twinhull::sim {

/// One group at a level of the tree.
struct Racer {
  std::uint64_t weight = 1024;
  std::uint64_t wanted = 0;     ///< rate that it takes at most while its pool lasts
  std::uint64_t quota = 0;      ///< nanoseconds of CPU time each period; 0 = no quota
  std::uint64_t period = 0;     ///< nanoseconds
  std::uint64_t phase = 0;      ///< its periods begin at phase + n × period
  std::uint64_t stands = 0;     ///< result: part of the time with an empty pool, billionths
};

/// Plays one common multiple of all periods (at most 2 s), after as long a run-in, with pools that
/// empty at the speed that the competition of the moment allows: who is out of the race makes the
/// others faster (models 6.2). False, and nothing changed, when that would take too many steps.
bool race_for_pools(std::uint64_t capacity, std::vector<Racer>& racers);

}  // namespace twinhull::sim
