// Facts of a Linux node.
#pragma once

#include <memory>

#include "backends/linux/linux_kernel.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/quotas.h"

namespace twinhull::linux_backend {

/// Facts from /proc, /sys and probes made when asked. Both arguments must outlive the result.
std::unique_ptr<Host> make_host(const NodeOptions& options, Quotas& quotas);

}  // namespace twinhull::linux_backend
