// Power cuts at every kernel call of a step, and what must be true afterwards.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "scenarios/engine/player.h"
#include "scenarios/engine/scenario.h"
#include "scenarios/engine/stage.h"

namespace twinhull::scenario {

struct ExploreOptions {
  std::optional<std::size_t> step;   ///< index into Scenario::steps; std::nullopt = every `run:`
  std::string node;                  ///< cut only this node's power; empty = each in turn
  std::optional<std::uint64_t> cut;  ///< only before this call, counted from 1
  std::uint64_t seed = 1;
};

/// One power cut that was not survived.
struct CrashFailure {
  std::size_t step = 0;
  std::string node;
  std::uint64_t cut = 0;
  std::string title;  ///< of the step
  std::string problem;
  /// The command that repeats it.
  [[nodiscard]] std::string reproduce(const std::string& file) const;
};

struct StepExploration {
  std::size_t step = 0;
  std::string title;
  std::uint64_t points = 0;
  std::vector<CrashFailure> failures;
};

struct Exploration {
  std::vector<StepExploration> steps;
  [[nodiscard]] std::uint64_t points() const;
  [[nodiscard]] std::vector<CrashFailure> failures() const;
};

/// For each chosen step and each node: plays the scenario up to the step, cuts the node's power
/// just before call 1, 2, … of the step (and after the last), boots it again, lets an operator's
/// next commands recover, checks the invariants, repeats the step, and demands the state that the
/// step reaches without a cut. `progress` is told the points done so far.
/// Errors: failed (the scenario does not pass without cuts), not_supported (no power to cut here).
Result<Exploration> explore(const Scenario& scenario, const ExploreOptions& options,
                            const StageFactory& factory,
                            const std::function<void(std::uint64_t points)>& progress = {});

}  // namespace twinhull::scenario
