// The resource parameters with a barrier and a limit (spec R10) and the units of their keys.
#pragma once

#include <span>
#include <string_view>

#include "runtime/config/quantity.h"

namespace twinhull {

struct Beancounter {
  std::string_view name;  ///< "numproc": the option
  std::string_view key;   ///< "NUMPROC"
  QuantityUnit unit = QuantityUnit::count;
  std::string_view legacy_keys[2] = {};  ///< accepted on read; empty = none
};

/// All of them in the order of spec R6; PHYSPAGES and SWAPPAGES included.
std::span<const Beancounter> beancounters();
/// By lower-case name; nullptr when unknown.
const Beancounter* find_beancounter(std::string_view name);

}  // namespace twinhull
