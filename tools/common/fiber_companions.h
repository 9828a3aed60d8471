// Companions in a simulated world.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backends/sim/world.h"
#include "runtime/node/companions.h"
#include "runtime/node/session.h"

namespace twinhull::tools {

/// Each companion is a command of one node. The world must outlive it, and what `body` needs must
/// outlive the commands.
class FiberCompanions final : public Companions {
 public:
  /// Runs one as a command on this kernel, and returns its exit code.
  using Body =
      std::function<int(Kernel& kernel, Console& console, const std::vector<std::string>& argv)>;
  FiberCompanions(sim::World& world, std::string node, Body body)
      : world_(world), node_(std::move(node)), body_(std::move(body)) {}

  Result<std::size_t> start(const std::vector<std::string>& argv) override;
  News look(std::size_t companion) override;
  void interrupt(std::size_t companion) override;

 private:
  struct One {
    std::vector<std::string> argv;
    Body body;
    CapturedConsole console;
  };
  struct Started {
    sim::CommandId id = 0;
    std::shared_ptr<One> one;  ///< shared with its fiber, which may outlive us
    std::size_t out = 0;       ///< characters told so far
    std::size_t error = 0;
  };
  sim::World& world_;
  std::string node_;
  Body body_;
  std::vector<Started> started_;
};

}  // namespace twinhull::tools
