// Which containers were up, for the node's next start (spec R11: those "that were running before the
// reboot").
#pragma once

#include "runtime/container/context.h"

namespace twinhull::container {

/// Notes durably, as NodeConfig::up_mark, that the container is up: it is started again after a
/// power cut. Only where that decides: ONBOOT=yes or no needs no note, and costs no sync. A mark that
/// cannot be written (full disk) is warned of and no error: the container runs, and "start" on it
/// writes the mark later. Errors: node_down, interrupted.
Status note_up(Context& context, const CtSettings& settings);

/// The container was brought down on purpose, or ended by itself: it stays down. Durable when there
/// was a mark. Errors: those of Files.
Status forget_up(Context& context, CtId id);

/// Whether there is a mark. Errors: those of Files::stat.
Result<bool> was_up(Kernel& kernel, const NodeConfig& node, CtId id);

}  // namespace twinhull::container
