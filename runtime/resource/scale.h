// Multiplying the resources of a configuration (spec F4.35).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "runtime/config/config_file.h"
#include "runtime/kernel/result.h"

namespace twinhull::resource {

/// A factor above 0, in millionths: "1.5" = 1500000.
struct Factor {
  std::uint64_t millionths = 1000000;
  auto operator<=>(const Factor&) const = default;
};

/// A decimal number above 0 and at most 1000000, with up to six decimals.
/// Errors: invalid_argument, saying what is accepted.
Result<Factor> parse_factor(std::string_view text);

/// What is multiplied by what; std::nullopt = left alone.
struct ScaleFactors {
  std::optional<Factor> cpu = {};           ///< CPUUNITS, CPULIMIT, CPULIMIT_MHZ
  std::optional<Factor> disk = {};          ///< DISKSPACE, DISKINODES
  std::optional<Factor> beancounters = {};  ///< all of spec R10, PHYSPAGES and SWAPPAGES included
  std::optional<Factor> network = {};       ///< the rates of RATE
};

/// Multiplies in place, to the nearest whole. Unlimited and 0 stay what they are, results end at
/// LONG_MAX, CPUUNITS stays within 8…500000, and what was above 0 stays at least 1. A factor of 1
/// leaves a value's text alone. Errors: corrupt (a value that is no amount), naming the key.
Status scale(ConfigFile& file, const ScaleFactors& factors);

/// Removes what belongs to one container alone: places, addresses, names, templates and type.
void drop_container_keys(ConfigFile& file);

}  // namespace twinhull::resource
