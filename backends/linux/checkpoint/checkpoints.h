// Checkpoints on Linux, by the program criu.
#pragma once

#include <memory>

#include "backends/linux/linux_kernel.h"
#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/host.h"

namespace twinhull::linux_backend {

/// `options` and the ports must outlive the result.
std::unique_ptr<Checkpoints> make_checkpoints(const NodeOptions& options, Processes& processes);

/// Feature::checkpoint or Feature::dirty_tracking: asks criu, once for each of its builds and boots.
Support checkpoint_support(const NodeOptions& options, Feature feature);

}  // namespace twinhull::linux_backend
