// Bringing a container back to a state that its commands know.
#pragma once

#include "runtime/container/context.h"

namespace twinhull::container {

/// Called under the container's lock before anything else is done to it. Rolls a half-made
/// operation back or forward by its journal, then removes what a container that died by itself
/// (halted inside, power cut) left: control group, network device, mount. A container that is
/// running, or mounted on purpose, is left alone. What was done is told to the operator.
/// Errors: exit 92 with the cause; the journal then stays for the next try.
Status recover_container(Context& context, CtId id);

/// Ends whatever of the container is in the kernel, in the order of a forced stop: init, network,
/// control group and, when `unmount` says so, mounts with their action scripts. Nothing there is
/// no error. Effect::none when there was nothing.
Result<Effect> tear_down(Context& context, CtId id, bool unmount);

/// Whether the journal notes this fact as "yes".
bool says_yes(const Intent& intent, const char* fact);

}  // namespace twinhull::container
