#include "tools/common/duration_text.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace twinhull::tools {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t nanoseconds;
};
constexpr std::array<Unit, 7> kUnits = {{{"ns", 1},
                                         {"us", 1'000},
                                         {"ms", 1'000'000},
                                         {"s", 1'000'000'000},
                                         {"m", 60'000'000'000},
                                         {"h", 3'600'000'000'000},
                                         {"d", 86'400'000'000'000}}};
constexpr std::int64_t kMost = std::int64_t{100} * 365 * 86'400'000'000'000;

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  std::int64_t whole = 0;
  std::int64_t fraction = 0;
  std::int64_t scale = 1;
  std::size_t at = 0;
  std::size_t digits = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++digits) {
    if (whole > kMost / 10) return std::nullopt;
    whole = whole * 10 + (text[at] - '0');
  }
  if (at < text.size() && text[at] == '.') {
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++digits) {
      if (scale == 1'000'000'000) return std::nullopt;
      fraction = fraction * 10 + (text[at] - '0');
      scale *= 10;
    }
  }
  if (digits == 0) return std::nullopt;
  for (const Unit& unit : kUnits) {
    if (text.substr(at) != unit.name) continue;
    if (whole > kMost / unit.nanoseconds) return std::nullopt;
    // fraction < 1e9 and a unit ≤ 8.64e13 ns: the product is split so that it does not overflow.
    const std::int64_t part = unit.nanoseconds >= scale
                                  ? fraction * (unit.nanoseconds / scale) +
                                        fraction * (unit.nanoseconds % scale) / scale
                                  : fraction * unit.nanoseconds / scale;
    return Duration(whole * unit.nanoseconds + part);
  }
  return std::nullopt;
}

std::string duration_text(Duration length) {
  const std::int64_t ns = length.count();
  if (ns == 0) return "0s";
  if (ns < 0) return "-" + duration_text(-length);
  const auto short_form = [](std::int64_t value, std::int64_t unit, std::string_view name) {
    std::string text = fmt::format("{}.{:03}", value / unit, value % unit * 1000 / unit);
    while (text.back() == '0') text.pop_back();
    if (text.back() == '.') text.pop_back();
    return text + std::string(name);
  };
  if (ns < 1'000) return fmt::format("{}ns", ns);
  if (ns < 1'000'000) return short_form(ns, 1'000, "us");
  if (ns < 1'000'000'000) return short_form(ns, 1'000'000, "ms");
  if (ns < 60'000'000'000) return short_form(ns, 1'000'000'000, "s");
  const std::int64_t total = ns / 1'000'000'000;
  std::string text;
  for (const auto& [name, unit] : {std::pair{"d", 86'400}, {"h", 3'600}, {"m", 60}, {"s", 1}}) {
    const std::int64_t divisor = unit;
    std::int64_t count = total / divisor;
    if (divisor == 3'600) count %= 24;
    if (divisor == 60 || divisor == 1) count %= 60;
    if (count > 0) text += fmt::format("{}{}", count, name);
  }
  return text;
}

}  // namespace twinhull::tools
