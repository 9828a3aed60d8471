// Applying a change of settings to a running container, part by part, with the way back.
#pragma once

#include "runtime/container/context.h"
#include "runtime/kernel/processes.h"
#include "runtime/node/undo.h"

namespace twinhull::container {

/// Brings the running container from `before` to `after`: only what differs is touched. Each part
/// that was applied registers its way back, so that the caller can undo all of them.
Status apply_live(Context& context, const CtSettings& before, const CtSettings& after,
                  ProcessRef init, UndoList& undo);

/// Same for the disk limits alone: of a container that is mounted, running or not.
Status apply_live_disk(Context& context, const CtSettings& before, const CtSettings& after,
                       UndoList& undo);

}  // namespace twinhull::container
