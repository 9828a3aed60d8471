// Several containers of one command: each by a command of its own, some at once.
#pragma once

#include <string>
#include <vector>

#include "runtime/kernel/result.h"
#include "runtime/node/session.h"
#include "tools/vzmigrate/options.h"
#include "tools/vzmigrate/results.h"

namespace twinhull::tools::move {

/// The words of the command that moves `entry` as `options` want it, and reports.
std::vector<std::string> words_for(const Options& options, const Entry& entry);

/// Moves options.containers, options.parallel at a time, by companions. What they say is shown with
/// the container's name in front; on a terminal a line for each that is on its way is shown below.
/// After Ctrl-C those that are on their way are told so too and no other begins. Returns what
/// became of each, in their order. Errors: node_down. Precondition: session.companions.
Result<std::vector<Outcome>> move_side_by_side(Session& session, const Options& options);

}  // namespace twinhull::tools::move
