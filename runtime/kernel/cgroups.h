// Port: control groups.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/kernel/cgroup_path.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull {

/// CPUs or memory nodes by number, ascending, without repetition.
struct CpuSet {
  std::vector<std::uint32_t> cpus;
  bool operator==(const CpuSet&) const = default;
  /// "0-2,5". Empty set = "".
  [[nodiscard]] std::string text() const;
  /// Inverse; std::nullopt for text that is not a list of numbers and ranges below 8192.
  static std::optional<CpuSet> parse(const std::string& text);
};

/// CPU bandwidth: at most `quota` of CPU time in each `period`.
struct CpuQuota {
  Duration quota{0};                   ///< ≥ 1 ms
  Duration period = milliseconds(100); ///< 1 ms … 1 s
  bool operator==(const CpuQuota&) const = default;
};

/// Relative weight among siblings in the kernel's v1 scale: cpu.shares 2…262144, default 1024.
/// (v2: cpu.weight = 1 + (shares - 2) * 9999 / 262142.)
struct CpuShares {
  std::uint64_t value = 1024;
  auto operator<=>(const CpuShares&) const = default;
};

/// Memory and swap as two explicit numbers, as VSwap has them (spec F4.14).
struct MemoryLimit {
  Bytes memory{kUnlimited};
  Bytes swap{kUnlimited};  ///< on top of `memory`
  bool operator==(const MemoryLimit&) const = default;
};

/// Relative weight among siblings for the time of a busy disk: 1…1000, default 100 (the scale of
/// the BFQ scheduler). It decides nothing while the disk has time for everybody.
struct IoWeight {
  static constexpr std::uint64_t kLeast = 1, kMost = 1000;
  std::uint64_t value = 100;
  [[nodiscard]] constexpr bool valid() const { return value >= kLeast && value <= kMost; }
  auto operator<=>(const IoWeight&) const = default;
};

/// Upper bounds for one disk. Each holds for reads and for writes by itself, because the kernel's
/// throttle has a bucket a direction: a group that reads and writes at once may move up to twice as
/// much. (PVC counted both together, spec F4.28; no kernel of today can, and the simulator does as
/// Linux does.)
struct IoLimit {
  /// The throttle counts bytes in 63 bits, and operations in 32 with the last number as "no limit".
  static constexpr std::uint64_t kLeast = 1, kMostBandwidth = ~std::uint64_t{0} >> 1U,
                                 kMostOperations = 0xFFFF'FFFE;
  BytesPerSecond bandwidth{kUnlimited};   ///< kLeast…kMostBandwidth, or kUnlimited
  std::uint64_t operations = kUnlimited;  ///< a second: kLeast…kMostOperations, or kUnlimited
  [[nodiscard]] constexpr bool valid_bandwidth() const {
    return bandwidth.value == kUnlimited ||
           (bandwidth.value >= kLeast && bandwidth.value <= kMostBandwidth);
  }
  [[nodiscard]] constexpr bool valid_operations() const {
    return operations == kUnlimited || (operations >= kLeast && operations <= kMostOperations);
  }
  /// What `operations` comes to on Linux: the throttle allows whole ones in each slice of 100 ms, and
  /// what is over is lost (throtl_trim_slice): 15 a second act as 10. Below 10 it strays to both sides,
  /// and the limit itself is returned. kUnlimited stays.
  [[nodiscard]] constexpr std::uint64_t acting_operations() const {
    constexpr std::uint64_t kSlices = 10;  // in a second
    if (operations < kSlices || operations == kUnlimited) return operations;
    return operations / kSlices * kSlices;
  }
  bool operator==(const IoLimit&) const = default;
};

struct CpuSample {
  Duration usage{0};
  std::uint64_t periods = 0;
  std::uint64_t throttled_periods = 0;
  Duration throttled{0};
};

