// Sums over the scenarios of one area.
#pragma once

#include <string>
#include <vector>

#include "scenarios/engine/report.h"

namespace twinhull::scenario {

struct AreaTotals {
  std::string area;
  std::size_t scenarios = 0;
  std::size_t runs = 0;  ///< a scenario with five seeds is five runs
  std::size_t passed = 0;
  std::size_t failed = 0;
  std::size_t skipped = 0;
  Duration simulated{0};
  double wall_seconds = 0;
  std::uint64_t crash_points = 0;
  std::size_t crash_failures = 0;
};

/// One row an area that has scenarios, and the totals last.
std::vector<AreaTotals> area_totals(const SuiteReport& report);

}  // namespace twinhull::scenario
