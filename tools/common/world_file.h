// A simulated world in a file: locked while in use, checked on load, replaced atomically.
#pragma once

#include <memory>
#include <string>

#include "backends/sim/world.h"
#include "runtime/kernel/result.h"

namespace twinhull::tools {

/// An open world file. The lock ends with the object; nothing is saved unless save() is called.
class WorldFile {
 public:
  /// Locks and loads `path`; when there is none, makes the default world: one node "n1" with the
  /// templates busybox and debian-12-x86_64. Errors: in_progress (another program holds it for more
  /// than 30 s), corrupt, not_permitted.
  static Result<WorldFile> open(const std::string& path);
  /// Replaces the file atomically. Errors: no_space, not_permitted, input_output.
  Status save();

  sim::World& world() { return *world_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// True when open() made the world.
  [[nodiscard]] bool created() const { return created_; }
  /// Starts afresh with an empty world.
  void replace(std::unique_ptr<sim::World> world) { world_ = std::move(world); }

  WorldFile(WorldFile&&) noexcept;
  WorldFile& operator=(WorldFile&&) = delete;
  ~WorldFile();

 private:
  WorldFile(std::string path, int lock_descriptor) : path_(std::move(path)), lock_(lock_descriptor) {}
  std::string path_;
  int lock_ = -1;
  bool created_ = false;
  std::unique_ptr<sim::World> world_;
};

/// Adds a node with its directories, configuration and the two stock templates.
Status add_ready_node(sim::World& world, const sim::NodeSpec& spec);

/// The service bodies that a world needs to answer vz commands ("migrate").
void register_services(sim::World& world);

}  // namespace twinhull::tools
