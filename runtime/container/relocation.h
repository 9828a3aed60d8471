// Recovery of a container that was being given another number or place on its node (vzmlocal).
#pragma once

#include <string>

#include "runtime/container/context.h"

namespace twinhull::container {

/// Journals of a move. The one of the source holds the steps, and the fact "to": the number that
/// the container gets. When that is another one its journal only names the source in the fact
/// "from": it is written before and removed after the source's, so that a command on either number
/// first completes the move.
inline constexpr const char* kRelocate = "relocate";
inline constexpr const char* kRelocateHere = "relocate-here";
/// Journal of a container that stands still while it is copied. Fact "paused": it did before.
inline constexpr const char* kHeldStill = "copy-from";

/// Removes the journal of `to` that says that `from` comes there; nothing when it says otherwise.
/// Call it under the lock of `from`.
Status forget_relocation_target(Context& context, CtId from, CtId to);

/// Handlers of the three, called as RecoveryHandler::recover.
Status recover_relocation(Context& context, CtId id, const Intent& intent);
Status recover_relocation_target(Context& context, CtId id, const Intent& intent);
Status let_go_of_copied(Context& context, CtId id, const Intent& intent);

}  // namespace twinhull::container
