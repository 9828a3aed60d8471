// OOM groups: whom the OOM killer shall take first and last, by kind of program (spec F4.14).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/layout.h"
#include "runtime/kernel/kernel.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/result.h"

namespace twinhull {

/// One line of /etc/vz/oom-groups.conf: `COMMAND PARENT UID ADJ`.
struct OomGroup {
  std::string command;  ///< "foo", "foo*" (begins with foo) or "*"; compared with 15 bytes of name
  std::string parent;   ///< the same for its parent's name
  std::int64_t uid = -1;    ///< -1 = any, 0 and above = exactly this, below -1 = lower than -uid
  std::int32_t adjust = 0;  ///< oom_score_adj, kLeastOomAdjust…kMostOomAdjust
  bool operator==(const OomGroup&) const = default;
};

/// Lines in order; what follows a word that begins with # says nothing. `path` is used in messages.
/// Errors: corrupt (exit 85), naming line and cause.
Result<std::vector<OomGroup>> parse_oom_groups(std::string_view text, std::string_view path);

/// Reads the node's file; none = no groups. Errors: as parse_oom_groups, and those of Files::read.
Result<std::vector<OomGroup>> load_oom_groups(Kernel& kernel, const Layout& layout);

/// The first group that the process belongs to; nullptr when there is none.
const OomGroup* find_oom_group(const std::vector<OomGroup>& groups, const ProcessFacts& process);

}  // namespace twinhull
