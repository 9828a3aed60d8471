// What happened: plain data that every report is drawn from.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "scenarios/engine/scenario.h"
#include "scenarios/engine/stage.h"

namespace twinhull::scenario {

enum class Outcome { passed, failed, skipped };

struct StepReport {
  std::string title;
  std::string node;
  std::string kind;  ///< "run", "fault", …
  Mark mark;
  Duration start{0};
  Duration end{0};
  bool failed = false;
  bool fault = false;
  std::string problem;  ///< why it failed
};

/// Figures of one container over one sample interval of a `record:` step, in nanoseconds.
struct LoadPoint {
  Duration demand{0};
  Duration delivered{0};
  Duration throttled{0};
};
struct ContainerSeries {
  std::string node;
  CtId container;
  std::vector<LoadPoint> points;
  std::uint64_t throttled_periods = 0;
};
struct Recording {
  std::string title;
  Duration start{0};
  Duration every{0};
  std::vector<ContainerSeries> containers;
  std::map<std::string, std::uint32_t> node_cpus;
};

/// A container was up on a node.
struct UpBar {
  std::string node;
  std::string label;
  Duration from{0};
  Duration to{0};
};

struct ScenarioReport {
  std::string file;
  std::string name;
  std::string description;
  std::string area;
  std::string backend;
  std::uint64_t seed = 1;
  Outcome outcome = Outcome::passed;
  std::string problem;      ///< first failure, with file:line:column; or why it was skipped
  Duration simulated{0};    ///< time on the stage
  double wall_seconds = 0;  ///< measured by the program
  std::uint64_t digest = 0;
  std::uint64_t kernel_calls = 0;
  std::vector<std::string> nodes;
  std::vector<StepReport> steps;
  std::vector<UpBar> bars;
  std::vector<Recording> recordings;
  std::uint64_t crash_points = 0;  ///< explored
  std::vector<std::string> crash_failures;
};

/// The whole of one invocation.
struct SuiteReport {
  std::string title;
  std::string backend;
  double wall_seconds = 0;
  std::vector<ScenarioReport> scenarios;
  [[nodiscard]] std::size_t count(Outcome outcome) const;
};

/// JUnit XML: one test suite an area, one test case a run.
std::string junit_xml(const SuiteReport& report);
/// One self-contained page with inline style and charts.
std::string html_page(const SuiteReport& report);
/// Table: area, scenarios, passed, failed, simulated time, wall time, explored crash points.
std::string summary_table(const SuiteReport& report);
/// All figures.
std::string json_text(const SuiteReport& report);

}  // namespace twinhull::scenario
