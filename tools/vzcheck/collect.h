// What the vzcheck programs look at: the node, and its containers as they are now.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/config/ct_settings.h"
#include "runtime/config/node_config.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/result.h"
#include "runtime/node/session.h"

namespace twinhull::tools::check {

struct Container {
  CtSettings settings;  ///< of a running one with changes that were not saved
  bool running = false;
  std::optional<CgroupSample> sample;  ///< of a running one
};

struct NodeView {
  NodeConfig config;
  HostInfo host;
  std::vector<Container> containers;  ///< ascending by number
  /// Containers whose configuration or figures cannot be read: they are not counted.
  std::vector<std::string> warnings;
};

/// Errors: exit 10 (no vz.conf) and those of the ports for the node as a whole.
Result<NodeView> look(Session& session);

/// The warnings on the error stream, under the program's name.
void tell(Session& session, const char* program, const NodeView& view);

}  // namespace twinhull::tools::check
