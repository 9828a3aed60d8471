// The processes of one node.
#pragma once

#include <string>
#include <string_view>

#include "backends/sim/node.h"

namespace twinhull::sim {

/// What the other parts need of the process table; its owner widens it.
class ProcessTable : public NodePart {
 public:
  /// An operator's command becomes a process of the node. Returns its pid; the world sets
  /// Fiber::pid to it, so that Processes::self knows the caller.
  virtual ProcessRef begin_command(const std::string& command_line) = 0;
  /// It ended or was killed.
  virtual void end_command(ProcessRef command) = 0;
  /// Whether a process has its root or working directory inside mount `mount`
  /// (backends/sim/files/view.h, FileRoot::mount): unmount is busy then.
  [[nodiscard]] virtual bool uses_mount(std::uint32_t mount) const = 0;
  /// A cable of the node went up or down, or a node's power: network programs may react.
};

/// Made with the node.
std::unique_ptr<ProcessTable> make_process_table(Node& node);

}  // namespace twinhull::sim
