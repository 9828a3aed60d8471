// The node's own start and shutdown: the `vz` service (spec R11).
//
// Each container is brought up or down by an operation with a journal of its own, and what was up is
// known by marks that are durable before it goes down (container/up_mark.h). So the service itself
// needs no journal: cut off anywhere, the next start completes what was half done and brings up the
// same containers.
#pragma once

#include "runtime/container/context.h"
#include "runtime/service/prospect.h"

namespace twinhull::service {

/// Takes the service's lock, completes what commands left half done, gives the node itself its
/// share (0.conf) and brings up what look_ahead says, in batches of VE_PARALLEL; the containers of a
/// batch are brought up side by side where the session can, else one after the other.
/// False when a container is not as it should be. Errors: not_permitted (VIRTUOZZO is not yes, exit
/// 6), in_progress (another vz is at work, exit 9), those of the ports.
Result<bool> start_node(container::Context& context);

/// Takes the service's lock and takes down what runs or is mounted, last started first, in the same
/// batches. False when a container is still up or mounted. Errors: in_progress, those of the ports.
Result<bool> stop_node(container::Context& context);

/// Whether start_node has run since the boot, and stop_node not after it.
Result<bool> node_is_started(Kernel& kernel, const Layout& layout);

/// LSB: "program is not configured".
inline constexpr int kNotConfigured = 6;

}  // namespace twinhull::service
