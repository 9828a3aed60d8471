#include "backends/sim/cpu/tick_share.h"

#include <algorithm>
#include <map>
#include <utility>

#include "backends/sim/cpu/rate.h"

namespace twinhull::sim {

std::vector<std::uint64_t> share_by_ticks(std::uint64_t pool,
                                          const std::vector<std::uint64_t>& weights) {
  constexpr std::uint64_t kTick = 4'000'000;   // ns: 250 Hz, as distributions build their kernels
  constexpr std::uint64_t kSlice = 2'800'000;  // ns: base_slice_ns of 8 and more CPUs
  std::vector<std::uint64_t> had(weights.size(), 0);
  UInt128 all = 0;
  std::uint64_t given = 0;
  for (const std::uint64_t weight : weights) all += weight;
  if (pool <= kTick) {  // one member has it all, another one the next
    for (std::size_t i = 0; i < had.size(); ++i) {
      had[i] = (pool - given) / (had.size() - i);
      given += had[i];
    }
  }
  while (given < pool) {
    // Virtual time of a member: had / weight; eligible up to the mean, given / all.
    std::size_t next = weights.size();
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (had[i] * all > static_cast<UInt128>(given) * weights[i]) continue;
      if (next == weights.size() || static_cast<UInt128>(had[i] + kSlice) * weights[next] <
                                        static_cast<UInt128>(had[next] + kSlice) * weights[i])
        next = i;
    }
    const std::uint64_t part = std::min(kTick, pool - given);
    had[next] += part;
    given += part;
  }
  // Who of equals comes first is not told: on the average they get the same.
  std::map<std::uint64_t, std::pair<std::uint64_t, std::uint64_t>> equals;  // sum, number
  for (std::size_t i = 0; i < weights.size(); ++i) {
    auto& [sum, number] = equals[weights[i]];
    sum += had[i];
    ++number;
  }
  for (std::size_t i = 0; i < weights.size(); ++i) {
    auto& [sum, number] = equals.at(weights[i]);
    had[i] = sum / number;
    sum -= had[i];
    --number;
  }
  return had;
}

}  // namespace twinhull::sim
