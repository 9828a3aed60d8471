// Small readings of text that scenario files need: amounts, times, ranges, words.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/kernel/units.h"

namespace twinhull::scenario {

/// The nearest of `known` to `word` when it is near enough to be a slip of the pen, else "".
std::string near_miss(std::string_view word, const std::vector<std::string>& known);

/// "500us", "200ms", "10s", "5m", "24h", "1.5s"; up to about 10 years. std::nullopt otherwise.
std::optional<Duration> parse_duration(std::string_view text);
/// "4096", "64K", "1.5G": ×1024, up to 8 EiB. std::nullopt otherwise.
std::optional<Bytes> parse_bytes(std::string_view text);
/// "9600bit", "100Kbit", "1Gbit": ×1000. std::nullopt otherwise.
std::optional<BitsPerSecond> parse_bits(std::string_view text);
/// "12", "12.5" or "12.5%" as thousandths: 12500. Not negative, at most nine digits.
std::optional<std::int64_t> parse_thousandths(std::string_view text);
/// Whole decimal number.
std::optional<std::int64_t> parse_integer(std::string_view text);

/// What the numbers of a range mean.
enum class RangeUnit { count, bytes, duration };

/// An inclusive interval of whole numbers (nanoseconds for durations).
struct Range {
  std::int64_t least = INT64_MIN;
  std::int64_t most = INT64_MAX;
  std::string text;  ///< as the file says it
  [[nodiscard]] bool contains(std::int64_t value) const { return least <= value && value <= most; }
};
/// "5", "> 5", ">= 5", "< 5", "<= 5", "5 .. 9", "100M +- 5%". std::nullopt otherwise.
std::optional<Range> parse_range(std::string_view text, RangeUnit unit);
/// A value as the unit is written: "64 MiB", "1.5 s", "42".
std::string amount_text(std::int64_t value, RangeUnit unit);
/// "1 h 02 min", "12.5 s", "340 ms", "17 us".
std::string duration_text(Duration length);

/// Splits a command line into words as a shell does: blanks separate, '…', "…" and \ quote.
/// std::nullopt for an open quote.
std::optional<std::vector<std::string>> split_words(std::string_view line);
/// Runs of blanks become one blank, none at the ends.
std::string squeeze(std::string_view line);
/// Lines of a text, squeezed, empty ones dropped.
std::vector<std::string> squeezed_lines(std::string_view text);
/// `text` for a message: on one line, at most `most` bytes.
std::string excerpt(std::string_view text, std::size_t most = 300);

}  // namespace twinhull::scenario
