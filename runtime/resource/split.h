// Dividing a node into equal containers (spec F4.34).
#pragma once

#include <cstdint>
#include <string>

#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull::resource {

/// What is divided.
struct NodeResources {
  Bytes memory;
  Bytes swap;
  Bytes disk_free;  ///< where the private areas will lie
};

/// What one of the equal containers gets.
struct NodeShare {
  std::uint64_t containers = 0;
  Pages ram;                          ///< PHYSPAGES
  Pages swap;                         ///< SWAPPAGES
  std::uint64_t processes = 0;        ///< NUMPROC
  std::uint64_t usual_processes = 0;  ///< AVNUMPROC: decides the commit level
  std::uint64_t disk_soft = 0;        ///< KiB
  std::uint64_t disk_hard = 0;
  std::uint64_t inodes_soft = 0;
  std::uint64_t inodes_hard = 0;
  /// How far kernel memory is promised beyond what there is: 0 (not at all) … 3 (shortage).
  unsigned commit_level = 0;
};

/// Processes that a kernel with this much memory allows: one for each 128 KiB (fork(2): an eighth
/// of the memory may be stacks of 16 KiB), at most 32000 (spec R10).
std::uint64_t most_processes(Bytes memory);

/// The part of the memory that the kernel can use for itself. All of it, as on every kernel of 64
/// bits.
Bytes low_memory(Bytes memory);

/// Divides. What the node keeps for itself (a twentieth of the memory, at least 64 MiB, and 10 GB
/// of disk), the least of a container (16 MiB of memory) and the levels' border (40 processes) are
/// this implementation's: spec F4.34 names none. Errors: invalid_argument (no containers, too
/// many), limit_exceeded "Fatal resource shortage …" naming what runs out. Exit 1.
Result<NodeShare> split_node(const NodeResources& node, std::uint64_t containers);

/// The sample configuration of such a container, with a comment that says where it comes from.
std::string sample_text(const NodeResources& node, const NodeShare& share);

}  // namespace twinhull::resource
