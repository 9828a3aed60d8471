// Checkpoints on Linux, by the program criu.
#pragma once

#include <memory>

#include "backends/linux/linux_kernel.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/checkpoints.h"

namespace twinhull::linux_backend {

/// `options` and `cgroups` must outlive the result.
std::unique_ptr<Checkpoints> make_checkpoints(const NodeOptions& options, Cgroups& cgroups);

}  // namespace twinhull::linux_backend
