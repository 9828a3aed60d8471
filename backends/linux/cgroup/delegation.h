// The options of the cgroup v2 tree, which are of the whole machine and not of a mount.
#pragma once

#include "backends/linux/cgroup/layout.h"
#include "backends/linux/unique_fd.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

// Whoever mounts a cgroup v2 tree from the machine's first cgroup namespace replaces its options
// for everybody (kernel/cgroup/cgroup.c, apply_cgroup_root_flags). lxcfs and CRIU mount it without
// any, which takes nsdelegate away: from then on root in a container may write the container's own
// limits, and a container that starts gets its tree read-only, in which systemd does not come up.

/// While it lives, programs that the calling thread starts are in a cgroup namespace of their own,
/// whose top is the top of the tree: they see what the node sees, and what they mount changes no
/// option. Does nothing where a mount cannot: on cgroup v1 and hybrid, and when the node itself
/// lives in a cgroup namespace.
class CgroupMountGuard {
 public:
  /// Errors: those of clone3(2) and setns(2).
  static Result<CgroupMountGuard> enter(const CgroupLayout& layout);

  CgroupMountGuard(CgroupMountGuard&&) noexcept = default;
  CgroupMountGuard& operator=(CgroupMountGuard&&) = delete;
  ~CgroupMountGuard();

 private:
  CgroupMountGuard() = default;
  UniqueFd own_;  ///< the namespace to return to; empty = never left
};

/// Gives the v2 tree back what systemd mounts it with and other programs took away: nsdelegate,
/// so that a container may be given its own part to write, and memory_recursiveprot, so that a
/// container's guarantee reaches the groups in it. Other options stay. `known` may be older: what
/// is mounted is read anew. True when the tree delegates now; false where this node may not decide
/// that, and on v1 and hybrid.
/// Errors: those of reading the mount table.
Result<bool> ensure_delegation(const CgroupLayout& known);

}  // namespace twinhull::linux_backend
