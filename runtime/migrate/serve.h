// The destination's end of a migration (spec F3.13, F3.14).
#pragma once

#include <functional>

#include "runtime/config/layout.h"
#include "runtime/kernel/cgroup_path.h"
#include "runtime/kernel/channels.h"
#include "runtime/kernel/kernel.h"
#include "runtime/kernel/result.h"

namespace twinhull {

/// Name of the service in Channels::connect.
inline constexpr const char* kMigrationService = "migrate";

/// Answers one peer until it closes the channel: the checks, the transfer, the start and the
/// questions of a recovering source. What an unfinished migration left here is taken back before
/// the function returns, unless it was committed; after a power cut the next command on the
/// container does it. An error is told to the peer too. `enter_group` is that of Session: the
/// serving program runs in the group VZ_TOOLS_BCID.
Status serve_migration(Kernel& kernel, const Layout& layout, Channel& channel,
                       const std::function<Status(const CgroupPath&)>& enter_group = {});

}  // namespace twinhull
