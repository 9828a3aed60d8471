#include "runtime/resource/scale.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "runtime/config/beancounters.h"
#include "runtime/config/quantity.h"
#include "runtime/config/setting_values.h"
#include "runtime/resource/amounts.h"

namespace twinhull::resource {
namespace {

constexpr std::uint64_t kOne = 1000000;
constexpr std::uint64_t kLeastUnits = 8;
constexpr std::uint64_t kMostUnits = 500000;

Error unreadable(std::string_view key, std::string_view value, std::string_view why) {
  return fail(ErrorCode::corrupt, "config.scale", fmt::format("{}=\"{}\"", key, value), why)
      .with_exit_code(1)
      .with_hint("see vzcfgvalidate");
}

std::uint64_t scaled(std::uint64_t value, Factor factor) {
  if (value == 0) return 0;
  return std::max<std::uint64_t>(1, times(value, factor.millionths, kOne));
}

Status scale_pair(ConfigFile& file, std::string_view key, QuantityUnit unit, Factor factor) {
  const auto text = file.get(key);
  if (!text || text->empty()) return {};
  const auto pair = parse_barrier_limit(*text, unit);
  if (!pair) return unreadable(key, *text, pair.error().detail);
  const std::size_t colon = text->find(':');
  // An unlimited half keeps its text: 2147483647 is what readers of 32 bits expect.
  const auto half = [&](std::uint64_t value, const std::string& as_written) {
    return value == kUnlimited ? as_written : std::to_string(scaled(value, factor));
  };
  std::string result = half(pair->barrier, text->substr(0, colon));
  if (colon != std::string::npos) result += ":" + half(pair->limit, text->substr(colon + 1));
  return file.set(key, result);
}

Status scale_number(ConfigFile& file, std::string_view key, Factor factor, std::uint64_t least,
                    std::uint64_t most) {
  const auto text = file.get(key);
  if (!text || text->empty()) return {};
  std::string_view digits = *text;
  if (digits.ends_with('%')) digits.remove_suffix(1);
  const auto value = parse_number(digits, 0, kLongMax);
  if (!value) return unreadable(key, *text, value.error().detail);
  if (*value == 0) return {};
  return file.set(key, std::to_string(std::clamp(scaled(*value, factor), least, most)));
}

/// "DEV:CLASS:KBITS …"
Status scale_rates(ConfigFile& file, Factor factor) {
  const auto text = file.get("RATE");
  if (!text) return {};
  std::vector<std::string> entries = split_words(*text);
  for (std::string& entry : entries) {
    const std::size_t colon = entry.rfind(':');
    if (colon == std::string::npos || entry.find(':') == colon)
      return unreadable("RATE", *text, "accepted: DEV:CLASS:KBITS, separated by blanks");
    const auto rate = parse_number(std::string_view(entry).substr(colon + 1), 0, kLongMax);
    if (!rate) return unreadable("RATE", *text, rate.error().detail);
    entry = entry.substr(0, colon + 1) + std::to_string(scaled(*rate, factor));
  }
  return file.set("RATE", join_words(entries));
}

bool acts(const std::optional<Factor>& factor) {
  return factor && factor->millionths != kOne;
}

}  // namespace

Result<Factor> parse_factor(std::string_view text) {
  const Error bad = fail(ErrorCode::invalid_argument, "config.factor", fmt::format("\"{}\"", text),
                         "not a factor; accepted: a number above 0 and up to 1000000 with at most "
                         "six decimals, such as 2 or 0.5");
  const std::size_t point = text.find('.');
  const auto whole = parse_number(text.substr(0, point), 0, 1000000);
  std::string decimals(point == std::string_view::npos ? "0" : text.substr(point + 1));
  if (!whole || decimals.empty() || decimals.size() > 6) return bad;
  decimals.resize(6, '0');
  const auto fraction = parse_number(decimals, 0, kOne - 1);
  if (!fraction) return bad;
  const Factor factor{*whole * kOne + *fraction};
  if (factor.millionths == 0 || factor.millionths > kOne * kOne) return bad;
  return factor;
}

Status scale(ConfigFile& file, const ScaleFactors& factors) {
  if (acts(factors.cpu)) {
    TH_TRY(scale_number(file, "CPUUNITS", *factors.cpu, kLeastUnits, kMostUnits));
    TH_TRY(scale_number(file, "CPULIMIT", *factors.cpu, 1, kLongMax));
    TH_TRY(scale_number(file, "CPULIMIT_MHZ", *factors.cpu, 1, kLongMax));
    // The average that calls for it is relative to CPULIMIT (spec F4.6): it stays.
    TH_TRY(scale_number(file, "BURST_CPULIMIT", *factors.cpu, 1, kMostCpuPercent));
  }
  if (acts(factors.disk)) {
    TH_TRY(scale_pair(file, "DISKSPACE", QuantityUnit::kibibytes, *factors.disk));
    TH_TRY(scale_pair(file, "DISKINODES", QuantityUnit::bytes, *factors.disk));
  }
  if (acts(factors.beancounters)) {
    for (const Beancounter& counter : beancounters()) {
      TH_TRY(scale_pair(file, counter.key, counter.unit, *factors.beancounters));
      for (const std::string_view legacy : counter.legacy_keys)
        if (!legacy.empty()) TH_TRY(scale_pair(file, legacy, counter.unit, *factors.beancounters));
    }
  }
  if (acts(factors.network)) TH_TRY(scale_rates(file, *factors.network));
  return {};
}

void drop_container_keys(ConfigFile& file) {
  // Spec F4.35, and what would make two containers one: name, identity, adapters.
  for (const char* key : {"VE_ROOT", "VE_PRIVATE", "HOSTNAME", "IP_ADDRESS", "NAMESERVER",
                          "SEARCHDOMAIN", "OSTEMPLATE", "TEMPLATES", "VE_TYPE", "NAME", "UUID",
                          "NETIF", "DISTRIBUTION", "ORIGIN_SAMPLE", "CONFIG_CUSTOMIZED"})
    file.unset(key);
}

}  // namespace twinhull::resource
