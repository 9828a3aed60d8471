#include "runtime/resource/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>

#include "runtime/config/beancounters.h"
#include "runtime/resource/amounts.h"
#include "runtime/resource/beancounters.h"

namespace twinhull::resource {
namespace {

constexpr std::uint64_t kFileCache = 512;       ///< bytes of dcachesize for each open file
constexpr std::uint64_t kUsualProcess = 67584;  ///< bytes of kmemsize for each usual process

/// Names that went away with 3.0.0 (spec R4) and are not plain spellings of later ones.
constexpr const char* kOldKeys[] = {"TOTVMPAGES",  "IPCSHMPAGES", "ANONSHPAGES",
                                    "RSSPAGES",    "OOMGUAR",     "NUMSOCK",
                                    "UNIXSOCKBUF", "SOCKRCVBUF",  "NUMUNIXSOCK"};

using Values = std::map<std::string, BarrierLimit, std::less<>>;

Result<Values> read(const ConfigFile& file) {
  Values values;
  for (const Beancounter& counter : beancounters()) {
    std::string_view key = counter.key;
    for (const std::string_view legacy : counter.legacy_keys)
      if (!legacy.empty() && !file.get(key) && file.get(legacy)) key = legacy;
    const auto text = file.get(key);
    if (!text || text->empty()) continue;
    const auto value = parse_barrier_limit(*text, counter.unit);
    if (!value)
      return fail(ErrorCode::corrupt, "config.convert", fmt::format("{}=\"{}\"", key, *text),
                  value.error().detail)
          .with_exit_code(1);
    values.emplace(counter.name, *value);
  }
  return values;
}

BarrierLimit scaled(const BarrierLimit& value, std::uint64_t numerator, std::uint64_t denominator) {
  return {times(value.barrier, numerator, denominator), times(value.limit, numerator, denominator)};
}

/// Applies `change` to a value that is stated.
void adjust(Values& values, std::string_view name,
            const std::function<BarrierLimit(BarrierLimit)>& change) {
  if (const auto found = values.find(name); found != values.end())
    found->second = change(found->second);
}

/// The limit alone, never below the barrier.
std::function<BarrierLimit(BarrierLimit)> limit_times(std::uint64_t numerator,
                                                      std::uint64_t denominator) {
  return [=](BarrierLimit value) -> BarrierLimit {
    return {value.barrier, std::max(value.barrier, times(value.limit, numerator, denominator))};
  };
}

void from_2_0_2(Values& values) {
  adjust(values, "kmemsize", [](BarrierLimit value) { return scaled(value, 144, 100); });
  adjust(values, "tcpsndbuf", limit_times(2, 1));
  adjust(values, "othersockbuf", limit_times(267, 100));
  if (const auto processes = values.find("numproc"); processes != values.end())
    values["numfile"] = scaled(processes->second, 2048, 100);
  if (const auto memory = values.find("kmemsize"); memory != values.end()) {
    const std::uint64_t bytes = memory->second.barrier;
    const std::uint64_t usual = bytes == kUnlimited ? kUnlimited : bytes / kUsualProcess;
    values["avnumproc"] = {usual, usual};
  }
  if (const auto open = values.find("numfile"); open != values.end())
    values["dcachesize"] = scaled(open->second, kFileCache, 1);
}

void from_2_6_2(Values& values) {
  adjust(values, "kmemsize", [](BarrierLimit value) { return scaled(value, 12, 10); });
  adjust(values, "numfile", [](BarrierLimit value) { return scaled(value, 16, 10); });
  adjust(values, "dcachesize", limit_times(2, 1));
}

Status write(ConfigFile& file, const Values& values) {
  for (const auto& [name, value] : values) {
    const Beancounter& counter = *find_beancounter(name);
    // What did not change keeps its text.
    if (const auto text = file.get(counter.key)) {
      const auto before = parse_barrier_limit(*text, counter.unit);
      if (before && *before == value) continue;
    }
    TH_TRY(file.set(counter.key, beancounter_text(name, value)));
  }
  return {};
}

}  // namespace

std::string_view to_string(ConfigRelease release) {
  switch (release) {
    case ConfigRelease::v2_0_2: return "2.0.2";
    case ConfigRelease::v2_6_2: return "2.6.2";
    case ConfigRelease::current: break;
  }
  return "3.0.0 or later";
}

ConfigRelease release_of(const ConfigFile& file) {
  if (file.get("VERSION")) return ConfigRelease::current;
  const bool old = std::any_of(std::begin(kOldKeys), std::end(kOldKeys),
                               [&](const char* key) { return file.get(key).has_value(); });
  return old ? ConfigRelease::v2_0_2 : ConfigRelease::v2_6_2;
}

Result<ConfigRelease> convert(ConfigFile& file) {
  const ConfigRelease release = release_of(file);
  if (release == ConfigRelease::current) return release;
  TH_ASSIGN(Values values, read(file));
  const auto memory = values.find("physpages");
  const bool vswap = memory != values.end() && memory->second.limit != kUnlimited;
  if (!vswap) {
    if (release == ConfigRelease::v2_0_2)
      from_2_0_2(values);
    else
      from_2_6_2(values);
  }
  TH_TRY(write(file, values));
  for (const Beancounter& counter : beancounters())
    for (const std::string_view legacy : counter.legacy_keys)
      if (!legacy.empty()) file.unset(legacy);
  file.unset("RSSPAGES");  // counted, never limited, and PHYSPAGES counts it now
  TH_TRY(file.set("VERSION", "2"));
  return release;
}

}  // namespace twinhull::resource
