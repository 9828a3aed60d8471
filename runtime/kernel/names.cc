// Names of enumerations and the text form of CPU sets.
#include <algorithm>
#include <array>
#include <charconv>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/quotas.h"

namespace twinhull {

std::string_view to_string(QuotaMechanism mechanism) {
  switch (mechanism) {
    case QuotaMechanism::none: return "none";
    case QuotaMechanism::btrfs_qgroup: return "btrfs qgroup";
    case QuotaMechanism::project: return "project quota";
    case QuotaMechanism::image: return "image";
    case QuotaMechanism::simulated: return "simulated";
  }
  return "unknown";
}

std::string_view to_string(Feature feature) {
  static constexpr std::array<std::string_view, kFeatureCount> names = {
      "containers", "overlay", "cpu_shares", "cpu_quota", "cpuset", "memory_limit", "swap_limit",
      "memory_high", "memory_low", "pids_limit", "device_rules", "freezer", "io_weight", "io_limit",
      "seccomp", "user_namespace", "tree_quota_bytes", "tree_quota_inodes", "veth", "bridge", "channels",
      "proc_view", "raise_limits", "checkpoint", "dirty_tracking", "lazy_pages"};
  return names[static_cast<std::size_t>(feature)];
}

std::string CpuSet::text() const {
  std::string text;
  for (std::size_t i = 0; i < cpus.size();) {
    std::size_t last = i;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
    if (!text.empty()) text += ',';
    text += std::to_string(cpus[i]);
    if (last > i) text += '-' + std::to_string(cpus[last]);
    i = last + 1;
  }
  return text;
}

std::optional<CpuSet> CpuSet::parse(const std::string& text) {
  constexpr std::uint32_t kMost = 8191;
  CpuSet set;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&at, end]() -> std::optional<std::uint32_t> {
    std::uint32_t value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc{} || value > kMost) return std::nullopt;
    at = next;
    return value;
  };
  while (at != end) {
    const auto first = number();
    if (!first) return std::nullopt;
    auto last = first;
    if (at != end && *at == '-') {
      ++at;
      last = number();
      if (!last || *last < *first) return std::nullopt;
    }
    for (std::uint32_t cpu = *first; cpu <= *last; ++cpu) set.cpus.push_back(cpu);
    if (at == end) break;
    if (*at != ',' || ++at == end) return std::nullopt;
  }
  std::ranges::sort(set.cpus);
  const auto repeated = std::ranges::unique(set.cpus);
  set.cpus.erase(repeated.begin(), repeated.end());
  return set;
}

}  // namespace twinhull
