// Making a container of a physical server (spec F9.4-F9.8).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/container/context.h"
#include "runtime/kernel/channels.h"
#include "runtime/kernel/result.h"
#include "runtime/physical/capture.h"

namespace twinhull::physical {

struct P2vRequest {
  CaptureWish wish;
  std::optional<PeerAddress> machine;  ///< std::nullopt = the directory lies on this node
  /// The tree that holds the system. "/" of a machine is the machine as it runs: it is copied while
  /// it works, the services stop, and what changed is copied once more. Any other tree rests.
  std::string directory = "/";
  std::vector<std::string> services;  ///< to be stopped on a machine that runs
  bool start = false;                 ///< the container, in the end
};

/// Takes the container's lock. The machine keeps all that it has; when the container could not be
/// made nothing of it stays, and the machine's services run again. Errors (spec F3.13, where they
/// fit): exit 1, 3 (locked), 4 (no connection), 5 (no system in the tree), 6 (copying failed), 7
/// (the container is there, but does not start), 8 (a service does not stop), 9, 12, 21, 22, 25,
/// 26, 31, 32, 34 (it is this very node), 45, 57.
Status physical_to_container(container::Context& context, const P2vRequest& request);

}  // namespace twinhull::physical
