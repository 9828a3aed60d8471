// Control groups on Linux.
#pragma once

#include <memory>

#include "backends/linux/cgroup/layout.h"
#include "backends/linux/cgroup/tree.h"
#include "backends/linux/linux_kernel.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Control groups of the node below `options.cgroup_prefix`, by the driver (v1, hybrid, v2) that
/// fits what is mounted. `options` must outlive the result.
/// Errors: not_supported (no hierarchy is mounted), not_permitted.
Result<std::unique_ptr<Cgroups>> make_cgroups(const NodeOptions& options);

/// The same for a given layout and tree: the driver is the layout's.
std::unique_ptr<Cgroups> make_cgroups(const std::string& prefix, CgroupLayout layout,
                                      std::unique_ptr<CgroupTree> tree);

/// Whether the mounted hierarchies have what cpu_shares, cpu_quota, cpuset, memory_limit,
/// swap_limit, memory_high, memory_low, pids_limit, device_rules or freezer need. Precondition: one
/// of these features.
Support cgroup_support(Feature feature);

/// The same for io_weight and io_limit, which depend on the disk that holds `place`.
Support io_support(Feature feature, const std::string& place);

}  // namespace twinhull::linux_backend
