// Switches of the network in /proc/sys, which shows those of the calling thread's namespace.
#pragma once

#include <string>
#include <string_view>

#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Whether /proc/sys/NAME is there.
bool has_sysctl(const std::string& name);
/// Writes a value unless it is set already: a write can cost much (ip_forward flushes the routes'
/// caches). Errors: not_supported (no such switch), not_permitted.
Status set_sysctl(std::string_view operation, const std::string& name, std::string_view value);

}  // namespace twinhull::linux_backend