/// What a kernel does not count is std::nullopt, never zero.
struct MemorySample {
  Bytes usage;       ///< anonymous + cache + kernel, as charged
  Bytes peak;
  Bytes anonymous;
  Bytes cache;       ///< file pages: what is reclaimed before anything is refused
  Bytes swap;
  std::optional<Bytes> kernel;  ///< page tables, stacks, slabs; the simulator has none
  std::uint64_t limit_hits = 0;  ///< charges that met the limit; v1 of recent kernels counts none
  std::optional<std::uint64_t> high_hits;  ///< charges above the soft bound (v2 memory.events high)
  /// Reclaims that had to take what set_memory_low protects (v2 memory.events low).
  std::optional<std::uint64_t> low_hits;
  std::uint64_t oom_kills = 0;
};

/// Block I/O of the subtree since its groups were made, over all disks. I/O that passes stacked
/// devices (a loop device and the disk below it) counts on each. Recent kernels with cgroup v1
/// count only on disks on which some group was given limits, be they unlimited.
struct IoSample {
  Bytes read;
  Bytes written;
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  /// How long requests waited for their limits; std::nullopt where the kernel does not tell (Linux).
  std::optional<Duration> throttled;
};

struct CgroupSample {
  CpuSample cpu;
  MemorySample memory;
  IoSample io;
  std::uint64_t pids = 0;
  std::optional<std::uint64_t> pids_peak;  ///< most at a time; needs Linux 6.1
  std::uint64_t pids_limit_hits = 0;
};

/// What the kernel holds a group to now, each value as its setter would return it. std::nullopt: the
/// group has no such controller (for `quota`, as well: no limit).
struct CgroupLimits {
  std::optional<CpuShares> shares;
  std::optional<CpuQuota> quota;
  std::optional<CpuSet> cpus;
  std::optional<MemoryLimit> memory;
  std::optional<Bytes> memory_high = {};  ///< soft bound; kUnlimited = none
  std::optional<Bytes> memory_low = {};   ///< guarantee; 0 = none
  std::optional<CpuSet> memory_nodes = {};
  std::optional<std::uint64_t> pids;
  std::optional<IoWeight> io_weight =
      {};                          ///< std::nullopt also: nothing on that disk heeds weights
  std::optional<IoLimit> io = {};  ///< std::nullopt also: no disk was asked for, or is there
  bool operator==(const CgroupLimits&) const = default;
};

enum class FreezeState : std::uint8_t { thawed, freezing, frozen };

/// Control groups of one node, all controllers of a group under one path. Linux: v1, hybrid or v2
/// trees. Setters return what the kernel kept: rounded, clamped. Groups are lost at a power cut.
/// Common errors: not_found (no such group), invalid_argument (path or value), not_supported
/// (controller absent), node_down.
class Cgroups {
 public:
  virtual ~Cgroups() = default;

  /// Makes the group; its parent must exist. Effect::none when it is there. Its CPU shares are the
  /// kernel's default, which is not the same everywhere: set them.
  virtual Result<Effect> create(const CgroupPath& path) = 0;
  /// Removes an empty group. Effect::none when absent. Errors: busy (processes), not_empty (children).
  virtual Result<Effect> remove(const CgroupPath& path) = 0;
  /// Names of the direct children; with an empty path those of the node's prefix. Sorted.
  virtual Result<std::vector<std::string>> children(const CgroupPath& parent) = 0;

