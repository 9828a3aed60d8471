// Reading a group's limits back from the v2 tree.
#include "backends/linux/cgroup/v2_groups.h"
#include "backends/linux/cgroup/values.h"

namespace twinhull::linux_backend {

Result<CgroupLimits> V2Groups::limits(const CgroupPath& path, const std::string& place) {
  constexpr auto kCall = "limits";
  TH_TRY(require(kCall, path));
  const auto at = directory(path);
  CgroupLimits limits;
  if (tree().exists(at + "/cpu.weight")) {
    TH_ASSIGN(const std::uint64_t weight, read_number(kCall, path, at + "/cpu.weight"));
    limits.shares = shares_of(weight);
  }
  if (tree().exists(at + "/cpu.max")) {
    TH_ASSIGN(limits.quota, read_quota(path, at + "/cpu.max"));
  }
  if (tree().exists(at + "/cpuset.cpus.effective")) {
    TH_ASSIGN(limits.cpus, read_cpus(tree(), at + "/cpuset.cpus.effective"));
  }
  if (tree().exists(at + "/cpuset.mems.effective")) {
    TH_ASSIGN(limits.memory_nodes, read_cpus(tree(), at + "/cpuset.mems.effective"));
  }
  if (tree().exists(at + "/memory.max")) {
    TH_ASSIGN(limits.memory, kept_memory(path));
    TH_ASSIGN(const std::uint64_t high, read_number(kCall, path, at + "/memory.high"));
    TH_ASSIGN(const std::uint64_t low, read_number(kCall, path, at + "/memory.low"));
    limits.memory_high = Bytes{high};
    limits.memory_low = Bytes{low};
  }
  if (tree().exists(at + "/pids.max")) {
    TH_ASSIGN(limits.pids, read_number(kCall, path, at + "/pids.max"));
  }
  if (!place.empty()) TH_TRY(add_io_limits(path, place, limits));
  return limits;
}

}  // namespace twinhull::linux_backend
