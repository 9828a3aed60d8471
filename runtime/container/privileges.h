// What the root of a container may do: capabilities and devices (spec F9.1-F9.3).
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "runtime/config/ct_settings.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/result.h"

namespace twinhull::container {

/// The default set adjusted by CAPABILITY. Names that only the old kernel knew (ve_admin, setveid)
/// change nothing. Errors: invalid_argument (exit 13) for an unknown name, listing near ones.
Result<CapabilitySet> capabilities_of(const std::vector<Switch>& switches);

/// The bit of a capability by the kernel's name without "CAP_", in lower case.
std::optional<unsigned> capability_bit(std::string_view name);

/// The devices that every container has: null, zero, full, random, urandom, tty, console, ptmx and
/// pseudo-terminals. Nodes of any kind may be made, for they are of no use.
std::vector<DeviceRule> default_devices();

}  // namespace twinhull::container
