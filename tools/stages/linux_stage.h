// A stage of real nodes, side by side on this machine.
#pragma once

#include <memory>
#include <string>

#include "scenarios/engine/stage.h"

namespace twinhull::tools {

/// An empty stage on the real kernel. Needs root. Commands are the programs in `bin_directory`, run
/// as processes; each node has a disk image, control groups and a network namespace of its own, all
/// of which are gone with the stage. Time is real; power, cables and single kernel calls cannot be
/// made to fail here.
std::unique_ptr<scenario::Stage> make_linux_stage(const std::string& bin_directory);

}  // namespace twinhull::tools
