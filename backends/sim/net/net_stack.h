// Network devices of one node and its place in the fabric.
#pragma once

#include "backends/sim/node.h"

namespace twinhull::sim {

/// What the other parts need of the network; its owner widens it.
class NetStack : public NodePart {
 public:
  /// A cable at this node went up or down (Cable::up is set already), or the node at its other end
  /// lost or got power: connections over it break or may begin.
  virtual void cables_changed() = 0;
};

/// Made with the node.
std::unique_ptr<NetStack> make_net_stack(Node& node);

}  // namespace twinhull::sim
