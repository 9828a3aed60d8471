// Processes on Linux.
#pragma once

#include <memory>

#include "backends/linux/linux_kernel.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Processes of the node. `options` and `cgroups` must outlive the result.
/// Errors: not_supported (names the missing mechanism), not_permitted.
Result<std::unique_ptr<Processes>> make_processes(const NodeOptions& options, Cgroups& cgroups);

/// Whether this kernel has what Feature::containers, seccomp, user_namespace or raise_limits need.
/// Precondition: one of these features.
Support process_support(Feature feature);

}  // namespace twinhull::linux_backend
