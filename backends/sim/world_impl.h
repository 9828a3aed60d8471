// What stands behind World.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/sim/node.h"
#include "backends/sim/world.h"

namespace twinhull::sim {

/// A command that was started, for as long as the world lives.
struct Command {
  std::uint32_t node = 0;
  std::uint64_t fiber = 0;  ///< 0 once it ended or was killed
  ProcessRef process;
  std::optional<int> result;
};

class World::Impl {
 public:
  explicit Impl(std::uint64_t seed);
  ~Impl();

  Status add_node(const NodeSpec& spec);
  Status add_link(const LinkSpec& spec);
  Node& require_node(const std::string& name);
  /// A command ended by itself, was killed or lost its node.
  void end_command(CommandId id, int result);
  void boot_kernel(Node& node);
  Kernel& kernel_of(const Node& node) { return *kernels_[node.index].back(); }
  void cables_changed_at(std::uint32_t node);

  [[nodiscard]] std::string save() const;
  void load_payload(LoadArchive& archive);

  WorldState state;
  std::map<CommandId, Command> commands;
  CommandId next_command = 1;

 private:
  // By node, one a boot: a command of an older boot may still hold a reference.
  std::vector<std::vector<std::unique_ptr<Kernel>>> kernels_;
};

}  // namespace twinhull::sim
