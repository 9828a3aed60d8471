// The contract: cases that every backend must pass.
#pragma once

#include <string>
#include <vector>

#include "runtime/kernel/contract/stage.h"

namespace twinhull::contract {

/// One statement about the seam. Its body is an ordinary Boost.Test case.
struct Case {
  std::string name;
  void (*body)(ContractStage&) = nullptr;
};

/// The cases about one port.
struct Area {
  std::string name;  ///< "files"
  std::vector<Case> cases;
};

Area clock_area();
Area host_area();
Area files_area();
Area trees_area();
Area mounts_area();
Area processes_area();
Area programs_area();
Area cgroups_area();
Area limits_area();
Area memory_area();
Area oom_area();
Area io_area();
Area quotas_area();
Area links_area();
Area traffic_area();
Area channels_area();
Area updates_area();
Area checkpoints_area();
Area lazy_pages_area();
Area sent_dumps_area();
/// What a power cut takes and leaves: only for stages that can cut the power.
Area power_area();

/// Adds all areas to Boost.Test's master suite as "NAME/AREA/CASE"; each case gets a stage of its
/// own, torn down after it even when it fails. Returns how many cases there are.
std::size_t register_contract(const StageKind& kind);

}  // namespace twinhull::contract
