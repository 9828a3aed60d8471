// Parts of a child's way to its program. Everything here runs between fork and exec, possibly of a
// program with threads: system calls only, no allocation, no locks.
#pragma once

#include <cerrno>

#include "backends/linux/process/child_plan.h"

namespace twinhull::linux_backend {

/// Reports to the parent and ends the child when a step fails.
class ChildReport {
 public:
  explicit ChildReport(int control) : control_(control) {}

  /// Ends the child with what failed. `number` is errno of the failed call.
  [[noreturn]] void fail(ChildStep step, int number, int index = 0) const;
  /// Ends the child unless `result` says success; hands `result` on.
  int check(ChildStep step, int result, int index = 0) const {
    if (result < 0) fail(step, errno, index);
    return result;
  }
  /// Sends a descriptor to the parent.
  void send_fd(ControlMessage::Kind kind, ChildStep step, int fd) const;
  /// Waits for a message of the parent; the child ends when the parent is gone. Returns the
  /// descriptor that came with it, -1 = none.
  int wait_for(ControlMessage::Kind kind, ChildStep step) const;

 private:
  int control_;
};

/// Makes `plan.root` the root of the calling process, which has a mount namespace of its own, with
/// /proc, /sys, /dev, /run and the masks of a container. `mounted_root` is a detached mount of the
/// root, -1 = none. Leaves the old root mounted until finish_root: a user namespace may mount
/// /proc only while another one is in sight.
/// Returns a descriptor of the old root.
int enter_root(const ChildPlan& plan, const ChildReport& report, int mounted_root);
/// Mounts the control groups of the plan, masks and detaches the old root.
void finish_root(const ChildPlan& plan, const ChildReport& report, int old_root);

/// Brings the loopback device up.
void raise_loopback(const ChildReport& report);

/// Applies limits, capabilities and the seccomp filter, in the one order that works.
void set_limits(const ChildPlan& plan, const ChildReport& report);
void drop_privileges(const ChildPlan& plan, const ChildReport& report);

/// Default dispositions, nothing blocked.
void reset_signals();

}  // namespace twinhull::linux_backend
