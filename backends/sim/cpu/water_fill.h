// Weighted max-min sharing of one amount among bounded takers ("water filling").
#pragma once

#include <cstdint>
#include <span>

#include "backends/sim/cpu/rate.h"

namespace twinhull::sim {

/// One taker.
struct Share {
  std::uint64_t weight = 1;  ///< ≥ 1
  std::uint64_t bound = 0;   ///< takes no more than this
  std::uint64_t given = 0;   ///< result
};

/// How high the water stood: each unbounded taker got weight × amount / weights.
struct WaterLevel {
  std::uint64_t amount = 0;
  std::uint64_t weights = 0;  ///< 0 = everybody met its bound
  [[nodiscard]] bool limited() const { return weights != 0; }
  /// What a taker of this weight would get without a bound of its own, rounded down.
  [[nodiscard]] std::uint64_t at(std::uint64_t weight) const;
};

/// Splits `capacity` so that the smallest given/weight is as large as possible, then the next, and
/// so on. The sum of `given` is exactly min(capacity, sum of bounds): units left by rounding go to
/// the first takers in order. O(n log n).
WaterLevel water_fill(std::uint64_t capacity, std::span<Share> shares);

}  // namespace twinhull::sim
