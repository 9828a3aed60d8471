// Texts of /proc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/kernel/host.h"

namespace twinhull::linux_backend {

/// First "cpu MHz" of /proc/cpuinfo, rounded; 0 when it has none (other architectures).
std::uint64_t parse_cpu_mhz(std::string_view cpuinfo);

/// The first "flags" (x86) or "Features" (ARM) of /proc/cpuinfo, ascending; empty when it has none.
std::vector<std::string> parse_cpu_features(std::string_view cpuinfo);

/// "0.51 1.02 12.00 2/300 4711"; std::nullopt for another form.
std::optional<LoadAverage> parse_load(std::string_view loadavg);

}  // namespace twinhull::linux_backend
