// What must be true after every step, whatever the scenario is about.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "scenarios/engine/stage.h"

namespace twinhull::scenario {

/// Data that a scenario has stored, synced and had acknowledged.
struct RememberedFile {
  CtId container;
  std::string path;
  std::string content;
};

/// How strictly a node is looked at.
enum class Strictness {
  idle,       ///< nothing runs: nothing may be left over
  busy,       ///< a command runs on the node: only what is true at every moment
  disturbed,  ///< after a power cut or a killed command, until the next command has cleaned up
};

/// What one node holds of one container.
struct ContainerTrace {
  bool config = false;
  bool private_area = false;
  bool mounted = false;
  bool running = false;
  bool frozen = false;
  bool cgroup = false;
  bool link = false;
  bool lock = false;  ///< also what a command left that was killed while it took the lock
  bool journal = false;
  /// The journal is of a migration that waits for its destination: to hear whether it took the
  /// container over, or to give it the rest of its memory.
  bool departs = false;
  bool dump = false;  ///< suspended state of its own place
  bool live = false;  ///< settings that hold until the container stops
  bool up_mark = false;  ///< the node's next start brings it up
};

/// Everything that a node holds, by container.
struct NodeTrace {
  std::map<CtId, ContainerTrace> containers;
  std::map<CtId, std::string> configs;  ///< text of each configuration
  std::map<std::string, CtId> names;    ///< names directory
  std::vector<std::string> strangers;   ///< objects of the product that belong to no container
};

/// Looks at one node. Precondition: it has power. Errors: those of the kernel.
Result<NodeTrace> look_at(Kernel& kernel, const Layout& layout);

/// The private area of a container: VE_PRIVATE of its configuration, else the default place.
Result<std::string> private_area_of(Kernel& kernel, const Layout& layout, CtId id);

/// Where a container's files are found: its mounted root, else the upper layer of its area.
Result<std::string> container_tree(Kernel& kernel, const Layout& layout, CtId id);

/// What to look at, and how.
struct InvariantScope {
  std::vector<std::string> nodes;
  bool all_nodes = true;  ///< `nodes` are all that there are: what is on none of them is lost
  Strictness strictness = Strictness::idle;
  /// Containers whose number is used on several nodes on purpose.
  std::set<CtId> twins;
  /// Nodes that have lost their power once: the removal of a lock is not synced, so an old lock can
  /// come back. Its owner is dead, and the next command takes it over.
  std::set<std::string> rebooted;
  /// Containers whose init ended by itself, by node: nothing watches them, so that the next command
  /// takes down what is left ("vzctl status": mounted down).
  std::set<std::pair<std::string, CtId>> halted;
};

/// All violations, one line each; empty = all is well. Nodes without power are left out, and
/// "exactly one node" then is not demanded.
std::vector<std::string> violations(Stage& stage, const InvariantScope& scope,
                                    const std::vector<RememberedFile>& remembered);

}  // namespace twinhull::scenario
