#include "scenarios/engine/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "scenarios/engine/area_totals.h"
#include "scenarios/engine/text.h"

namespace twinhull::scenario {

std::size_t SuiteReport::count(Outcome outcome) const {
  return static_cast<std::size_t>(std::count_if(
      scenarios.begin(), scenarios.end(),
      [outcome](const ScenarioReport& scenario) { return scenario.outcome == outcome; }));
}

std::vector<AreaTotals> area_totals(const SuiteReport& report) {
  std::vector<AreaTotals> rows;
  AreaTotals all;
  all.area = "total";
  for (const std::string& area : areas()) {
    AreaTotals row;
    row.area = area;
    std::vector<std::string> names;
    for (const ScenarioReport& scenario : report.scenarios) {
      if (scenario.area != area) continue;
      names.push_back(scenario.file + scenario.name);
      ++row.runs;
      if (scenario.outcome == Outcome::passed) ++row.passed;
      if (scenario.outcome == Outcome::failed) ++row.failed;
      if (scenario.outcome == Outcome::skipped) ++row.skipped;
      row.simulated += scenario.simulated;
      row.wall_seconds += scenario.wall_seconds;
      row.crash_points += scenario.crash_points;
      row.crash_failures += scenario.crash_failures.size();
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    row.scenarios = names.size();
    if (row.runs == 0) continue;
    all.scenarios += row.scenarios;
    all.runs += row.runs;
    all.passed += row.passed;
    all.failed += row.failed;
    all.skipped += row.skipped;
    all.simulated += row.simulated;
    all.wall_seconds += row.wall_seconds;
    all.crash_points += row.crash_points;
    all.crash_failures += row.crash_failures;
    rows.push_back(std::move(row));
  }
  rows.push_back(std::move(all));
  return rows;
}

std::string summary_table(const SuiteReport& report) {
  std::string out = fmt::format("{:<12}{:>10}{:>7}{:>8}{:>8}{:>9}{:>17}{:>11}{:>14}\n", "area",
                                "scenarios", "runs", "passed", "failed", "skipped",
                                "simulated time", "wall time", "crash points");
  const auto rows = area_totals(report);
  for (const AreaTotals& row : rows) {
    if (&row == &rows.back()) out += std::string(96, '-') + "\n";
    out += fmt::format("{:<12}{:>10}{:>7}{:>8}{:>8}{:>9}{:>17}{:>9.2f} s{:>14}\n", row.area,
                       row.scenarios, row.runs, row.passed, row.failed, row.skipped,
                       duration_text(row.simulated), row.wall_seconds, row.crash_points);
  }
  return out;
}

}  // namespace twinhull::scenario
