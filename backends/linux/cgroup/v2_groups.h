// Control groups on the unified hierarchy alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backends/linux/cgroup/group_base.h"

namespace twinhull::linux_backend {

/// Files as in Documentation/admin-guide/cgroup-v2. What v2 takes silently and v1 refuses (more
/// than the parent has) is refused here too, so that both mean the same to the runtime.
class V2Groups final : public GroupBase {
 public:
  using GroupBase::GroupBase;

  Result<Effect> remove(const CgroupPath& path) override;
  Result<CpuShares> set_cpu_shares(const CgroupPath& path, CpuShares shares) override;
  Result<std::optional<CpuQuota>> set_cpu_quota(const CgroupPath& path,
                                                std::optional<CpuQuota> quota) override;
  Result<CpuSet> set_cpus(const CgroupPath& path, std::optional<CpuSet> cpus) override;
  Result<CpuSet> set_memory_nodes(const CgroupPath& path, std::optional<CpuSet> nodes) override;
  Result<MemoryLimit> set_memory(const CgroupPath& path, MemoryLimit limit) override;
  Result<Bytes> set_memory_high(const CgroupPath& path, Bytes high) override;
  Result<Bytes> set_memory_low(const CgroupPath& path, Bytes low) override;
  Result<std::uint64_t> set_pids(const CgroupPath& path, std::uint64_t most) override;
  Result<IoWeight> set_io_weight(const CgroupPath& path, const std::string& place,
                                 IoWeight weight) override;
  Result<IoLimit> set_io_limits(const CgroupPath& path, const std::string& place,
                                IoLimit limit) override;
  Status set_devices(const CgroupPath& path, const std::vector<DeviceRule>& allowed) override;

  Status freeze(const CgroupPath& path) override;
  Status thaw(const CgroupPath& path) override;
  Result<FreezeState> freeze_state(const CgroupPath& path) override;
  Result<std::uint64_t> kill_all(const CgroupPath& path) override;
  Result<CgroupSample> sample(const CgroupPath& path) override;
  Result<CgroupLimits> limits(const CgroupPath& path, const std::string& place) override;

 protected:
  [[nodiscard]] std::vector<std::string> mounts() const override;
  Status prepare(const std::string& mount, const std::string& directory,
                 const CgroupPath& path) override;
  bool ours(const std::string& directory) override;

 private:
  /// Path of a control file, or why there is none.
  Result<std::string> file(std::string_view call, const CgroupPath& path, std::string_view name);
  [[nodiscard]] std::string directory(const CgroupPath& path) const;
  Result<std::optional<CpuQuota>> read_quota(const CgroupPath& path, const std::string& file);
  Status check_ancestors(const CgroupPath& path, const CpuQuota& quota);
  Status reclaim_below(const CgroupPath& path, std::uint64_t memory);
  /// Guarantees act only as far as the groups around have some: gives each group of the node's
  /// prefix the sum of what its children are guaranteed.
  Status raise_prefix_low(std::string_view call);
  /// The file that holds weights which act on `disk`.
  Result<std::string> weight_file(const CgroupPath& path, const BlockDevice& disk);
  /// The parts of `limits` about the disk that holds `place`.
  Status add_io_limits(const CgroupPath& path, const std::string& place, CgroupLimits& limits);
  Result<MemoryLimit> kept_memory(const CgroupPath& path);
};

}  // namespace twinhull::linux_backend
