// The number syntax of configuration files and of `vzctl set` (spec R4).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull {

/// What a bare number counts in; suffixes T G M K (x1024), P (4096-byte pages), B (bytes) convert.
enum class QuantityUnit : std::uint8_t {
  count,  ///< items: no suffix allowed
  bytes,
  kibibytes,  ///< DISKSPACE
  pages,      ///< *PAGES
};

/// A pair BAR:LIM (or SOFT:HARD) in one unit; kUnlimited = no bound.
struct BarrierLimit {
  std::uint64_t barrier = kUnlimited;
  std::uint64_t limit = kUnlimited;
  bool operator==(const BarrierLimit&) const = default;
};

/// "N", with an optional suffix of either case, or "unlimited". The result counts in `unit`;
/// amounts below one unit round up. 2147483647, 9223372036854775807 and more are unlimited too:
/// they are LONG_MAX of 32 and 64 bits. Fractions ("1.5G") are accepted with a suffix only.
/// Errors: invalid_argument (exit 21), saying what is accepted.
Result<std::uint64_t> parse_quantity(std::string_view text, QuantityUnit unit);

/// "N" = both, or "BAR:LIM". Errors: as parse_quantity.
Result<BarrierLimit> parse_barrier_limit(std::string_view text, QuantityUnit unit);

/// "unlimited" or the decimal number.
std::string quantity_text(std::uint64_t value);
/// "BAR:LIM".
std::string barrier_limit_text(const BarrierLimit& value);

/// Decimal number without sign or suffix. Errors: invalid_argument (exit 21).
Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t least, std::uint64_t most);

/// "yes" or "no" (also on/off, true/false, 1/0, any case). Errors: invalid_argument (exit 21).
Result<bool> parse_yes_no(std::string_view text);

}  // namespace twinhull
