// What a scenario needs of a node's kernel.
#pragma once

#include <optional>
#include <string>

#include "runtime/kernel/kernel.h"
#include "scenarios/engine/scenario.h"

namespace twinhull::scenario {

/// The first of Scenario::needs that this kernel lacks, with its reason; std::nullopt when it has all.
/// Errors: those of Host::supports.
Result<std::optional<std::string>> missing_feature(Kernel& kernel, const Scenario& scenario);

}  // namespace twinhull::scenario
