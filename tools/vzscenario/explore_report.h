// What vzscenario explore prints.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "scenarios/engine/explore.h"

namespace twinhull::tools {

/// One step of one scenario, explored.
struct ExploredStep {
  const scenario::Scenario* scenario = nullptr;
  scenario::ExploreOptions options;  ///< `step` is set
  std::optional<Error> error;        ///< why it could not be explored
  scenario::Exploration result;
};

/// The step, what was wrong, and the command that repeats it.
std::string failure_line(const scenario::Scenario& scenario, const scenario::CrashFailure& failure);
/// What was left out when only each `every`th point was tried; empty when nothing.
std::string sampling_note(std::uint64_t every);

/// Failures, then a line for each step, then sums.
std::string explored_text(const std::vector<ExploredStep>& steps, std::uint64_t every);
std::string explored_json(const std::vector<ExploredStep>& steps, std::uint64_t every);
/// Accidents that were not survived, and steps that could not be explored.
std::size_t failed_of(const std::vector<ExploredStep>& steps);

}  // namespace twinhull::tools
