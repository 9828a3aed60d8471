#include "backends/sim/cpu/cpu_room.h"

#include "backends/sim/cpu/affinity_fill.h"

namespace twinhull::sim {
namespace {

/// What all of `rates`, and `more` for tasks that may use `mask`, get of the CPUs together.
std::uint64_t carried(const std::vector<std::uint64_t>& capacity, const RatesByMask& rates,
                      const CpuMask& mask, std::uint64_t more) {
  std::vector<AffinityShare> takers;
  for (const auto& [allowed, rate] : rates) takers.push_back({{1, rate, 0}, allowed, {}});
  takers.push_back({{1, more, 0}, mask, {}});
  affinity_fill(capacity, takers);
  std::uint64_t sum = 0;
  for (const AffinityShare& taker : takers) sum += taker.share.given;
  return sum;
}

std::uint64_t sum_of(const RatesByMask& rates) {
  std::uint64_t sum = 0;
  for (const auto& [mask, rate] : rates) sum += rate;
  return sum;
}

}  // namespace

bool fits(const std::vector<std::uint64_t>& capacity, const RatesByMask& rates) {
  return carried(capacity, rates, CpuMask(), 0) == sum_of(rates);
}

std::uint64_t room_beside(const std::vector<std::uint64_t>& capacity, const RatesByMask& rates,
                          const CpuMask& mask) {
  return carried(capacity, rates, mask, mask.count() * kOneCpu) - sum_of(rates);
}

}  // namespace twinhull::sim
