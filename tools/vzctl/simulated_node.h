// A simulated node with commands: what the tests of vzctl play on.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/sim/world.h"
#include "runtime/config/layout.h"
#include "runtime/kernel/kernel.h"
#include "runtime/node/session.h"

namespace twinhull::tools {

/// How a command ended and what it said.
struct Outcome {
  int code = -1;
  std::string out;
  std::string err;
  /// For messages of failed checks.
  [[nodiscard]] std::string text() const;
};

/// One node "n1" with vz.conf, samples, distribution scripts and the templates busybox and
/// debian-12-x86_64. Failures of the set-up itself throw: a test cannot go on.
class SimulatedNode {
 public:
  explicit SimulatedNode(std::uint64_t seed = 1);
  /// A node as another one was: both go on by themselves.
  [[nodiscard]] std::unique_ptr<SimulatedNode> copy() const;

  sim::World& world() { return *world_; }
  Kernel& kernel() { return world_->kernel("n1"); }
  Layout layout;

  /// Runs `vzctl WORDS…`; words are separated by blanks, '…' keeps blanks.
  Outcome vzctl(std::string_view words, std::string input = {});
  Outcome vzctl(const std::vector<std::string>& words, std::string input = {});
  /// Starts it without waiting; `wrap` may put a decorator between the command and the kernel.
  using Wrap = std::function<std::unique_ptr<Kernel>(Kernel&)>;
  sim::CommandId start(const std::vector<std::string>& words, std::shared_ptr<CapturedConsole> to,
                       std::string input = {}, Wrap wrap = {});
  /// Waits for a started command.
  Outcome finish(sim::CommandId command, const CapturedConsole& console);

  /// Cuts the power and boots again.
  void power_cycle();

  /// Content of a file of the node, std::nullopt when there is none.
  std::optional<std::string> file(const std::string& path);
  void write(const std::string& path, std::string_view content, std::uint32_t mode = 0644);
  bool exists(const std::string& path);
  /// Output of a command inside the container, without the last line end.
  std::string inside(std::string_view id, const std::string& command);

  /// What is left in the kernel and on the disk that belongs to no running or mounted container:
  /// groups, devices, mounts, journals, locks, half-built areas. Empty when all is clean.
  std::string leaks(bool container_runs = false);

 private:
  explicit SimulatedNode(std::unique_ptr<sim::World> world);
  std::unique_ptr<sim::World> world_;
};

}  // namespace twinhull::tools
