// Trees of operating-system templates: which files, and which program models are behind them.
#pragma once

#include <string>

#include "backends/sim/node.h"
#include "backends/sim/world.h"

namespace twinhull::sim {

/// Makes the tree at `path` (directories above it included), durable. Errors: exists, no_space,
/// invalid_argument.
Status install_template_tree(Node& node, const std::string& path, const TemplateSpec& spec);

/// What the node itself is booted from: the busybox programs at "/", durable.
Status install_node_system(Node& node);

}  // namespace twinhull::sim
