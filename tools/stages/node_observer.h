// Counts the kernel calls of a node's commands and services, and lets one of them go wrong.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "runtime/kernel/intercept.h"
#include "scenarios/engine/stage.h"

namespace twinhull::tools {

/// What all commands and services of one node share.
struct NodeCalls {
  std::uint64_t count = 0;                   ///< calls so far
  std::optional<scenario::CallFault> fault;  ///< armed; used up when it acts
  std::uint64_t matching = 0;                ///< calls since arming that the fault is about
  std::function<void()> cut_power;           ///< takes the node's power at once
  std::function<void()> cut_all_power;       ///< takes the power of all nodes
  std::function<void()> kill_caller;         ///< kills the command or service that makes the call
  std::function<void()> cut_links;           ///< cuts all cables of the node
  std::function<void()> fill_disk;           ///< leaves nothing of the node's disk
};

/// The observer of one command or service. One for each, so that a killed command stays killed.
class NodeObserver final : public CallObserver {
 public:
  explicit NodeObserver(NodeCalls& calls) : calls_(calls) {}

  std::optional<Error> before(const Call& call) override;
  std::optional<Error> after(const Call& call, const CallOutcome& outcome) override;
  /// A fault ended this command: it has no effect any more.
  [[nodiscard]] bool killed() const { return killed_; }

 private:
  NodeCalls& calls_;
  bool killed_ = false;
};

}  // namespace twinhull::tools
