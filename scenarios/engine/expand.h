// `for_each:` blocks: the same steps for many containers.
#pragma once

#include <vector>

#include "scenarios/engine/reader.h"
#include "scenarios/engine/tree.h"

namespace twinhull::scenario {

/// How many steps a scenario may have once its blocks are written out.
inline constexpr std::size_t kMostSteps = 5000;

/// Writes out every block {for_each: NAME, from: A, to: B, steps: […]}: its steps repeat for each
/// number, with ${NAME}, ${NAME+K} and ${NAME-K} replaced in all their texts. Blocks may nest.
/// Reports what is wrong; the result is then incomplete.
std::vector<TreeNode> expand_steps(const ReadContext& context, const TreeNode& steps);

}  // namespace twinhull::scenario
