// Load traces: one row a machine, one percentage a sample.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/kernel/result.h"
#include "scenarios/engine/scenario.h"

namespace twinhull::scenario {

/// Row `row` (from 1, comments and the heading not counted) of the trace file at `path`: whole
/// percentages. Errors: not_found (file or row), corrupt (not a percentage).
Result<std::vector<std::uint32_t>> trace_row(const DataReader& data, const std::string& path,
                                             std::size_t row);

/// A trace as `vzload trace` reads it: one percentage a line.
std::string trace_text(const std::vector<std::uint32_t>& trace);

}  // namespace twinhull::scenario
