// A simulated pair of nodes with two containers, made once and branched for each input.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/kernel/result.h"
#include "scenarios/engine/player.h"
#include "scenarios/engine/scenario.h"

namespace twinhull::fuzz {

/// Nodes n1 and n2 joined by a cable, templates busybox, CT 101 running and CT 102 stopped on n1.
const scenario::Scenario& base_scenario();

/// A stage as base_scenario() left it, to go its own way.
std::unique_ptr<scenario::Stage> base_stage();

/// A branch with commands run one by one.
class Sandbox {
 public:
  Sandbox();
  /// Runs a command for at most an hour of virtual time. Errors: timed_out, those of the stage.
  Result<scenario::CommandEnd> run(const std::string& node, const std::vector<std::string>& words);
  /// Ends the fuzzer when the world's books are wrong or something leaked.
  void require_sound();

 private:
  std::unique_ptr<scenario::Stage> stage_;
  bool timed_out_ = false;
};

}  // namespace twinhull::fuzz
