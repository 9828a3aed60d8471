// Channels to other nodes on Linux.
#pragma once

#include <memory>

#include "backends/linux/linux_kernel.h"
#include "runtime/kernel/channels.h"

namespace twinhull::linux_backend {

/// Channels through the peer table's commands or ssh. `options` must outlive the result.
std::unique_ptr<Channels> make_channels(const NodeOptions& options);

}  // namespace twinhull::linux_backend
