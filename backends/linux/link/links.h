// Network devices, addresses and routes on Linux.
#pragma once

#include <memory>

#include "backends/linux/linux_kernel.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/links.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Links of the node, whose network namespace is the calling thread's. Both arguments must outlive
/// the result. Errors: not_supported (no rtnetlink), not_permitted.
Result<std::unique_ptr<Links>> make_links(const NodeOptions& options, Processes& processes);

/// Whether this kernel has what Feature::veth or Feature::bridge needs. Precondition: one of these.
Support link_support(Feature feature);

}  // namespace twinhull::linux_backend
