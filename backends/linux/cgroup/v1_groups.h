// Control groups on v1 hierarchies, and on v1 hierarchies with a v2 tree beside them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backends/linux/cgroup/group_base.h"

namespace twinhull::linux_backend {

/// One directory a hierarchy for each group; files as in Documentation/admin-guide/cgroup-v1.
class V1Groups : public GroupBase {
 public:
  using GroupBase::GroupBase;

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

  /// Path of a control file, or not_supported when its controller is not mounted.
  Result<std::string> file(std::string_view call, const CgroupPath& path,
                           std::string_view controller, std::string_view name);

 private:
  Status set_period_and_quota(const CgroupPath& path, const CpuQuota& quota);
  /// Quota of the group whose directory in the cpu hierarchy is given.
  Result<std::optional<CpuQuota>> kept_quota(const std::string& directory, const CgroupPath& path);
  Status add_io(const CgroupPath& path, IoSample& sample);
  /// Limits on one disk as all four files keep them; `directory` is the group's in the hierarchy.
  Result<IoLimit> kept_io(const char* call, const CgroupPath& path, const std::string& directory,
                          const BlockDevice& disk);
  /// The parts of `limits` about the disk that holds `place`.
  Status add_io_limits(const CgroupPath& path, const std::string& place, CgroupLimits& limits);
  Result<MemoryLimit> kept_memory(const CgroupPath& path, bool with_swap);
};

/// The v2 tree beside v1 controllers has no controllers of use, but freezes and kills better: a
/// group frozen by it can be killed, and cgroup.kill leaves no gap for a fork.
class HybridGroups final : public V1Groups {
 public:
  using V1Groups::V1Groups;
  Status freeze(const CgroupPath& path) override;
  Status thaw(const CgroupPath& path) override;
  Result<FreezeState> freeze_state(const CgroupPath& path) override;
  Result<std::uint64_t> kill_all(const CgroupPath& path) override;

 protected:
  [[nodiscard]] std::vector<std::string> mounts() const override;
};

}  // namespace twinhull::linux_backend
