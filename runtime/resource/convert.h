// Bringing configurations of old releases to the present format (spec F4.38, vzcfgconvert).
#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/config/config_file.h"
#include "runtime/kernel/result.h"

namespace twinhull::resource {

/// Which release wrote a configuration. 3.0.0 and later mark it with VERSION; 2.0.2 is known by key
/// names that no later release has.
enum class ConfigRelease : std::uint8_t { v2_0_2, v2_6_2, current };
std::string_view to_string(ConfigRelease release);

ConfigRelease release_of(const ConfigFile& file);

/// Renames keys, multiplies what newer kernels account more for, and marks the file with VERSION=2,
/// so that a second call changes nothing. A configuration without beancounters is only marked.
/// Returns what it was. Errors: corrupt (exit 1), naming the key whose value is no amount.
Result<ConfigRelease> convert(ConfigFile& file);

}  // namespace twinhull::resource
