// Mounts on Linux.
#pragma once

#include <memory>

#include "backends/linux/linux_kernel.h"
#include "runtime/kernel/mounts.h"

namespace twinhull::linux_backend {

/// Mounts of the mount namespace of the calling process. `options` must outlive the result.
std::unique_ptr<Mounts> make_mounts(const NodeOptions& options);

}  // namespace twinhull::linux_backend
