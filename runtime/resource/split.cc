#include "runtime/resource/split.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "runtime/resource/amounts.h"

namespace twinhull::resource {
namespace {

constexpr std::uint64_t kMega = std::uint64_t{1} << 20;
constexpr std::uint64_t kGigaInKib = std::uint64_t{1} << 20;
constexpr std::uint64_t kMostContainers = 100000;
constexpr std::uint64_t kLeastRam = 4096;    ///< pages
constexpr std::uint64_t kMostSwap = 262144;  ///< pages
constexpr std::uint64_t kLeastProcesses = 30;
constexpr std::uint64_t kComfortableProcesses = 40;  ///< usual ones: below it more is promised
constexpr std::uint64_t kDiskReserve = 10 * kGigaInKib;
constexpr std::uint64_t kLeastDisk = 225280;  ///< KiB
constexpr std::uint64_t kInodeSpace = 16;     ///< KiB for each inode, as in the basic sample

/// The factors of one commit level, in tenths; memory of a process in bytes.
struct Level {
  std::uint64_t memory_tenths;
  std::uint64_t process_tenths;
  std::uint64_t process_memory;
};
constexpr std::array<Level, 3> kLevels = {{{10, 10, 81920}, {12, 15, 65536}, {18, 20, 53248}}};

constexpr std::array<const char*, 4> kLevelTexts = {
    "free distribution: any parameter may be raised",
    "low: all containers together can use a little more kernel memory than is set aside",
    "high: containers that use all that is promised come short of kernel memory",
    "overall shortage: use fewer containers"};

Error shortage(std::uint64_t containers, std::string_view what) {
  return fail(ErrorCode::limit_exceeded, "node.split", fmt::format("{} Containers", containers),
              fmt::format("Fatal resource shortage, try to decrease the number of Containers: {}",
                          what))
      .with_exit_code(1);
}

std::uint64_t with_gap(std::uint64_t soft) {
  return times(soft, 11, 10);
}

}  // namespace

std::uint64_t most_processes(Bytes memory) {
  return std::min<std::uint64_t>(32000, memory.value / (128 * 1024));
}

Bytes low_memory(Bytes memory) {
  return memory;
}

Result<NodeShare> split_node(const NodeResources& node, std::uint64_t containers) {
  if (containers == 0 || containers > kMostContainers)
    return fail(ErrorCode::invalid_argument, "node.split", fmt::format("{} Containers", containers),
                fmt::format("accepted: 1 to {}", kMostContainers))
        .with_exit_code(1);
  const std::uint64_t reserve = std::max(node.memory.value / 20, 64 * kMega);
  const std::uint64_t usable = minus(node.memory.value, reserve);

  NodeShare share;
  share.containers = containers;
  const std::uint64_t kernel_part = times(low_memory(node.memory).value, 4, 10);
  std::uint64_t kernel_memory = 0;
  for (unsigned number = 0; number < kLevels.size(); ++number) {
    const Level& level = kLevels[number];
    kernel_memory = times(kernel_part, level.memory_tenths, 10) / containers;
    // Half is for buffers of sockets.
    share.usual_processes = kernel_memory / 2 / level.process_memory;
    share.processes = times(most_processes(node.memory), level.process_tenths, 10) / containers;
    share.commit_level = number;
    if (share.usual_processes >= kComfortableProcesses && share.processes >= kLeastProcesses) break;
    if (number + 1 == kLevels.size()) share.commit_level = 3;
  }
  share.processes = std::max(share.processes, kLeastProcesses);

  // The part of the user's memory that is the container's, and no more than the node has.
  const std::uint64_t total = (usable + node.swap.value) / containers;
  const std::uint64_t own = minus(total, times(kernel_part, 1) / containers) / kPageSize;
  share.ram = {std::min(own, usable / kPageSize)};
  share.swap = {std::min({own, kMostSwap, node.swap.value / kPageSize})};
  if (share.ram.value < kLeastRam)
    return shortage(containers,
                    fmt::format("{} MiB of memory are left for each", share.ram.value / 256));

  const std::uint64_t free = node.disk_free.value / 1024;
  share.disk_soft = std::max(minus(free, kDiskReserve) / containers, kLeastDisk);
  if (share.disk_soft > free / containers)
    return shortage(containers,
                    fmt::format("{} MiB of disk are free for each", free / containers / 1024));
  share.disk_hard = with_gap(share.disk_soft);
  share.inodes_soft = share.disk_soft / kInodeSpace;
  share.inodes_hard = with_gap(share.inodes_soft);
  return share;
}

std::string sample_text(const NodeResources& node, const NodeShare& share) {
  std::string text = fmt::format(
      "# One of {} equal Containers of this node, made by vzsplit.\n"
      "# RAM: {} MB\n# Low memory: {} MB\n# Swap: {} MB\n# Most threads: {}\n"
      "# Resource commit level {}: {}\n\n",
      share.containers, node.memory.value / kMega, low_memory(node.memory).value / kMega,
      node.swap.value / kMega, most_processes(node.memory), share.commit_level,
      kLevelTexts[share.commit_level]);
  text += fmt::format(
      "VERSION=\"2\"\nPLATFORM=\"linux\"\n\nONBOOT=\"no\"\n"
      "PHYSPAGES=\"{0}:{0}\"\nSWAPPAGES=\"{1}\"\nVM_OVERCOMMIT=\"1.5\"\nNUMPROC=\"{2}\"\n"
      "CPUUNITS=\"1000\"\nDISK_QUOTA=\"yes\"\nDISKSPACE=\"{3}:{4}\"\nDISKINODES=\"{5}:{6}\"\n"
      "QUOTATIME=\"0\"\n",
      share.ram.value, share.swap.value, share.processes, share.disk_soft, share.disk_hard,
      share.inodes_soft, share.inodes_hard);
  return text;
}

}  // namespace twinhull::resource
