// Two simulated nodes with a cable and the migration service: what the tests of vzmigrate play on.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/sim/world.h"
#include "runtime/kernel/kernel.h"
#include "runtime/node/session.h"

namespace twinhull::tools {

/// How a command ended and what it said.
struct CommandEnd {
  int code = -1;
  std::string out;
  std::string err;
  [[nodiscard]] std::string text() const;
};

/// Nodes "n1" and "n2", each with vz.conf, samples and templates. Failures of the set-up throw.
class TwoNodes {
 public:
  /// Puts a decorator between a command or the service and the kernel.
  using Wrap = std::function<std::unique_ptr<Kernel>(Kernel&)>;

  TwoNodes();
  /// Two nodes as others were: both pairs go on by themselves. Nothing runs at that moment.
  [[nodiscard]] std::unique_ptr<TwoNodes> copy() const;

  sim::World& world() { return *world_; }
  Kernel& kernel(const std::string& node) { return world_->kernel(node); }
  /// What the service of any node runs with from now on.
  void wrap_service(Wrap wrap);

  /// Runs a vz command line ("vzctl start 101") on a node to its end.
  CommandEnd run(const std::string& node, std::string_view line, const Wrap& wrap = {});
  /// Starts it; finish() waits. `id` of finish is the world's.
  sim::CommandId start(const std::string& node, std::string_view line,
                       std::shared_ptr<CapturedConsole> console, Wrap wrap = {});
  int finish(sim::CommandId command);
  void power_on(const std::string& node);

  [[nodiscard]] std::string status(const std::string& node, std::string_view id);
  bool exists(const std::string& node, const std::string& path);
  std::optional<std::string> file(const std::string& node, const std::string& path);
  void write(const std::string& node, const std::string& path, std::string_view content,
             std::uint32_t mode = 0644);
  /// Journals, locks, staged files, receipts and orphaned areas on a node; empty when clean.
  std::string leftovers(const std::string& node);

 private:
  explicit TwoNodes(std::unique_ptr<sim::World> world);
  void set_service();
  std::unique_ptr<sim::World> world_;
  Wrap service_wrap_;
};

}  // namespace twinhull::tools
