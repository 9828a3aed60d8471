// From a container's settings to what the kernel is told (spec F4.2-F4.22, R12).
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/config/ct_settings.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/kernel.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/quotas.h"
#include "runtime/kernel/result.h"

namespace twinhull::resource {

/// What an operations limit comes to: the throttle of Linux allows whole operations in each slice of
/// 100 ms, and what is over is lost: 15 a second act as 10. Below 10 it strays to both sides, and the
/// limit itself is returned.
constexpr std::uint64_t acting_operations(std::uint64_t limit) {
  return limit < 10 || limit == kUnlimited ? limit : limit / 10 * 10;
}

/// CPUUNITS 8…500000 (default 1000) on the kernel's scale, where 1000 units = 1024 shares.
/// Rounds to the nearest; never below 2, the kernel's least; at most 262144.
CpuShares to_shares(CpuUnits units);

/// The hard cap in per cent of one CPU that CPULIMIT and CPUS make together: the smaller wins
/// (spec F4.4); std::nullopt = none. MHz are converted by the speed of one of this node's CPUs,
/// rounded up so that 1 MHz is no zero. Errors: not_supported (exit 2) when the speed is unknown.
Result<std::optional<std::uint64_t>> cpu_limit_percent(const CtSettings& settings,
                                                       const HostInfo& host);

/// IOPRIO of a container that states none (spec F4.27).
inline constexpr std::uint32_t kUsualIoPriority = 4;
/// IOPRIO 0…7 as a weight: 20 more a step, so that the usual 4 is the kernel's default of 100 and 7
/// gets eight times as much of a busy disk as 0 (the time slices of CFQ had the same steps).
IoWeight to_io_weight(std::uint32_t priority);

/// `percent` of one CPU as a quota in each period of 100 ms.
CpuQuota to_quota(std::uint64_t percent);

/// What a container is guaranteed by a stated OOMGUARPAGES (spec R10), no more than it may use at
/// all; 0 = nothing: a guarantee that is only derived from RAM would put every container before the
/// node's own programs. (VMGUARPAGES promises allocations, which no kernel of today counts or
/// refuses.)
Bytes memory_guarantee(const CtSettings& settings);

/// oom_score_adj that takes the guarantee off the size of each process when the whole node is
/// short: what is below is taken last. All processes of a container get the same, so that inside
/// its own limit the choice stays as it is. 0 … -999.
std::int32_t guarantee_adjust(Bytes guarantee, const HostInfo& host);

/// What a container gets from the kernel. Every field is explicit, so that applying a plan again
/// also lifts what was lifted in the settings.
struct ResourcePlan {
  CpuShares shares;
  std::optional<CpuQuota> quota;  ///< with a burst limit that is in force; std::nullopt = no cap
  std::optional<CpuSet> cpus;     ///< std::nullopt = all
  std::optional<CpuSet> memory_nodes;  ///< NODEMASK; std::nullopt = all
  MemoryLimit memory;
  Bytes guarantee{0};                 ///< memory_guarantee()
  std::uint64_t tasks = kUnlimited;   ///< numproc
  IoWeight io_weight;
  IoLimit io;                         ///< on the disk of the private area
  TreeLimit disk;                     ///< hard limits; unlimited with DISK_QUOTA=no
  std::vector<std::string> warnings;  ///< what this node makes of a setting that differs from it
};

/// Pure mapping. Errors: as cpu_limit_percent; invalid_argument (exit 146) when no CPU of CPUMASK
/// is online, (exit 149) when no node of NODEMASK is.
Result<ResourcePlan> plan_resources(const CtSettings& settings, const HostInfo& host);

/// RLIMIT_NOFILE of the init, which all processes inherit: the nearest that a kernel has to
/// NUMFILE (spec R12), for each process and not for the container. std::nullopt = as it is.
std::optional<ResourceLimit> open_files_limit(const CtSettings& settings);

/// Parts of a plan that are applied by themselves.
enum class ResourcePart : std::uint8_t { cpu, memory, tasks, io };

/// What an application told the operator.
struct ApplyReport {
  std::vector<std::string> lines;     ///< "Setting CPU units: 1000", "CPU limit: 50%"
  std::vector<std::string> warnings;  ///< rounded values and what this kernel cannot do, by name
};

/// Applies the parts to a container's control group, at start and live. A limit that the settings
/// ask for and this kernel lacks is refused (not_supported, naming mechanism and parameter); a
/// default that it lacks is a warning. Kept values that differ from the wish are reported.
/// A disk priority that cannot act is no broken promise but a pity: refused only when `strict`
/// (vzctl set), a warning otherwise.
/// Swap is virtual (spec F4.14) where the node has none and the kernel can slow down: memory up to
/// RAM + swap, with the soft bound at RAM. A guarantee that this kernel cannot keep is a warning
/// that names the mechanism. Errors carry exit 2 (CPU), 146 (CPU mask), 149 (memory nodes), 1
/// (memory and counts), 148 (disk I/O).
Result<ApplyReport> apply_resources(Kernel& kernel, const CgroupPath& group,
                                    const CtSettings& settings,
                                    const std::set<ResourcePart>& parts = {ResourcePart::cpu,
                                                                           ResourcePart::memory,
                                                                           ResourcePart::tasks,
                                                                           ResourcePart::io},
                                    bool strict = false);

/// Sets the limits of the private area's quota tree. With DISK_QUOTA=no all bounds are lifted.
/// A bound that the file system cannot keep is a warning that names the mechanism; no mechanism at
/// all is a warning too unless `strict` (vzctl set), then not_supported. Errors: exit 62.
Result<ApplyReport> apply_disk_limit(Kernel& kernel, const CtSettings& settings, bool strict);

}  // namespace twinhull::resource
