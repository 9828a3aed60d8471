// What CPUs have left beside rates that are given already, with CPU sets.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "backends/sim/cpu/cpu_mask.h"

namespace twinhull::sim {

/// Rates of all tasks that may use the same CPUs, together.
using RatesByMask = std::map<CpuMask, std::uint64_t>;

/// Whether CPUs (`capacity[c]` = rate that CPU c offers) can carry the rates.
bool fits(const std::vector<std::uint64_t>& capacity, const RatesByMask& rates);

/// How much more tasks that may use `mask` could get while everybody keeps his rate; others may have
/// to move to other CPUs of theirs for it. (A largest flow can be reached from any other one without
/// taking from anybody.)
std::uint64_t room_beside(const std::vector<std::uint64_t>& capacity, const RatesByMask& rates,
                          const CpuMask& mask);

}  // namespace twinhull::sim
