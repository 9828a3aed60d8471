// What can happen to a command at one of its kernel calls.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "scenarios/engine/stage.h"

namespace twinhull::scenario {

enum class Accident : std::uint8_t {
  power,  ///< the node that makes the call loses its power, and is booted again
  both,   ///< all nodes do, at the same moment
  link,   ///< the node's cables are cut, and mended when the command has ended
  blink,  ///< the node's cables are cut for two seconds, less than it takes to lose a connection
  tool,   ///< the command or service that makes the call is killed (SIGKILL)
  disk,   ///< the node's disk is full from that call on, and freed when the command has ended
};
inline constexpr std::array kAccidents = {Accident::power, Accident::both, Accident::link,
                                          Accident::blink, Accident::tool, Accident::disk};

/// "power", …: as the command line names it.
std::string_view to_string(Accident accident);
std::optional<Accident> parse_accident(std::string_view name);

/// Whether it takes several nodes: with one there is no cable, and "both" would be "power".
bool needs_several_nodes(Accident accident);
/// Whether nodes are off after it, and boot.
bool cuts_power(Accident accident);
/// What is armed for it. The call counts from 1.
CallFault fault_of(Accident accident, std::uint64_t call);

}  // namespace twinhull::scenario
