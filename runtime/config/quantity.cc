#include "runtime/config/quantity.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

namespace twinhull {
namespace {

constexpr std::uint64_t kLongMax32 = 2147483647;
constexpr std::uint64_t kLongMax64 = 9223372036854775807;
constexpr std::string_view kSyntax =
    "a number with an optional suffix T, G, M, K (x1024), P (pages of 4096 bytes) or B (bytes), or "
    "\"unlimited\"";
constexpr std::string_view kCountSyntax = "a whole number or \"unlimited\"";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

Error bad(std::string_view text, std::string_view accepted) {
  return fail(ErrorCode::invalid_argument, "config.number", fmt::format("\"{}\"", text),
              fmt::format("not a valid amount; accepted: {}", accepted))
      .with_exit_code(21);
}

/// Digits to a number; std::nullopt for none, a foreign character or overflow.
std::optional<std::uint64_t> digits(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

std::optional<std::uint64_t> multiplier(char suffix) {
  switch (suffix) {
    case 'b': return 1;
    case 'k': return std::uint64_t{1} << 10;
    case 'm': return std::uint64_t{1} << 20;
    case 'g': return std::uint64_t{1} << 30;
    case 't': return std::uint64_t{1} << 40;
    case 'p': return kPageSize;
    default: return std::nullopt;
  }
}

std::uint64_t unit_size(QuantityUnit unit) {
  switch (unit) {
    case QuantityUnit::kibibytes: return 1024;
    case QuantityUnit::pages: return kPageSize;
    case QuantityUnit::count:
    case QuantityUnit::bytes: break;
  }
  return 1;
}

}  // namespace

Result<std::uint64_t> parse_quantity(std::string_view text, QuantityUnit unit) {
  const std::string word = lower(text);
  if (word == "unlimited") return kUnlimited;
  if (unit == QuantityUnit::count) {
    const auto value = digits(word);
    if (!value) return bad(text, kCountSyntax);
    return *value == kLongMax32 || *value >= kLongMax64 ? kUnlimited : *value;
  }
  if (word.empty()) return bad(text, kSyntax);
  if (is_digit(word.back())) {
    const auto value = digits(word);
    if (!value) return bad(text, kSyntax);
    return *value == kLongMax32 || *value >= kLongMax64 ? kUnlimited : *value;
  }
  const auto factor = multiplier(word.back());
  if (!factor) return bad(text, kSyntax);
  const std::string_view number = std::string_view(word).substr(0, word.size() - 1);
  const std::size_t point = number.find('.');
  const auto whole = digits(number.substr(0, point));
  if (!whole || *whole > kLongMax64 / *factor) return bad(text, kSyntax);
  std::uint64_t amount = *whole * *factor;
  if (point != std::string_view::npos) {
    // Six decimals are exact enough for any suffix and cannot overflow: 10^6 x 2^40 < 2^63.
    const std::string_view decimals = number.substr(point + 1);
    const auto fraction = digits(decimals);
    if (!fraction || decimals.size() > 6) return bad(text, kSyntax);
    std::uint64_t scale = 1;
    for (std::size_t i = 0; i < decimals.size(); ++i) scale *= 10;
    amount += (*fraction * *factor + scale - 1) / scale;
  }
  const std::uint64_t size = unit_size(unit);
  const std::uint64_t value = amount / size + (amount % size != 0 ? 1 : 0);
  return value;
}

Result<BarrierLimit> parse_barrier_limit(std::string_view text, QuantityUnit unit) {
  const std::size_t colon = text.find(':');
  BarrierLimit result;
  TH_ASSIGN(result.barrier, parse_quantity(text.substr(0, colon), unit));
  result.limit = result.barrier;
  if (colon != std::string_view::npos) {
    TH_ASSIGN(result.limit, parse_quantity(text.substr(colon + 1), unit));
  }
  return result;
}

std::string quantity_text(std::uint64_t value) {
  return value == kUnlimited ? "unlimited" : std::to_string(value);
}

std::string barrier_limit_text(const BarrierLimit& value) {
  return quantity_text(value.barrier) + ":" + quantity_text(value.limit);
}

Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t least, std::uint64_t most) {
  const auto value = digits(text);
  if (!value || *value < least || *value > most) {
    return bad(text, fmt::format("a whole number from {} to {}", least, most));
  }
  return *value;
}

Result<bool> parse_yes_no(std::string_view text) {
  const std::string word = lower(text);
  if (word == "yes" || word == "on" || word == "true" || word == "1") return true;
  if (word == "no" || word == "off" || word == "false" || word == "0") return false;
  return fail(ErrorCode::invalid_argument, "config.switch", fmt::format("\"{}\"", text),
              "neither yes nor no")
      .with_exit_code(21);
}

}  // namespace twinhull
