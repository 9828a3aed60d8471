// A local network of test nodes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/linux/testing/node_fixture.h"

namespace twinhull::linux_backend::testing {

/// A switch: a bridge in a network namespace of its own. Every node gets the device "th-lan", the
/// address 10.255.0.N/24 in order, answers there for the containers that it routes to (proxy ARP, as
/// an operator of venet containers sets it on the uplink), and looks for the rest of 10.0.0.0/8 there.
/// The nodes must outlive the network. Errors: those of ip(8).
class Lan {
 public:
  static Result<std::unique_ptr<Lan>> make(const std::vector<const TestNode*>& nodes);

 private:
  std::unique_ptr<TestNode> switch_;
};

}  // namespace twinhull::linux_backend::testing
