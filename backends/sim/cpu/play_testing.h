// What tests of played queues share.
#pragma once

#include <cmath>
#include <cstdint>

#include "backends/sim/cpu/queue_play.h"

namespace twinhull::sim {

inline constexpr std::uint64_t kMs = 1'000'000;  ///< ns
inline constexpr PlayLength kLength{500 * kMs, 2000 * kMs, 16};

/// Rate of all threads of a played group together.
inline std::uint64_t rate_of(const PlayPlan& plan, std::uint32_t group) {
  std::uint64_t rate = 0;
  for (const PlayThread& thread : plan.threads)
    if (thread.group == group) rate += thread.rate;
  return rate;
}

/// Whether a rate is `wanted` CPUs, or so many percent of that apart.
inline bool around(std::uint64_t value, double wanted, double percent) {
  return std::abs(static_cast<double>(value) / 1e9 - wanted) <= wanted * percent / 100;
}

}  // namespace twinhull::sim
