// Scenario files on disk.
#pragma once

#include <string>
#include <vector>

#include "scenarios/engine/scenario.h"

namespace twinhull::tools {

/// Scenario files at the given paths: a file is itself, a directory all its *.yaml, sorted.
/// Directories named "data" are left out. Without paths: the directory "scenarios" here.
/// Missing paths are reported in `problems`.
std::vector<std::string> find_scenarios(const std::vector<std::string>& paths,
                                        scenario::Diagnostics& problems);

/// Reads all files; what is wrong goes to `problems`. Two scenarios of one name are refused.
std::vector<scenario::Scenario> load_scenarios(const std::vector<std::string>& files,
                                               scenario::Diagnostics& problems);

}  // namespace twinhull::tools
