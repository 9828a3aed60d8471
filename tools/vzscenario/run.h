// vzscenario run and explore: many scenarios at the same time, and their reports.
#pragma once

#include <vector>

#include "scenarios/engine/scenario.h"
#include "tools/vzscenario/options.h"

namespace twinhull::tools {

/// Both return the program's exit code.
int run_scenarios(const ScenarioOptions& options, const std::vector<scenario::Scenario>& scenarios);
int explore_scenarios(const ScenarioOptions& options,
                      const std::vector<scenario::Scenario>& scenarios);

}  // namespace twinhull::tools
