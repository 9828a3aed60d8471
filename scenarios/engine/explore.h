// Accidents at every kernel call of a step, and what must be true afterwards.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "scenarios/engine/accident.h"
#include "scenarios/engine/player.h"
#include "scenarios/engine/scenario.h"
#include "scenarios/engine/stage.h"

namespace twinhull::scenario {

struct ExploreOptions {
  std::optional<std::size_t> step = {};  ///< index into Scenario::steps; std::nullopt = every `run:`
  std::set<Accident> accidents = {};     ///< empty = all that can happen to the step
  std::string node = {};                 ///< only at calls of this node; empty = of each in turn
  std::optional<std::uint64_t> call = {};  ///< only at this call, counted from 1
  std::uint64_t every = 1;            ///< of the points of a step only each so manieth, from the first
  std::uint64_t seed = 1;
};

/// One accident that was not survived.
struct CrashFailure {
  std::size_t step = 0;
  Accident accident = Accident::power;
  std::string node;
  std::uint64_t call = 0;
  std::string title;  ///< of the step
  std::string problem;
  /// The command that repeats it.
  [[nodiscard]] std::string reproduce(const std::string& file) const;
};

struct StepExploration {
  std::size_t step = 0;
  std::string title;
  std::map<Accident, std::uint64_t> points;  ///< explored, by what happened there
  [[nodiscard]] std::uint64_t total() const;
  std::vector<CrashFailure> failures;
};

struct Exploration {
  std::vector<StepExploration> steps;
  [[nodiscard]] std::uint64_t points() const;
  [[nodiscard]] std::vector<CrashFailure> failures() const;
};

/// For each chosen step, each accident and each node: plays the scenario up to the step, lets the
/// accident happen at call 1, 2, … of the step (a power cut also after the last), makes the machines
/// whole again, lets an operator's next commands recover, checks the invariants, repeats the step,
/// and demands the state that the step reaches undisturbed. `progress` is told the points done.
/// Errors: failed (the scenario does not pass by itself), not_supported (no power to cut here).
Result<Exploration> explore(const Scenario& scenario, const ExploreOptions& options,
                            const StageFactory& factory,
                            const std::function<void(std::uint64_t points)>& progress = {});

}  // namespace twinhull::scenario
