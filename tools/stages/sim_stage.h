// A stage in a simulated world.
#pragma once

#include <memory>

#include "scenarios/engine/stage.h"

namespace twinhull::tools {

/// An empty stage on the simulator. Commands run as fibers in this process; every ability but real
/// time is there.
std::unique_ptr<scenario::Stage> make_sim_stage();

}  // namespace twinhull::tools
