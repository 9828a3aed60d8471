#include "runtime/resource/beancounters.h"

#include <algorithm>
#include <array>

#include "runtime/resource/amounts.h"

namespace twinhull::resource {
namespace {

constexpr std::array<std::string_view, 9> kOneValue = {"numproc",    "numtcpsock", "numothersock",
                                                       "shmpages",   "numfile",    "numpty",
                                                       "numsiginfo", "numiptent",  "avnumproc"};

/// What VSwap makes of a secondary parameter that is not stated.
BarrierLimit derived(const CtSettings& settings, std::string_view name) {
  const std::uint64_t ram = settings.physpages->limit;
  // Without SWAPPAGES there is no bound on swap, and none on what depends on it.
  const std::uint64_t swap = settings.swappages ? settings.swappages->limit : kUnlimited;
  const std::uint64_t both = plus(ram, swap);
  if (name == "lockedpages" || name == "oomguarpages") return {ram, kUnlimited};
  if (name == "vmguarpages") return {both, kUnlimited};
  if (name == "privvmpages") {
    const std::uint64_t factor = settings.vm_overcommit_thousandths.value_or(0);
    if (factor == 0) return {};
    const std::uint64_t most = times(both, factor, 1000);
    return {most, most};
  }
  return {};
}

}  // namespace

bool has_one_value(std::string_view name) {
  return std::find(kOneValue.begin(), kOneValue.end(), name) != kOneValue.end();
}

BarrierLimit effective_beancounter(const CtSettings& settings, std::string_view name) {
  if (name == "physpages") return settings.physpages.value_or(BarrierLimit{});
  if (name == "swappages") return settings.swappages.value_or(BarrierLimit{});
  if (const auto found = settings.beancounters.find(name); found != settings.beancounters.end()) {
    return found->second;
  }
  if (name == "avnumproc") {
    const BarrierLimit processes = effective_beancounter(settings, "numproc");
    if (processes.limit == kUnlimited) return {};
    return {processes.limit / 2, processes.limit / 2};
  }
  return settings.vswap() ? derived(settings, name) : BarrierLimit{};
}

std::string beancounter_text(std::string_view name, const BarrierLimit& value) {
  return has_one_value(name) && value.barrier == value.limit ? quantity_text(value.limit)
                                                             : barrier_limit_text(value);
}

std::vector<std::string> unenforced_settings(const CtSettings& settings) {
  std::vector<std::string> names;
  for (const auto& [name, pair] : settings.beancounters) {
    if (name == "numproc" || name == "avnumproc" || name == "numfile") continue;
    if (name == "oomguarpages")
      continue;  // what acts of it, and what not, is told where it is applied
    if (pair.limit != kUnlimited || pair.barrier != kUnlimited) names.push_back(name);
  }
  if (settings.vm_overcommit_thousandths.value_or(0) != 0) names.emplace_back("vm_overcommit");
  if (settings.quotaugidlimit.value_or(0) != 0) names.emplace_back("quotaugidlimit");
  return names;
}

}  // namespace twinhull::resource
