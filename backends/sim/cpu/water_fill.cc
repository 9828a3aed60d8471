#include "backends/sim/cpu/water_fill.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

namespace twinhull::sim {

std::uint64_t WaterLevel::at(std::uint64_t weight) const {
  if (weights == 0) return std::numeric_limits<std::uint64_t>::max();
  const UInt128 value = static_cast<UInt128>(amount) * weight / weights;
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  return value > kMost ? kMost : static_cast<std::uint64_t>(value);
}

WaterLevel water_fill(std::uint64_t capacity, std::span<Share> shares) {
  UInt128 wanted = 0;
  for (const Share& share : shares) wanted += share.bound;
  if (wanted <= capacity) {
    for (Share& share : shares) share.given = share.bound;
    return {};
  }
  std::vector<std::size_t> order(shares.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return static_cast<UInt128>(shares[a].bound) * shares[b].weight <
           static_cast<UInt128>(shares[b].bound) * shares[a].weight;
  });
  UInt128 weights = 0;
  for (const Share& share : shares) weights += share.weight;
  std::uint64_t left = capacity;
  std::size_t next = 0;
  // Those whose bound lies below the level leave first; the level only rises as they go.
  for (; next < order.size(); ++next) {
    Share& share = shares[order[next]];
    if (static_cast<UInt128>(share.bound) * weights > static_cast<UInt128>(left) * share.weight) break;
    share.given = share.bound;
    left -= share.bound;
    weights -= share.weight;
  }
  const WaterLevel level{left, static_cast<std::uint64_t>(weights)};
  std::uint64_t handed = 0;
  std::vector<std::size_t> rest(order.begin() + static_cast<std::ptrdiff_t>(next), order.end());
  std::sort(rest.begin(), rest.end());
  for (std::size_t index : rest) {
    shares[index].given = level.at(shares[index].weight);
    handed += shares[index].given;
  }
  for (std::size_t index : rest) {
    if (handed == left) break;
    ++shares[index].given;  // its bound lies above the exact share, so there is room for one unit
    ++handed;
  }
  return level;
}

}  // namespace twinhull::sim
