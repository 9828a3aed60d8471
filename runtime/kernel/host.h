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
  lazy_pages,       ///< post-copy: processes can go on before all of their memory is there
};
std::string_view to_string(Feature feature);
inline constexpr std::size_t kFeatureCount = static_cast<std::size_t>(Feature::lazy_pages) + 1;

/// One run of the tool that dumps and restores processes.
struct EngineRun {
  Duration took{0};         ///< 0: not known
  std::uint32_t tasks = 0;  ///< processes
  Pages pages;              ///< written into images, or read from them
  bool operator==(const EngineRun&) const = default;
};

/// How fast that tool works on a node. All zeros: not known, as where time passes by a model.
struct EnginePace {
  Duration look{0};  ///< what its look at the machine took
  EngineRun dump;    ///< the latest that succeeded here
  EngineRun restore;
  bool operator==(const EnginePace&) const = default;
};

struct Support {
  bool available = false;
  std::string reason;    ///< why not, naming the missing mechanism; or which one acts
  EnginePace pace = {};  ///< of Feature::checkpoint
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

/// What the node as a whole uses, its containers and its own system together.
struct HostUsage {
  Bytes memory;  ///< that cannot be had back without swapping: page cache is not counted
  Bytes swap;
  std::uint64_t processes = 0;
  std::uint64_t threads = 0;  ///< of all processes; of the kernel too, where those are processes
  Duration cpu{};             ///< time that the CPUs worked since boot, all together
};

struct DiskInfo {
  std::string file_system;  ///< "btrfs", "ext4", "simfs"
  Bytes capacity;
  Bytes available;          ///< to an unprivileged writer
  Bytes used = {};          ///< by anybody; `capacity` less this may be more than `available`
  Inodes inodes_used = {};  ///< 0 where the file system counts none (btrfs)
};

/// Facts of the node.
class Host {
 public:
  virtual ~Host() = default;
  virtual Result<HostInfo> info() = 0;
  virtual Result<Support> supports(Feature feature) = 0;
  virtual Result<LoadAverage> load() = 0;
  /// Consumption now. Linux: /proc/meminfo (MemAvailable), /proc/stat, /proc/loadavg, /proc; nodes
  /// that share a machine all see the machine's.
  virtual Result<HostUsage> usage() = 0;
  /// The file system that holds `path` (the nearest existing ancestor counts).
  virtual Result<DiskInfo> disk(const std::string& path) = 0;
  /// Changes at each boot of the node; never repeats.
  virtual Result<std::string> boot_id() = 0;
};

}  // namespace twinhull
