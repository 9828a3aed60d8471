#include "backends/sim/checkpoint/dirty_pages.h"

#include <algorithm>

#include "backends/sim/cpu/rate.h"

namespace twinhull::sim {
namespace {

constexpr unsigned kFraction = 62;  // bits behind the point
constexpr std::uint64_t kOne = std::uint64_t{1} << kFraction;

std::uint64_t uniform(std::uint64_t pages, std::uint64_t writes) {
  if (pages <= 1) return writes == 0 ? 0 : pages;
  std::uint64_t missed = kOne;                 // (1 - 1/pages)^writes
  std::uint64_t factor = kOne - kOne / pages;  // that to the power of 1, 2, 4, …
  const auto times = [](std::uint64_t a, std::uint64_t b) {
    return static_cast<std::uint64_t>(static_cast<UInt128>(a) * b >> kFraction);
  };
  for (std::uint64_t left = writes; left != 0 && missed != 0; left >>= 1U) {
    if ((left & 1U) != 0) missed = times(missed, factor);
    factor = times(factor, factor);
  }
  const auto hit = static_cast<std::uint64_t>(
      (static_cast<UInt128>(pages) * (kOne - missed) + kOne / 2) >> kFraction);
  return std::min({hit, pages, writes});
}

}  // namespace

std::uint64_t distinct_pages(std::uint64_t pages, std::uint64_t writes, DirtyPattern pattern) {
  switch (pattern) {
    case DirtyPattern::uniform: return uniform(pages, writes);
    case DirtyPattern::sequential: return std::min(pages, writes);
    case DirtyPattern::hot: break;
  }
  const std::uint64_t hot = std::max<std::uint64_t>(1, pages / 10);
  if (pages <= hot) return uniform(pages, writes);
  const std::uint64_t cold_writes = writes / 10;
  return uniform(hot, writes - cold_writes) + uniform(pages - hot, cold_writes);
}

}  // namespace twinhull::sim
