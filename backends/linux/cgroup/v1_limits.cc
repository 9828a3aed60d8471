// Reading a group's limits back from the v1 controllers.
#include "backends/linux/cgroup/v1_groups.h"
#include "backends/linux/cgroup/values.h"

namespace twinhull::linux_backend {
namespace {

constexpr auto kCall = "limits";

}  // namespace

Result<std::optional<CpuQuota>> V1Groups::kept_quota(const std::string& directory,
                                                     const CgroupPath& path) {
  // -1 = no limit, which no unsigned number is.
  TH_ASSIGN(const std::string text, read(kCall, path, directory + "/cpu.cfs_quota_us"));
  if (text.starts_with('-')) return std::optional<CpuQuota>{};
  TH_ASSIGN(const std::uint64_t quota, read_number(kCall, path, directory + "/cpu.cfs_quota_us"));
  TH_ASSIGN(const std::uint64_t period, read_number(kCall, path, directory + "/cpu.cfs_period_us"));
  return std::optional<CpuQuota>(
      CpuQuota{.quota = from_microseconds(quota), .period = from_microseconds(period)});
}

Result<CgroupLimits> V1Groups::limits(const CgroupPath& path, const std::string& place) {
  TH_TRY(require(kCall, path));
  CgroupLimits limits;
  if (const auto* const cpu = layout().hierarchy_of("cpu")) {
    const auto at = below(cpu->mount, path);
    TH_ASSIGN(const std::uint64_t shares, read_number(kCall, path, at + "/cpu.shares"));
    limits.shares = CpuShares{shares};
    if (tree().exists(at + "/cpu.cfs_quota_us")) {
      TH_ASSIGN(limits.quota, kept_quota(at, path));
    }
  }
  if (const auto* const cpuset = layout().hierarchy_of("cpuset")) {
    const auto at = below(cpuset->mount, path);
    TH_ASSIGN(limits.cpus, read_cpus(tree(), at + "/cpuset.cpus"));
    TH_ASSIGN(limits.memory_nodes, read_cpus(tree(), at + "/cpuset.mems"));
  }
  if (const auto* const memory = layout().hierarchy_of("memory")) {
    const bool with_swap =
        tree().exists(below(memory->mount, path) + "/memory.memsw.limit_in_bytes");
    TH_ASSIGN(limits.memory, kept_memory(path, with_swap));
  }
  if (const auto* const pids = layout().hierarchy_of("pids")) {
    TH_ASSIGN(limits.pids, read_number(kCall, path, below(pids->mount, path) + "/pids.max"));
  }
  if (!place.empty()) TH_TRY(add_io_limits(path, place, limits));
  return limits;
}

}  // namespace twinhull::linux_backend
