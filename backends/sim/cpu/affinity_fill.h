// Weighted max-min sharing of CPUs among takers that may use only some of them.
#pragma once

#include <cstdint>
#include <vector>

#include "backends/sim/cpu/cpu_mask.h"
#include "backends/sim/cpu/water_fill.h"

namespace twinhull::sim {

/// One taker with its allowed CPUs.
struct AffinityShare {
  Share share;
  CpuMask allowed;
  WaterLevel level;  ///< result: how high the water stood where it was held back
};

/// Splits CPUs (`capacity[c]` = rate that CPU c offers) max-min by weight, no taker using a CPU
/// outside its mask: progressive filling, where each step finds by a maximum flow the set of CPUs
/// that is the bottleneck (models 6.1). Cost: O(d² flows) on d distinct masks, not takers.
/// Returns what each CPU's capacity has left.
std::vector<std::uint64_t> affinity_fill(const std::vector<std::uint64_t>& capacity,
                                         std::vector<AffinityShare>& takers);

}  // namespace twinhull::sim
