// Whole-number arithmetic on amounts that may be unlimited (private to runtime/resource,
// runtime/physical and the tools).
#pragma once

#include <cstdint>

#include "runtime/config/quantity.h"

namespace twinhull::resource {

/// The largest number that a configuration may state (spec R4): beyond it is "unlimited".
inline constexpr std::uint64_t kLongMax = 9223372036854775807;

/// value × numerator / denominator to the nearest whole, at most kLongMax; unlimited stays so.
/// Precondition: denominator is not 0.
constexpr std::uint64_t times(std::uint64_t value, std::uint64_t numerator,
                              std::uint64_t denominator = 1) {
  if (value == kUnlimited) return kUnlimited;
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{value} * numerator + denominator / 2;
  const Wide result = product / denominator;
  return result > Wide{kLongMax} ? kLongMax : static_cast<std::uint64_t>(result);
}

/// The sum; unlimited as soon as one part is.
constexpr std::uint64_t plus(std::uint64_t a, std::uint64_t b) {
  if (a == kUnlimited || b == kUnlimited) return kUnlimited;
  return a > kLongMax - b || b > kLongMax ? kLongMax : a + b;
}

/// The difference, not below zero; unlimited minus anything is unlimited.
constexpr std::uint64_t minus(std::uint64_t a, std::uint64_t b) {
  if (a == kUnlimited) return kUnlimited;
  return a > b ? a - b : 0;
}

}  // namespace twinhull::resource
