// Whom the OOM killer takes first: OOM groups and guarantees, as oom_score_adj of processes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/config/oom_groups.h"
#include "runtime/container/context.h"
#include "runtime/kernel/processes.h"

namespace twinhull::container {

/// What decides about the processes of one container.
struct OomPolicy {
  std::vector<OomGroup> groups;  ///< of the node (spec F4.14)
  std::int32_t guarantee = 0;    ///< resource::guarantee_adjust(); beside the adjustment of a group
  bool may_lower = true;         ///< Feature::raise_limits: values below 0 can be set
  std::string reason;            ///< why not
};

/// Reads the node's groups; a file with a mistake is a warning and counts as none.
Result<OomPolicy> oom_policy(Context& context, const CtSettings& settings);

/// What a process shall have, were the node able to; std::nullopt = what it has.
std::optional<std::int32_t> oom_adjust_of(const OomPolicy& policy, const ProcessFacts& process);

/// The same for a program that is going to be started with nobody of the container as its parent,
/// as far as the node may set it.
std::optional<std::int32_t> oom_adjust_of(const OomPolicy& policy, const std::string& program);

/// Warns when the node may not set what the guarantee needs.
void tell_guarantee(Context& context, const OomPolicy& policy);

struct OomPass {
  bool guarantee = false;  ///< it changed: also those that have what init has
  bool tell = true;        ///< one warning for what the node may not set
};
/// Brings the processes that live now to the policy: members of groups, and after a change of the
/// guarantee the others, except who chose for itself. What appears later inherits from its parent.
/// Can be repeated.
Status apply_oom(Context& context, CtId id, ProcessRef init, const OomPolicy& policy,
                 OomPass pass = {});

}  // namespace twinhull::container
