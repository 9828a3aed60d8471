// What state a container is in, computed from the node each time (spec R15).
#pragma once

#include <optional>
#include <string>

#include "runtime/container/context.h"
#include "runtime/kernel/processes.h"

namespace twinhull::container {

/// What is there. Never cached: a container can die at any moment without us.
struct State {
  bool configured = false;   ///< CTID.conf exists
  bool has_private = false;  ///< the private area exists
  bool mounted = false;      ///< something is mounted at VE_ROOT
  std::optional<ProcessRef> init;
  bool paused = false;     ///< running, but frozen
  bool suspended = false;  ///< down, and its state is in DUMPDIR

  [[nodiscard]] bool running() const { return init.has_value(); }
  /// STATUS of vzlist: "running", "paused", "suspended", "mounted" or "stopped".
  [[nodiscard]] std::string word() const;
};

/// Looks at everything. A container without configuration is looked for at the node's default
/// places. Errors: those of the ports.
Result<State> observe(Kernel& kernel, const Layout& layout, const NodeConfig& node, CtId id);

/// Same, for paths that the caller knows.
Result<State> observe(Kernel& kernel, const Layout& layout, const NodeConfig& node,
                      const CtSettings& settings);

/// "VEID 101 exist mounted running" (spec F3.9); a suspended one has a sixth word.
std::string status_line(CtId id, const State& state);

/// The live init, or not_running (exit 31).
Result<ProcessRef> require_running(Kernel& kernel, CtId id);

/// Same for what must run inside: a paused container takes no command (exit 31).
Result<ProcessRef> require_awake(Kernel& kernel, CtId id);

/// Whether the container's group is frozen; false when there is none.
Result<bool> is_paused(Kernel& kernel, CtId id);

/// A frozen process of a v1 freezer takes no signal: sends SIGKILL to all of the container and lets
/// them go, so that none runs another instruction. Nothing to do for one that is not frozen.
Status kill_if_paused(Kernel& kernel, CtId id);

}  // namespace twinhull::container
