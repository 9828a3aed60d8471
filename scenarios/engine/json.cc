// All figures of a suite as JSON.
#include <nlohmann/json.hpp>

#include "scenarios/engine/report.h"

namespace twinhull::scenario {
namespace {

const char* word_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::passed: return "passed";
    case Outcome::failed: return "failed";
    case Outcome::skipped: return "skipped";
  }
  return "?";
}

double seconds_of(Duration length) {
  return static_cast<double>(length.count()) / 1e9;
}

nlohmann::json recording_json(const Recording& recording) {
  nlohmann::json containers = nlohmann::json::array();
  for (const ContainerSeries& series : recording.containers) {
    nlohmann::json demand = nlohmann::json::array();
    nlohmann::json delivered = nlohmann::json::array();
    nlohmann::json throttled = nlohmann::json::array();
    for (const LoadPoint& point : series.points) {
      demand.push_back(seconds_of(point.demand));
      delivered.push_back(seconds_of(point.delivered));
      throttled.push_back(seconds_of(point.throttled));
    }
    containers.push_back({{"node", series.node},
                          {"container", series.container.value},
                          {"throttled_periods", series.throttled_periods},
                          {"demand_cpu_seconds", std::move(demand)},
                          {"delivered_cpu_seconds", std::move(delivered)},
                          {"throttled_seconds", std::move(throttled)}});
  }
  return {{"title", recording.title},
          {"start_seconds", seconds_of(recording.start)},
          {"every_seconds", seconds_of(recording.every)},
          {"containers", std::move(containers)}};
}

}  // namespace

std::string json_text(const SuiteReport& report) {
  nlohmann::json scenarios = nlohmann::json::array();
  for (const ScenarioReport& scenario : report.scenarios) {
    nlohmann::json steps = nlohmann::json::array();
    for (const StepReport& step : scenario.steps)
      steps.push_back({{"title", step.title},
                       {"kind", step.kind},
                       {"node", step.node},
                       {"line", step.mark.line},
                       {"start_seconds", seconds_of(step.start)},
                       {"end_seconds", seconds_of(step.end)},
                       {"failed", step.failed}});
    nlohmann::json recordings = nlohmann::json::array();
    for (const Recording& recording : scenario.recordings)
      recordings.push_back(recording_json(recording));
    scenarios.push_back({{"name", scenario.name},
                         {"area", scenario.area},
                         {"file", scenario.file},
                         {"backend", scenario.backend},
                         {"seed", scenario.seed},
                         {"outcome", word_of(scenario.outcome)},
                         {"problem", scenario.problem},
                         {"simulated_seconds", seconds_of(scenario.simulated)},
                         {"wall_seconds", scenario.wall_seconds},
                         {"digest", scenario.digest},
                         {"kernel_calls", scenario.kernel_calls},
                         {"crash_points", scenario.crash_points},
                         {"crash_failures", scenario.crash_failures},
                         {"steps", std::move(steps)},
                         {"recordings", std::move(recordings)}});
  }
  const nlohmann::json root = {{"title", report.title},
                               {"backend", report.backend},
                               {"wall_seconds", report.wall_seconds},
                               {"passed", report.count(Outcome::passed)},
                               {"failed", report.count(Outcome::failed)},
                               {"skipped", report.count(Outcome::skipped)},
                               {"scenarios", std::move(scenarios)}};
  // Output of a container may hold any bytes.
  return root.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace twinhull::scenario
