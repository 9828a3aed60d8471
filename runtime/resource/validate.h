// Whether a configuration is consistent in itself and fits the node (spec F4.36).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/config_file.h"
#include "runtime/config/node_config.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/result.h"

namespace twinhull::resource {

enum class Severity : std::uint8_t { error, warning, recommendation };
/// "Error", "Warning", "Recommendation".
std::string_view to_string(Severity severity);

/// One rule that the configuration breaks.
struct Finding {
  Severity severity = Severity::error;
  std::string key;                 ///< the key to change: "KMEMSIZE"
  std::string text;                ///< what is wrong, with the numbers, and the rule
  std::optional<std::string> fix;  ///< the value that mends it; std::nullopt = only a person can
  bool repaired = false;
};

/// Asked for each finding that has a fix: whether to write it into the file.
using RepairChoice = std::function<bool(const Finding&)>;

/// Checks the rules of spec F4.36 in an order in which no repair breaks an earlier rule: when all
/// is repaired, a second validation finds nothing. `file` takes the repairs. Without `host` the
/// node's memory is not looked at. A recommendation is no problem: see is_problem.
/// Errors: those of ConfigFile::set.
Result<std::vector<Finding>> validate(ConfigFile& file, const NodeConfig& node,
                                      const std::optional<HostInfo>& host,
                                      const RepairChoice& repair);

/// An error or warning that was not repaired.
bool is_problem(const Finding& finding);

}  // namespace twinhull::resource
