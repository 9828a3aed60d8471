// Port: time.
#pragma once

#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull {

/// Time on one node. Linux: clock_gettime(2). Simulator: virtual time.
/// Thread rule of every port: calls may come from several threads (Linux) or fibers (simulator),
/// each call is atomic towards the others, unless its text says otherwise.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Time since the node's boot; never goes back within one boot.
  virtual Instant now() = 0;
  /// Calendar time; an operator may set it forwards or back.
  virtual WallTime wall() = 0;
  /// Blocks for `length`; not positive = returns at once.
  /// Errors: interrupted (a signal asked this command to stop), node_down.
  virtual Status sleep(Duration length) = 0;
};

}  // namespace twinhull
