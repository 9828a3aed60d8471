// What `vzasysd --once` prints.
#pragma once

#include <string>

#include "tools/vzasysd/tick.h"

namespace twinhull::tools::asys {

/// A line a container under burst control; "-" as average until the window is full.
std::string report_table(const TickReport& report);

/// [{"ctid", "name", "average", "threshold", "reference", "burst_cpulimit", "imposed", "changed"}]:
/// averages in per cent of `reference`, which is in per cent of one CPU; what is not known is null.
std::string report_json(const TickReport& report);

}  // namespace twinhull::tools::asys
