// The wish that a command shall stop.
#pragma once

#include <atomic>

#include "backends/linux/linux_kernel.h"

namespace twinhull::linux_backend {

/// Takes the wish to stop, if there is one: true once for each wish. A blocking call asks before
/// it waits, each time its wait is interrupted, and at least every kStopPoll.
inline bool take_stop(const NodeOptions& options) {
  return options.stop != nullptr && options.stop->exchange(false, std::memory_order_acq_rel);
}

/// A signal that comes between the question and the wait does not wake the wait: so no wait is
/// longer than this.
inline constexpr Duration kStopPoll = milliseconds(100);

}  // namespace twinhull::linux_backend
