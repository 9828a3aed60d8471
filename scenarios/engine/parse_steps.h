// Reading of steps and expectations.
#pragma once

#include <optional>
#include <set>

#include "scenarios/engine/reader.h"
#include "scenarios/engine/scenario.h"

namespace twinhull::scenario {

/// What the steps of one scenario share while they are read.
struct StepContext {
  const ReadContext& read;
  const DataReader& data;
  std::set<std::string> started;  ///< ids of background commands so far
};

/// Reads one step. Problems are reported; the result may then be incomplete.
std::optional<Step> read_step(StepContext& context, const TreeNode& node);
/// Reads the value of `expect:`.
ExpectStep read_expect(const ReadContext& context, const TreeNode& node,
                       const std::string& default_node);
/// Reads {contains, lacks, matches, lines, empty} or a text that must be contained.
OutputCheck read_output(const ReadContext& context, const TreeNode& node, const std::string& what);
/// Reads the four keys of an OutputCheck out of a mapping that holds further ones.
OutputCheck read_output_keys(const ReadContext& context, MapReader& reader);

}  // namespace twinhull::scenario
