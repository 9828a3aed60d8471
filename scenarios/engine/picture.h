// What an operator would compare of two worlds.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "scenarios/engine/player.h"

namespace twinhull::scenario {

using NodeTraces = std::map<std::string, NodeTrace>;

/// Looks at every node. Precondition: all have power.
Result<NodeTraces> traces_of(Player& player);

using Facts = std::map<std::string, std::string>;

/// All nodes and containers of a world.
struct Picture {
  Facts product;  ///< containers by node: state, settings, limits of the disk; names
  Facts limits;   ///< what the control groups of running containers hold them to
  Facts network;  ///< devices, addresses and routes of the nodes and in running containers
};

Result<Picture> picture_of(Player& player);

/// The first running container whose limits are those of none of the `known` pictures in which it has
/// the settings that it has now. Where no picture knows them nothing is said.
std::optional<std::string> limits_beside_settings(const Picture& now,
                                                  const std::vector<const Picture*>& known);

/// The first fact that is not the same.
std::optional<std::string> difference(const Facts& wanted, const Facts& got);

}  // namespace twinhull::scenario
