// Time on Linux.
#pragma once

#include <memory>

#include "backends/linux/linux_kernel.h"
#include "runtime/kernel/clock.h"

namespace twinhull::linux_backend {

/// CLOCK_BOOTTIME and CLOCK_REALTIME. `options` must outlive the result.
std::unique_ptr<Clock> make_clock(const NodeOptions& options);

}  // namespace twinhull::linux_backend
