// Putting a container's burst limit into force, and taking it back (spec F4.6).
#pragma once

#include <optional>

#include "runtime/container/context.h"

namespace twinhull::container {

/// [lock] Imposes BURST_CPULIMIT on the running container, with the reason; std::nullopt gives it
/// its own limit back. Both are the normal way of a limit to the kernel, by the settings that are
/// in force now, and are repeated without harm. That it is imposed is a live setting
/// (LOCKDIR/CTID.live): it goes when the container stops, every change of another limit respects
/// it, and it never gets into CTID.conf. A container that no longer runs is left alone. Errors:
/// those of resource::apply_resources; the container then is as it was.
Status set_burst(Context& context, CtId id, const std::optional<BurstImposed>& imposed);

}  // namespace twinhull::container
