// The control groups of one node: CPU and memory models.
#pragma once

#include "backends/sim/node.h"
#include "runtime/kernel/host.h"

namespace twinhull::sim {

/// What the other parts need of the control groups; its owner widens it.
class CgroupTree : public NodePart {
 public:
  /// Host::load.
  [[nodiscard]] virtual LoadAverage load_average() const = 0;
};

/// Made with the node.
std::unique_ptr<CgroupTree> make_cgroup_tree(Node& node);

}  // namespace twinhull::sim
