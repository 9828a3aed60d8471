#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>

#include "runtime/config/setting_values.h"
#include "runtime/resource/resources.h"

namespace twinhull::resource {
namespace {

constexpr std::uint64_t kLeastShares = 2;
constexpr std::uint64_t kMostShares = 262144;

std::uint64_t scaled(std::uint64_t value, std::uint64_t factor) {
  if (value == kUnlimited || value > std::numeric_limits<std::uint64_t>::max() / factor) {
    return kUnlimited;
  }
  return value * factor;
}

/// What acts at once: the soft limit when there is no grace period, else the hard one.
std::uint64_t acting_limit(const CtSettings& settings, const BarrierLimit& pair) {
  return settings.quotatime == std::uint64_t{0} ? pair.barrier : pair.limit;
}

/// The memory nodes of NODEMASK that are online.
Result<std::optional<CpuSet>> allowed_nodes(const CtSettings& settings, const HostInfo& host) {
  if (!settings.nodemask || settings.nodemask->automatic) return std::optional<CpuSet>{};
  CpuSet set;
  for (const MemoryNode& node : host.memory_nodes) {
    if (std::ranges::binary_search(settings.nodemask->cpus.cpus, node.number)) {
      set.cpus.push_back(node.number);
    }
  }
  if (set.cpus.empty()) {
    return fail(ErrorCode::invalid_argument, "resource.nodemask",
                fmt::format("CT {}", settings.id.text()),
                fmt::format("no memory node of NODEMASK {} is online",
                            settings.nodemask->cpus.text()))
        .with_exit_code(149)
        .with_hint(fmt::format("vzctl set {} --nodemask all --save", settings.id.text()));
  }
  return std::optional(std::move(set));
}

Result<std::optional<CpuSet>> allowed_cpus(const CtSettings& settings, const HostInfo& host,
                                           const std::optional<CpuSet>& nodes) {
  if (!settings.cpumask) return std::optional<CpuSet>{};
  CpuSet set;
  if (settings.cpumask->automatic) {
    // "auto" follows NODEMASK; without one it is every CPU.
    if (!nodes) return std::optional<CpuSet>{};
    for (const MemoryNode& node : host.memory_nodes) {
      if (!std::ranges::binary_search(nodes->cpus, node.number)) continue;
      set.cpus.insert(set.cpus.end(), node.cpus.cpus.begin(), node.cpus.cpus.end());
    }
    std::ranges::sort(set.cpus);
    // Memory nodes without CPUs leave the choice of the CPU to the scheduler.
    if (set.cpus.empty()) return std::optional<CpuSet>{};
    return std::optional(std::move(set));
  }
  std::set_intersection(settings.cpumask->cpus.cpus.begin(), settings.cpumask->cpus.cpus.end(),
                        host.online_cpus.cpus.begin(), host.online_cpus.cpus.end(),
                        std::back_inserter(set.cpus));
  if (set.cpus.empty()) {
    return fail(ErrorCode::invalid_argument, "resource.cpumask",
                fmt::format("CT {}", settings.id.text()),
                fmt::format("no CPU of CPUMASK {} is online; this node has {}",
                            settings.cpumask->cpus.text(), host.online_cpus.text()))
        .with_exit_code(146)
        .with_hint(fmt::format("vzctl set {} --cpumask all --save", settings.id.text()));
  }
  return std::optional(std::move(set));
}

}  // namespace

CpuShares to_shares(CpuUnits units) {
  const std::uint64_t bounded = std::min<std::uint64_t>(units.value, 500000);
  return {std::clamp((bounded * 1024 + 500) / 1000, kLeastShares, kMostShares)};
}

Result<std::optional<std::uint64_t>> cpu_limit_percent(const CtSettings& settings,
                                                       const HostInfo& host) {
  std::optional<std::uint64_t> percent;
  if (settings.cpulimit) {
    percent = settings.cpulimit->value;
    if (settings.cpulimit->unit == CpuLimitSetting::Unit::megahertz) {
      if (host.cpu_mhz == 0) {
        return fail(ErrorCode::not_supported, "resource.cpulimit",
                    fmt::format("CT {}", settings.id.text()),
                    "a CPU limit in MHz needs the speed of this node's CPUs, which is unknown")
            .with_exit_code(2)
            .with_hint("state the limit in per cent: --cpulimit N");
      }
      percent = (settings.cpulimit->value * 100 + host.cpu_mhz - 1) / host.cpu_mhz;
    }
  }
  if (settings.cpus) {
    const std::uint64_t whole = std::uint64_t{100} * *settings.cpus;
    percent = percent ? std::min(*percent, whole) : whole;
  }
  return percent;
}

IoWeight to_io_weight(std::uint32_t priority) {
  return {std::uint64_t{20} * (std::min<std::uint32_t>(priority, 7) + 1)};
}

std::optional<ResourceLimit> open_files_limit(const CtSettings& settings) {
  const auto found = settings.beancounters.find("numfile");
  if (found == settings.beancounters.end()) return std::nullopt;
  // Barrier 0 is legacy for "no precharge": the limit alone counts.
  if (found->second.limit == kUnlimited) return std::nullopt;
  return ResourceLimit{ResourceLimit::Kind::open_files, found->second.limit, found->second.limit};
}

CpuQuota to_quota(std::uint64_t percent) {
  CpuQuota quota;
  quota.period = milliseconds(100);
  quota.quota = milliseconds(1) * static_cast<std::int64_t>(percent);
  return quota;
}

Result<ResourcePlan> plan_resources(const CtSettings& settings, const HostInfo& host) {
  ResourcePlan plan;
  plan.shares = to_shares(settings.cpuunits);

  TH_ASSIGN(const std::optional<std::uint64_t> percent, cpu_limit_percent(settings, host));
  const std::uint64_t whole_node = std::uint64_t{100} * host.online_cpus.cpus.size();
  if (percent) plan.quota = to_quota(*percent);
  if (const auto burst = settings.acting_burst_limit(); burst && (!percent || *burst < *percent))
    plan.quota = to_quota(*burst);
  if (percent && whole_node != 0 && *percent > whole_node) {
    plan.warnings.push_back(
        fmt::format("the CPU limit of {}% is above the node's {}%", *percent, whole_node));
  }
  TH_ASSIGN(plan.memory_nodes, allowed_nodes(settings, host));
  if (plan.memory_nodes &&
      plan.memory_nodes->cpus.size() != settings.nodemask->cpus.cpus.size()) {
    plan.warnings.push_back(fmt::format("NODEMASK {} is narrowed to the nodes that are online: {}",
                                        settings.nodemask->cpus.text(),
                                        plan.memory_nodes->text()));
  }
  TH_ASSIGN(plan.cpus, allowed_cpus(settings, host, plan.memory_nodes));
  if (plan.cpus && !settings.cpumask->automatic && plan.cpus->cpus.size() != settings.cpumask->cpus.cpus.size()) {
    plan.warnings.push_back(fmt::format("CPUMASK {} is narrowed to the CPUs that are online: {}",
                                        settings.cpumask->cpus.text(), plan.cpus->text()));
  }

  if (const auto ram = settings.ram()) {
    plan.memory.memory = {scaled(ram->value, kPageSize)};
    if (const auto swap = settings.swap()) plan.memory.swap = {scaled(swap->value, kPageSize)};
  } else if (settings.swap()) {
    plan.warnings.emplace_back("swap is not limited: SWAPPAGES acts only together with PHYSPAGES");
  }
  plan.guarantee = memory_guarantee(settings);
  plan.tasks = settings.numproc().value_or(kUnlimited);

  plan.io_weight = to_io_weight(settings.ioprio.value_or(kUsualIoPriority));
  if (const auto limit = settings.iolimit.value_or(0); limit != 0 && limit != kUnlimited) {
    plan.io.bandwidth = {std::min(limit, kMostIoLimit)};
    if (limit > kMostIoLimit) plan.warnings.emplace_back("IOLIMIT is above 2G: 2G acts");
  }
  if (const auto limit = settings.iopslimit.value_or(0); limit != 0 && limit != kUnlimited) {
    plan.io.operations = limit;
  }

  if (settings.disk_quota) {
    if (settings.diskspace) {
      plan.disk.bytes = {scaled(acting_limit(settings, *settings.diskspace), 1024)};
    }
    if (settings.diskinodes) plan.disk.inodes = {acting_limit(settings, *settings.diskinodes)};
  }

  return plan;
}

}  // namespace twinhull::resource
