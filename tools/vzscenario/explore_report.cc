#include "tools/vzscenario/explore_report.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

namespace twinhull::tools {
namespace {

using scenario::Accident;
using Counts = std::map<Accident, std::uint64_t>;

Counts counts_of(const scenario::Exploration& exploration) {
  Counts counts;
  for (const auto& step : exploration.steps)
    for (const auto& [accident, count] : step.points) counts[accident] += count;
  return counts;
}

nlohmann::json counts_json(const Counts& counts) {
  nlohmann::json out = nlohmann::json::object();
  for (const auto& [accident, count] : counts) out[std::string(to_string(accident))] = count;
  return out;
}

nlohmann::json step_json(const ExploredStep& step) {
  nlohmann::json failures = nlohmann::json::array();
  for (const auto& failure : step.result.failures())
    failures.push_back({{"accident", to_string(failure.accident)},
                        {"node", failure.node},
                        {"call", failure.call},
                        {"problem", failure.problem},
                        {"again_with", failure.reproduce(step.scenario->file)}});
  nlohmann::json out = {{"scenario", step.scenario->name},
                        {"file", step.scenario->file},
                        {"step", *step.options.step + 1},
                        {"command", step.scenario->steps[*step.options.step].title},
                        {"points", counts_json(counts_of(step.result))},
                        {"failures", std::move(failures)}};
  if (step.error) out["error"] = step.error->message();
  return out;
}

}  // namespace

std::string failure_line(const scenario::Scenario& scenario,
                         const scenario::CrashFailure& failure) {
  return fmt::format("{}: {}\n  again with: {}", failure.title, failure.problem,
                     failure.reproduce(scenario.file));
}

std::string sampling_note(std::uint64_t every) {
  if (every <= 1) return {};
  return fmt::format("--every {}: the other points of each step were not tried\n", every);
}

std::size_t failed_of(const std::vector<ExploredStep>& steps) {
  std::size_t failed = 0;
  for (const ExploredStep& step : steps)
    failed += step.error ? 1 : step.result.failures().size();
  return failed;
}

std::string explored_text(const std::vector<ExploredStep>& steps, std::uint64_t every) {
  std::string failures;
  std::string table;
  std::uint64_t points = 0;
  Counts kinds;
  for (const ExploredStep& step : steps) {
    const std::size_t number = *step.options.step + 1;
    if (step.error) {
      failures += fmt::format("FAILED {} step {}: {}\n", step.scenario->name, number,
                              step.error->message());
      continue;
    }
    for (const auto& failure : step.result.failures())
      failures += fmt::format("FAILED {} {}\n", step.scenario->name,
                              failure_line(*step.scenario, failure));
    points += step.result.points();
    for (const auto& [accident, count] : counts_of(step.result)) kinds[accident] += count;
    table += fmt::format("{:<28}{:>5}  {:<44.44}{:>8}{:>8}\n", step.scenario->name, number,
                         step.scenario->steps[*step.options.step].title, step.result.points(),
                         step.result.failures().size());
  }
  std::string parts;
  for (const auto& [accident, count] : kinds)
    parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", to_string(accident), count);
  return failures +
         fmt::format("{:<28}{:>5}  {:<44}{:>8}{:>8}\n{}{:<79}{:>8}{:>8}\n", "scenario", "step",
                     "command", "points", "failed", table, "total", points, failed_of(steps)) +
         (parts.empty() ? "" : "accidents: " + parts + "\n") + sampling_note(every);
}

std::string explored_json(const std::vector<ExploredStep>& steps, std::uint64_t every) {
  nlohmann::json list = nlohmann::json::array();
  std::uint64_t points = 0;
  for (const ExploredStep& step : steps) {
    points += step.result.points();
    list.push_back(step_json(step));
  }
  const nlohmann::json root = {{"points", points},
                               {"failed", failed_of(steps)},
                               {"every", every},
                               {"steps", std::move(list)}};
  // Output of a container may hold any bytes.
  return root.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace twinhull::tools
