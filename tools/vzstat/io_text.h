// What `vzstat -a` prints.
#pragma once

#include <string>
#include <vector>

#include "tools/vzstat/io_figures.h"

namespace twinhull::tools::stat {

/// A table with a line a container and the bottleneck as the last line; "-" where there is no
/// limit, or where the kernel does not tell.
std::string io_table(const std::vector<IoFigures>& figures);

/// One line: {"seconds", "containers": [{"ctid", "name", "read", "written", "operations",
/// "throttled", "iolimit", "iopslimit", "ioprio", "share"}], "bottleneck", "advice"}; rates a
/// second, parts in per cent, null = no limit or not known.
std::string io_json(const std::vector<IoFigures>& figures, Duration length);

}  // namespace twinhull::tools::stat
