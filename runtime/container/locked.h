// The frame of every operation that changes a container: lock, recovery, body, unlock.
#pragma once

#include <functional>
#include <string_view>

#include "runtime/container/context.h"

namespace twinhull::container {

/// Takes the container's lock with this STATUS word ("starting", …), recovers what an earlier
/// command left half done, runs `body` and gives the lock back whatever the outcome. After a power
/// cut in the middle the lock stays for recovery. Errors: in_progress (exit 9), those of recovery
/// and of `body`.
Status with_lock(Context& context, CtId id, std::string_view status,
                 const std::function<Status()>& body);

}  // namespace twinhull::container
