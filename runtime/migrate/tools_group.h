// The control group that programs which move data run in (spec F4.32).
#pragma once

#include <functional>

#include "runtime/config/node_config.h"
#include "runtime/kernel/cgroup_path.h"
#include "runtime/kernel/kernel.h"
#include "runtime/kernel/result.h"

namespace twinhull::migrate {

/// Makes the group VZ_TOOLS_BCID with VZ_TOOLS_MEMLIMIT and moves the calling program into it with
/// `enter` (Session::enter_group; may be empty). Both ends of a migration call it when they begin;
/// without VZ_TOOLS_BCID it does nothing. The memory limit holds for all programs of the group
/// together, page cache of what they read and write included. The group stays until the next boot,
/// so that its accounts can be read; its rate is VZ_TOOLS_IOLIMIT, which the channel keeps.
/// Errors: not_supported (no memory control groups), busy (other tools hold more than the limit),
/// those of the ports.
Status enter_tools_group(Kernel& kernel, const NodeConfig& node,
                         const std::function<Status(const CgroupPath&)>& enter);

}  // namespace twinhull::migrate
