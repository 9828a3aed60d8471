// CPU rates as integers, and their exact integration over time.
#pragma once

#include <cstdint>

#include "runtime/kernel/units.h"

namespace twinhull::sim {

/// 128-bit helper for products of a rate and a time.
__extension__ typedef unsigned __int128 UInt128;

/// Share of CPU time: billionths of one CPU. 1'000'000'000 = one CPU all the time.
using CpuRate = twinhull::detail::Amount<struct CpuRateTag>;
inline constexpr std::uint64_t kOneCpu = 1'000'000'000;

/// CPU time that a piecewise constant rate adds up to; nothing is rounded away.
struct CpuMeter {
  std::uint64_t whole = 0;     ///< nanoseconds of CPU time
  std::uint64_t fraction = 0;  ///< billionths of a nanosecond, < 1'000'000'000

  /// Adds `rate` held for `length` nanoseconds.
  void add(std::uint64_t rate, std::uint64_t length) {
    const UInt128 product = static_cast<UInt128>(rate) * length + fraction;
    whole += static_cast<std::uint64_t>(product / kOneCpu);
    fraction = static_cast<std::uint64_t>(product % kOneCpu);
  }
  [[nodiscard]] Duration time() const { return Duration(static_cast<std::int64_t>(whole)); }
  template <typename Archive>
  void serialize(Archive& archive) {
    archive(whole, fraction);
  }
};

}  // namespace twinhull::sim
