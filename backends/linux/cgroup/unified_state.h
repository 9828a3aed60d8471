// Freezing and killing through a v2 tree, shared by the hybrid and the v2 driver.
#pragma once

#include <string>

#include "backends/linux/cgroup/tree.h"
#include "runtime/kernel/cgroups.h"

namespace twinhull::linux_backend {

/// Values of cgroup.freeze and cgroup.events of one group directory of a v2 tree.
/// `number` is the errno that failed, 0 = good.
struct UnifiedFreeze {
  int number = 0;
  FreezeState state = FreezeState::thawed;
};
UnifiedFreeze unified_freeze_state(CgroupTree& tree, const std::string& directory);

/// Asks for a freeze and waits up to `patience` until it is complete; takes it back when it is not.
UnifiedFreeze unified_freeze(CgroupTree& tree, const std::string& directory, Duration patience,
                             Duration step);

}  // namespace twinhull::linux_backend
