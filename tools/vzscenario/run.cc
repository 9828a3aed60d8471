#include "tools/vzscenario/run.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>

#include "scenarios/engine/explore.h"
#include "scenarios/engine/player.h"
#include "scenarios/engine/report.h"
#include "tools/stages/sim_stage.h"
#ifdef TWINHULL_HAVE_LINUX
#include "tools/stages/linux_stage.h"
#endif
#include "tools/vzscenario/explore_report.h"
#include "tools/vzscenario/parallel.h"
#include "tools/vzscenario/progress.h"

namespace twinhull::tools {
namespace {

using scenario::ExploreOptions;
using scenario::Outcome;
using scenario::Scenario;
using scenario::ScenarioReport;
using scenario::StageFactory;
using scenario::SuiteReport;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

StageFactory factory_for(const ScenarioOptions& options) {
#ifdef TWINHULL_HAVE_LINUX
  if (options.backend == "linux") {
    std::string directory = options.bin_directory;
    if (directory.empty()) {
      std::error_code problem;
      directory = std::filesystem::read_symlink("/proc/self/exe", problem).parent_path().string();
    }
    return [directory] { return make_linux_stage(directory); };
  }
#endif
  static_cast<void>(options);
  return [] { return make_sim_stage(); };
}

bool write_file(const std::string& path, const std::string& text) {
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  stream << text;
  stream.close();
  if (stream) return true;
  fmt::print(stderr, "vzscenario: {}: cannot be written\n", path);
  return false;
}

/// One scenario with one seed.
struct Task {
  const Scenario* scenario = nullptr;
  std::uint64_t seed = 1;
};

std::vector<Task> tasks_of(const ScenarioOptions& options, const std::vector<Scenario>& scenarios) {
  std::vector<Task> tasks;
  for (const Scenario& scenario : scenarios) {
    std::vector<std::uint64_t> seeds = scenario.seeds;
    if (options.seed) seeds = {*options.seed};
    if (options.seeds) {
      seeds.clear();
      for (std::uint64_t seed = 1; seed <= *options.seeds; ++seed) seeds.push_back(seed);
    }
    // Seeds steer the simulator alone.
    if (options.backend != "sim") seeds.resize(1);
    for (const std::uint64_t seed : seeds) tasks.push_back({&scenario, seed});
  }
  return tasks;
}

/// Explores and adds the result to the report.
void explore_into(const Task& task, const ScenarioOptions& options, const StageFactory& factory,
                  ScenarioReport& report) {
  ExploreOptions explore;
  explore.seed = task.seed;
  explore.accidents = options.accidents;
  explore.every = options.every;
  const auto result = scenario::explore(*task.scenario, explore, factory);
  if (!result) {
    report.outcome = Outcome::failed;
    report.problem = "explore: " + result.error().message();
    return;
  }
  report.crash_points = result->points();
  for (const auto& failure : result->failures())
    report.crash_failures.push_back(failure_line(*task.scenario, failure));
  if (report.crash_failures.empty()) return;
  report.outcome = Outcome::failed;
  if (report.problem.empty())
    report.problem = fmt::format("{} of {} accidents were not survived",
                                 report.crash_failures.size(), report.crash_points);
}

void print_failures(const SuiteReport& suite, bool verbose) {
  for (const ScenarioReport& report : suite.scenarios) {
    if (report.outcome == Outcome::failed) {
      fmt::print("FAILED {} (seed {})\n  {}\n", report.name, report.seed, report.problem);
      for (std::size_t i = 0; i < report.crash_failures.size() && i < 5; ++i)
        fmt::print("  {}\n", report.crash_failures[i]);
      if (report.crash_failures.size() > 5)
        fmt::print("  … and {} more accidents\n", report.crash_failures.size() - 5);
    } else if (verbose) {
      fmt::print("{} {} seed {} digest {:016x} calls {} {}\n",
                 report.outcome == Outcome::passed ? "passed " : "skipped", report.name,
                 report.seed, report.digest, report.kernel_calls,
                 report.outcome == Outcome::skipped ? report.problem : "");
    }
  }
}

}  // namespace

int run_scenarios(const ScenarioOptions& options, const std::vector<Scenario>& scenarios) {
  const auto begin = std::chrono::steady_clock::now();
  const auto tasks = tasks_of(options, scenarios);
  const StageFactory factory = factory_for(options);
  SuiteReport suite;
  suite.title = "Scenario report";
  suite.backend = options.backend;
  suite.scenarios.resize(tasks.size());
  {
    Progress progress;
    std::atomic<std::size_t> done{0};
    // Real nodes share one kernel: one scenario at a time.
    const unsigned jobs = options.backend == "sim" ? options.jobs : 1;
    in_parallel(jobs, tasks.size(), [&](std::size_t i) {
      const auto start = std::chrono::steady_clock::now();
      progress.show(done, tasks.size(), tasks[i].scenario->name);
      ScenarioReport report = scenario::perform(*tasks[i].scenario, tasks[i].seed, factory);
      if (options.with_explore && tasks[i].scenario->explore && report.outcome == Outcome::passed &&
          options.backend == "sim" && tasks[i].seed == tasks[i].scenario->seeds.front())
        explore_into(tasks[i], options, factory, report);
      report.wall_seconds = seconds_since(start);
      suite.scenarios[i] = std::move(report);
      progress.show(++done, tasks.size(), tasks[i].scenario->name);
    });
  }
  suite.wall_seconds = seconds_since(begin);
  bool written = true;
  if (!options.junit.empty()) written &= write_file(options.junit, scenario::junit_xml(suite));
  if (!options.html.empty()) written &= write_file(options.html, scenario::html_page(suite));
  if (options.json) {
    fmt::print("{}", scenario::json_text(suite));
  } else {
    print_failures(suite, options.verbose);
    fmt::print("{}", scenario::summary_table(suite));
    if (options.with_explore) fmt::print("{}", sampling_note(options.every));
  }
  if (!written) return 2;
  return suite.count(Outcome::failed) == 0 ? 0 : 1;
}

int explore_scenarios(const ScenarioOptions& options, const std::vector<Scenario>& scenarios) {
  std::vector<ExploredStep> pieces;
  for (const Scenario& scenario : scenarios) {
    if (options.step && *options.step > scenario.steps.size()) {
      fmt::print(stderr, "vzscenario: {}: there is no step {}: it has {}\n", scenario.file,
                 *options.step, scenario.steps.size());
      return 2;
    }
    if (!options.node.empty() && scenario.node(options.node) == nullptr) {
      fmt::print(stderr, "vzscenario: {}: there is no node '{}'\n", scenario.file, options.node);
      return 2;
    }
    for (std::size_t i = 0; i < scenario.steps.size(); ++i) {
      const auto* run = std::get_if<scenario::RunStep>(&scenario.steps[i].action);
      if (options.step ? *options.step != i + 1 : run == nullptr || run->background) continue;
      ExploredStep piece;
      piece.scenario = &scenario;
      piece.options.step = i;
      piece.options.node = options.node;
      piece.options.call = options.call;
      piece.options.accidents = options.accidents;
      piece.options.every = options.every;
      piece.options.seed = options.seed.value_or(scenario.seeds.front());
      pieces.push_back(std::move(piece));
    }
  }
  const StageFactory factory = [] { return make_sim_stage(); };
  {
    Progress progress;
    std::atomic<std::size_t> points{0};
    in_parallel(options.jobs, pieces.size(), [&](std::size_t i) {
      ExploredStep& piece = pieces[i];
      auto result = scenario::explore(*piece.scenario, piece.options, factory, [&](std::uint64_t) {
        progress.show(++points, 0, "accidents, " + piece.scenario->name);
      });
      if (result)
        piece.result = std::move(*result);
      else
        piece.error = std::move(result).error();
    });
  }
  fmt::print("{}", options.json ? explored_json(pieces, options.every)
                                : explored_text(pieces, options.every));
  return failed_of(pieces) == 0 ? 0 : 1;
}

}  // namespace twinhull::tools
