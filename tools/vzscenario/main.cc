// vzscenario: plays, explores, lists, shows and validates scenarios.
#include <fmt/format.h>

#include <cstdio>

#include "tools/vzscenario/catalogue.h"
#include "tools/vzscenario/options.h"
#include "tools/vzscenario/run.h"

namespace twinhull::tools {
namespace {

int list(const std::vector<scenario::Scenario>& scenarios) {
  fmt::print("{:<11}{:<32}{:>6}{:>6}  {:<9}{:<8}{}\n", "area", "name", "nodes", "steps", "portable",
             "explore", "description");
  for (const std::string& area : scenario::areas())
    for (const scenario::Scenario& item : scenarios)
      if (item.area == area)
        fmt::print("{:<11}{:<32}{:>6}{:>6}  {:<9}{:<8}{}\n", item.area, item.name,
                   item.nodes.size(), item.steps.size(), item.portable ? "yes" : "-",
                   item.explore ? "yes" : "-",
                   item.description.substr(0, item.description.find('\n')));
  return 0;
}

int show(const std::vector<scenario::Scenario>& scenarios) {
  for (const scenario::Scenario& item : scenarios) {
    fmt::print("{} ({}, {})\n  {}\n", item.name, item.area,
               item.portable ? "portable" : "simulator only", item.description);
    for (const scenario::NodePlan& node : item.nodes)
      fmt::print("  node {}: {} CPUs, {} MiB memory, {} GiB disk\n", node.name, node.cpus,
                 node.memory.value >> 20, node.disk.value >> 30);
    for (const scenario::LinkPlan& link : item.links)
      fmt::print("  link {} - {}: {} Mbit/s, {}\n", link.a, link.b,
                 link.bandwidth.value / 1'000'000, scenario::duration_text(link.latency));
    for (std::size_t i = 0; i < item.steps.size(); ++i) {
      const scenario::Step& step = item.steps[i];
      std::string when;
      if (step.at) when = "at " + scenario::duration_text(*step.at) + ": ";
      if (step.after) when += "after " + scenario::duration_text(*step.after) + ": ";
      fmt::print("  {:>4}  line {:<4} {}{}\n", i + 1, step.mark.line, when, step.title);
    }
  }
  return 0;
}

int run(int argc, char** argv) {
  int exit_code = 0;
  const auto options = parse_options(argc, argv, exit_code);
  if (!options) return exit_code;
#ifndef TWINHULL_HAVE_LINUX
  if (options->backend == "linux") {
    fmt::print(stderr, "vzscenario: this program was built without the Linux backend\n");
    return 2;
  }
#endif
  scenario::Diagnostics problems;
  const auto files = find_scenarios(options->paths, problems);
  const auto scenarios = load_scenarios(files, problems);
  for (const scenario::Diagnostic& problem : problems)
    fmt::print(stderr, "{}\n", problem.message());
  if (!problems.empty()) return 2;
  using Command = ScenarioOptions::Command;
  switch (options->command) {
    case Command::run: return run_scenarios(*options, scenarios);
    case Command::explore: return explore_scenarios(*options, scenarios);
    case Command::list: return list(scenarios);
    case Command::show: return show(scenarios);
    case Command::validate:
      fmt::print("{} scenario{} valid\n", scenarios.size(),
                 scenarios.size() == 1 ? " is" : "s are");
      return 0;
  }
  return 2;
}

}  // namespace
}  // namespace twinhull::tools

int main(int argc, char** argv) {
  try {
    return twinhull::tools::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "vzscenario: %s\n", error.what());
    return 2;
  }
}
