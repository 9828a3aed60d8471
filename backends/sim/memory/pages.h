// Amounts in whole pages.
#pragma once

#include <algorithm>
#include <cstdint>

#include "runtime/kernel/units.h"

namespace twinhull::sim {

constexpr std::uint64_t pages_up(std::uint64_t bytes) {
  constexpr std::uint64_t kMost = ~std::uint64_t{0} / 4;  // far beyond any node, safe to add
  return (std::min(bytes, kMost) + kPageSize - 1) / kPageSize * kPageSize;
}
constexpr std::uint64_t pages_down(std::uint64_t bytes) {
  return bytes / kPageSize * kPageSize;
}

}  // namespace twinhull::sim
