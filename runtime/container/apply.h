// Bringing settings to a running container.
#pragma once

#include <set>
#include <vector>

#include "runtime/container/context.h"
#include "runtime/kernel/cgroup_path.h"
#include "runtime/kernel/processes.h"
#include "runtime/node/undo.h"
#include "runtime/resource/resources.h"

namespace twinhull::container {

/// Tells the operator what an application did: lines as messages, warnings as warnings.
void report(Context& context, const resource::ApplyReport& applied);

/// Brings the group's `parts` to the earlier settings when the operation fails. Registered first: of
/// several limits the first may be applied when the second is refused. `before` must outlive `undo`.
void undo_limits(Kernel& kernel, const CgroupPath& group, const CtSettings& before,
                 const std::set<resource::ResourcePart>& parts, UndoList& undo);

/// Brings them to these settings, and tells what came of it. Errors: those of apply_resources, strict.
Status change_limits(Context& context, const CgroupPath& group, const CtSettings& after,
                     const std::set<resource::ResourcePart>& parts);

/// "10.0.0.1 10.0.0.2"
std::string address_text(const std::vector<IpPrefix>& addresses);

/// Gives the running container these addresses, announces them and says "Adding IP address(es):".
Status add_network(Context& context, CtId id, ProcessRef init,
                   const std::vector<IpPrefix>& addresses);

/// Brings limits and addresses of a running container to its effective settings: after a `set`
/// that was cut off in the middle. Not running is no error.
Status reapply(Context& context, CtId id);

}  // namespace twinhull::container
