// Bringing settings to a running container.
#pragma once

#include <set>
#include <vector>

#include "runtime/container/context.h"
#include "runtime/kernel/processes.h"
#include "runtime/resource/resources.h"

namespace twinhull::container {

/// Tells the operator what an application did: lines as messages, warnings as warnings.
void report(Context& context, const resource::ApplyReport& applied);

/// "10.0.0.1 10.0.0.2"
std::string address_text(const std::vector<IpPrefix>& addresses);

/// Gives the running container these addresses, announces them and says "Adding IP address(es):".
Status add_network(Context& context, CtId id, ProcessRef init,
                   const std::vector<IpPrefix>& addresses);

/// Brings limits and addresses of a running container to its effective settings: after a `set`
/// that was cut off in the middle. Not running is no error.
Status reapply(Context& context, CtId id);

}  // namespace twinhull::container
