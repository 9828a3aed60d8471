// Port: what this node is, has and can do.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull {

/// A mechanism that a kernel may lack. `Host::supports` says whether, and why not.
enum class Feature : std::uint8_t {
  containers,       ///< namespaces, pivot_root and cgroups: the least that start needs
  overlay,
  cpu_shares, cpu_quota, cpuset, memory_limit, swap_limit, memory_high, memory_low, pids_limit,
  device_rules, freezer,
  io_weight,        ///< the disk of the private areas heeds weights
  io_limit,
  seccomp, user_namespace,
  tree_quota_bytes, tree_quota_inodes,
  veth, bridge,
  channels,
  proc_view,        ///< /proc inside a container shows its own memory and CPUs, not the node's
  raise_limits,     ///< CAP_SYS_RESOURCE: hard limits may be raised
  checkpoint,       ///< processes can be dumped and restored
  dirty_tracking,   ///< pre-dump: what changed in memory since the last one is known
};
std::string_view to_string(Feature feature);
inline constexpr std::size_t kFeatureCount = static_cast<std::size_t>(Feature::dirty_tracking) + 1;

struct Support {
  bool available = false;
  std::string reason;  ///< why not, naming the missing mechanism; or which one acts
};

/// One memory node (NUMA) and the CPUs that are near to it.
struct MemoryNode {
  std::uint32_t number = 0;
  CpuSet cpus;
  bool operator==(const MemoryNode&) const = default;
};

struct HostInfo {
  std::string hostname;
  std::string kernel;        ///< release, e.g. "6.1.0-18-amd64" or "sim-1"
  std::string architecture;  ///< "x86_64"
  CpuSet online_cpus;
  std::uint64_t cpu_mhz = 0; ///< of one CPU; 0 = unknown
  Bytes memory;
  Bytes swap;
  std::vector<MemoryNode> memory_nodes;  ///< those online, ascending; never empty on a live node
  std::string backend;       ///< "linux" or "sim"
  /// What programs may have found on the CPU and use ("avx2", …), ascending, each once. Empty = unknown.
  std::vector<std::string> cpu_features = {};
};

struct LoadAverage {
  /// 1, 5 and 15 minutes, in hundredths.
  std::array<std::uint64_t, 3> hundredths{};
};

struct DiskInfo {
  std::string file_system;  ///< "btrfs", "ext4", "simfs"
  Bytes capacity;
  Bytes available;          ///< to an unprivileged writer
};

/// Facts of the node.
class Host {
 public:
  virtual ~Host() = default;
  virtual Result<HostInfo> info() = 0;
  virtual Result<Support> supports(Feature feature) = 0;
  virtual Result<LoadAverage> load() = 0;
  /// The file system that holds `path` (the nearest existing ancestor counts).
  virtual Result<DiskInfo> disk(const std::string& path) = 0;
  /// Changes at each boot of the node; never repeats.
  virtual Result<std::string> boot_id() = 0;
};

}  // namespace twinhull
