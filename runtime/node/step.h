// One repeatable act on kernel objects, as data: what undo and recovery are made of.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/kernel/cgroup_path.h"
#include "runtime/kernel/kernel.h"
#include "runtime/kernel/result.h"

namespace twinhull {

/// What a step does. Every kind may be repeated: when its work is done already it does nothing.
enum class StepKind : std::uint8_t {
  remove_file,        ///< file, link or empty directory; the directory that held it is synced
  remove_tree,        ///< plain directory with content; synced likewise
  remove_quota_tree,  ///< private area with content
  rename,             ///< `object` to `target`, replacing it; nothing to do when `object` is gone
  rename_quota_tree,  ///< likewise for a private area; an existing `target` is an error
  make_symlink,       ///< a link at `object` that points to `target`, replacing a link there
  unmount,            ///< everything mounted at `object`
  remove_link,        ///< network device of the node
  kill_init,          ///< the container init with this label, and waits until it is gone
  remove_cgroup,      ///< kills what is inside and removes the group with its children
};

struct Step {
  StepKind kind = StepKind::remove_file;
  std::string object;  ///< path, device, label or group
  std::string target;  ///< the second path of a rename or link
  bool operator==(const Step&) const = default;
};

/// Stable name: "remove_quota_tree". std::nullopt for unknown names.
std::string_view to_string(StepKind kind);
std::optional<StepKind> parse_step_kind(std::string_view name);

/// Does the step. Errors: those of the ports; timed_out when processes do not go.
Status perform(Kernel& kernel, const Step& step);

/// Kills everything in the group, waits until it is empty and removes it with its children.
/// Effect::none when there is no such group. Errors: timed_out (processes stay for 10 s).
Result<Effect> remove_group(Kernel& kernel, const CgroupPath& group);

/// Takes all mounts off `target`. A busy mount gets 2 s: killed processes let go a moment later.
/// Effect::none when nothing was mounted. Errors: busy (somebody works inside).
Result<Effect> unmount_all(Kernel& kernel, const std::string& target);

}  // namespace twinhull
