#include "backends/linux/cgroup/unified_state.h"

#include "backends/linux/cgroup/group_base.h"

namespace twinhull::linux_backend {

UnifiedFreeze unified_freeze_state(CgroupTree& tree, const std::string& directory) {
  const auto wished = tree.read(directory + "/cgroup.freeze");
  if (!wished) return {.number = wished.error()};
  const auto events = tree.read(directory + "/cgroup.events");
  if (!events) return {.number = events.error()};
  // "frozen" also tells of a freeze of an ancestor.
  if (keyed_value(*events, "frozen") == 1U) return {.state = FreezeState::frozen};
  return {.state = wished->starts_with('1') ? FreezeState::freezing : FreezeState::thawed};
}

UnifiedFreeze unified_freeze(CgroupTree& tree, const std::string& directory, Duration patience,
                             Duration step) {
  if (const int number = tree.write(directory + "/cgroup.freeze", "1"); number != 0) {
    return {.number = number};
  }
  for (Duration waited{0};; waited += step) {
    const auto now = unified_freeze_state(tree, directory);
    if (now.number != 0 || now.state == FreezeState::frozen) return now;
    if (waited >= patience) break;
    tree.pause(step);
  }
  const int number = tree.write(directory + "/cgroup.freeze", "0");
  return {.number = number, .state = FreezeState::freezing};
}

}  // namespace twinhull::linux_backend