  /// Clamps to 2…262144.
  virtual Result<CpuShares> set_cpu_shares(const CgroupPath& path, CpuShares shares) = 0;
  /// std::nullopt lifts the limit. Errors: invalid_argument (out of range, or more than an
  /// ancestor allows).
  virtual Result<std::optional<CpuQuota>> set_cpu_quota(const CgroupPath& path,
                                                        std::optional<CpuQuota> quota) = 0;
  /// std::nullopt = the parent's set. Errors: invalid_argument (a CPU that the parent lacks).
  virtual Result<CpuSet> set_cpus(const CgroupPath& path, std::optional<CpuSet> cpus) = 0;
  /// Memory nodes (NUMA) that the group may allocate on (cpuset.mems); std::nullopt = the parent's.
  /// Errors: invalid_argument (a node that the parent lacks), busy (a child group uses it).
  virtual Result<CpuSet> set_memory_nodes(const CgroupPath& path, std::optional<CpuSet> nodes) = 0;
  /// Rounded down to pages. Reclaims when lowered; errors: busy (cannot reclaim so much).
  virtual Result<MemoryLimit> set_memory(const CgroupPath& path, MemoryLimit limit) = 0;
  /// The soft bound on memory: above it the group is reclaimed from, then every further charge is
  /// slowed down, the more the further (models 6.3), and nothing is refused or killed. kUnlimited
  /// lifts it. Rounded down to pages. Errors: not_supported (v1 has no bound that slows down).
  virtual Result<Bytes> set_memory_high(const CgroupPath& path, Bytes high) = 0;
  /// Memory that reclaim leaves to the group while others have any that is not protected
  /// (models 6.3): other groups' pages go first, those below the guarantee only when nothing else
  /// is left. Among siblings whose guarantees are together more than the group around them is
  /// guaranteed, that is divided by what each uses of its own. It is no reserve, and the OOM killer
  /// does not look at it. 0 lifts it, kUnlimited protects all. Rounded down to pages. Returns what
  /// was kept. Errors: not_supported (v1 protects nothing).
  virtual Result<Bytes> set_memory_low(const CgroupPath& path, Bytes low) = 0;
  /// Tasks (processes and threads) in the subtree; kUnlimited lifts the limit.
  virtual Result<std::uint64_t> set_pids(const CgroupPath& path, std::uint64_t most) = 0;
  /// Weight of the group on every disk. `place` is a path on the disk that matters: the call is
  /// refused when nothing there heeds weights. Linux: that disk's scheduler must be bfq, or (v2)
  /// its cost model on. Errors: invalid_argument (outside 1…1000), not_found (`place`),
  /// not_supported (names the disk and what it lacks).
  virtual Result<IoWeight> set_io_weight(const CgroupPath& path, const std::string& place,
                                         IoWeight weight) = 0;
  /// Bounds on the disk that holds `place`; kUnlimited lifts one. Acts on direct I/O, on reads, and
  /// on buffered writes as they go to the disk. cgroup v1 charges those to whoever writes them back:
  /// the program that syncs, but nobody when the kernel does it later; and v1 binds the processes of
  /// the group itself, not those of its children. Errors: invalid_argument (0 or too large),
  /// not_found (`place`), not_supported (no controller, or no single disk holds `place`: tmpfs, a
  /// network or a many-device file system).
  virtual Result<IoLimit> set_io_limits(const CgroupPath& path, const std::string& place,
                                        IoLimit limit) = 0;
  /// Replaces the allow-list: everything else is refused to processes inside.
  virtual Status set_devices(const CgroupPath& path, const std::vector<DeviceRule>& allowed) = 0;

  virtual Status freeze(const CgroupPath& path) = 0;
  virtual Status thaw(const CgroupPath& path) = 0;
  virtual Result<FreezeState> freeze_state(const CgroupPath& path) = 0;
  /// SIGKILL to all processes of the subtree; how many there were. They may take a moment to go.
  virtual Result<std::uint64_t> kill_all(const CgroupPath& path) = 0;
  /// Processes in the subtree, ascending by number.
  virtual Result<std::vector<ProcessRef>> processes(const CgroupPath& path) = 0;
  virtual Result<CgroupSample> sample(const CgroupPath& path) = 0;
  /// Reads the limits back, those of disk I/O for the disk that holds `place`; an empty `place`
  /// leaves them out. Never not_supported. Errors: not_found (group, `place`), invalid_argument.
  virtual Result<CgroupLimits> limits(const CgroupPath& path, const std::string& place) = 0;
};

}  // namespace twinhull
