// What every operation on a container needs at hand.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/config/ct_settings.h"
#include "runtime/config/node_config.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"
#include "runtime/node/journal.h"
#include "runtime/node/log.h"
#include "runtime/node/session.h"

namespace twinhull::container {

struct Context;

/// Completes or takes back a half-done operation that this folder does not know: migration asks
/// the other node. Called under the container's lock with its journal. When it succeeds the
/// journal is removed; its own replay of the steps is the handler's business.
struct RecoveryHandler {
  std::string operation;  ///< Intent::operation
  std::function<Status(Context&, CtId, const Intent&)> recover;
};

/// One command's surroundings with the node's configuration read. The caller owns everything.
struct Context {
  Session& session;
  const NodeConfig& node;
  Reporter& reporter;
  std::vector<RecoveryHandler> handlers = {};

  [[nodiscard]] Kernel& kernel() const { return session.kernel; }
  [[nodiscard]] const Layout& layout() const { return session.layout; }
};

/// The container's control group and the label of its init.
inline CgroupPath group_of(CtId id) {
  return CgroupPath{id.text()};
}
inline std::string label_of(CtId id) {
  return id.text();
}

}  // namespace twinhull::container
