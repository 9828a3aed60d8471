// The control group of a container that is about to run.
#pragma once

#include "runtime/container/context.h"
#include "runtime/node/undo.h"

namespace twinhull::container {

/// Makes the group with the container's limits; `undo` removes it again. Tells the operator what
/// was applied. Errors: exit 7 and those of limits.
Status make_group(Context& context, const CtSettings& settings, UndoList& undo);

/// Puts the allow-list of devices on the group. False where this kernel has no device rules.
/// Errors: exit 86.
Result<bool> restrict_devices(Context& context, CtId id);

}  // namespace twinhull::container
