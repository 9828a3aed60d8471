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

/// A field of /proc/meminfo ("MemAvailable"); std::nullopt when it has none, or of another form.
std::optional<Bytes> parse_meminfo(std::string_view meminfo, std::string_view field);

/// What the first line of /proc/stat says that the CPUs worked, or that a hypervisor took from
/// them; idle time and waiting for disks do not count. std::nullopt for another form.
std::optional<Duration> parse_cpu_time(std::string_view stat, std::uint64_t ticks_per_second);

/// The threads that there are, from /proc/loadavg ("… 2/300 4711": 300).
std::optional<std::uint64_t> parse_threads(std::string_view loadavg);

/// "0.51 1.02 12.00 2/300 4711"; std::nullopt for another form.
std::optional<LoadAverage> parse_load(std::string_view loadavg);

}  // namespace twinhull::linux_backend
