#include "tools/vzscenario/options.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <thread>

namespace twinhull::tools {
namespace {

std::vector<std::string> accident_names() {
  std::vector<std::string> names;
  for (const scenario::Accident accident : scenario::kAccidents)
    names.emplace_back(to_string(accident));
  return names;
}

}  // namespace

std::optional<ScenarioOptions> parse_options(int argc, char** argv, int& exit_code) {
  using Command = ScenarioOptions::Command;
  ScenarioOptions options;
  CLI::App app("Plays scenarios of containers, loads and faults on simulated or real nodes.",
               "vzscenario");
  app.require_subcommand(1);
  app.set_version_flag("--version", "vzscenario " TWINHULL_VERSION);
  app.footer(
      "Exit codes: 0 all passed, 1 a scenario failed, 2 usage or an invalid scenario file.\n"
      "Examples:\n"
      "  vzscenario run scenarios -j 4 --html report.html\n"
      "  vzscenario run scenarios/migration/running.yaml --seeds 20\n"
      "  vzscenario explore scenarios/lifecycle/create-destroy.yaml --step 1\n"
      "  vzscenario explore scenarios/migration/online.yaml --accident both,link -j 4\n"
      "  vzscenario run scenarios --explore --every 5 -j 4");

  const auto paths = [&options](CLI::App* command) {
    command->add_option("PATH", options.paths,
                        "Scenario files or directories (default: ./scenarios)");
  };
  const auto jobs = [&options](CLI::App* command) {
    command->add_option("-j,--jobs", options.jobs, "Scenarios played at the same time")
        ->check(CLI::Range(1U, 256U));
  };

  std::vector<std::string> kinds;
  const auto accidents = [&](CLI::App* command) {
    command
        ->add_option("--accident", kinds,
                     "What happens: power (of the node that makes the call), both (the power of all "
                     "nodes), link (its cables, until the command has ended), blink (its cables, for "
                     "2 s), tool (SIGKILL for the command), disk (its disk is full); default: all "
                     "that the step knows")
        ->delimiter(',')
        ->check(CLI::IsMember(accident_names()));
    command->add_option("--every", options.every, "Only at each Nth point of a step, from the first")
        ->check(CLI::Range(1, 1'000'000));
  };

  CLI::App* run = app.add_subcommand("run", "Play scenarios and report");
  paths(run);
  run->add_option("--backend", options.backend, "Where: sim (default) or linux (needs root)")
      ->check(CLI::IsMember({"sim", "linux"}));
  CLI::Option* seed = run->add_option("--seed", options.seed, "Play with this seed alone");
  run->add_option("--seeds", options.seeds, "Play with the seeds 1 to N")
      ->check(CLI::Range(1, 100'000))
      ->excludes(seed);
  run->add_option("--junit", options.junit, "Write JUnit XML to this file");
  run->add_option("--html", options.html, "Write one self-contained HTML page to this file");
  run->add_flag("--json", options.json, "Print all figures as JSON instead of the table");
  run->add_flag("--explore", options.with_explore,
                "Explore the accidents to scenarios marked 'explore: true' too");
  accidents(run);
  run->add_option("--bin", options.bin_directory,
                  "Linux: directory of the real programs (default: that of vzscenario)");
  run->add_flag("-v,--verbose", options.verbose, "Print each run with its trace digest");
  jobs(run);
  run->callback([&] { options.command = Command::run; });

  CLI::App* explore = app.add_subcommand(
      "explore",
      "Let an accident happen at every kernel call of every step, recover, check, do the step again");
  paths(explore);
  explore->add_option("--step", options.step, "Only this step, counted from 1")
      ->check(CLI::PositiveNumber);
  explore->add_option("--node", options.node, "Only at kernel calls of this node");
  explore->add_option("--call,--cut", options.call, "Only at this kernel call, counted from 1")
      ->check(CLI::PositiveNumber);
  accidents(explore);
  explore->add_option("--seed", options.seed, "Seed of the world (default: the scenario's first)");
  explore->add_flag("--json", options.json, "Print the result as JSON");
  jobs(explore);
  explore->callback([&] { options.command = Command::explore; });

  CLI::App* list = app.add_subcommand("list", "List scenarios");
  paths(list);
  list->callback([&] { options.command = Command::list; });
  CLI::App* show = app.add_subcommand("show", "Show what scenarios do, step by step");
  paths(show);
  show->callback([&] { options.command = Command::show; });
  CLI::App* validate = app.add_subcommand("validate", "Check scenario files without playing them");
  paths(validate);
  validate->callback([&] { options.command = Command::validate; });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version are no mistakes.
    const int code = app.exit(error, std::cout, std::cerr);
    exit_code = code == 0 ? 0 : 2;
    return std::nullopt;
  }
  for (const std::string& kind : kinds) options.accidents.insert(*scenario::parse_accident(kind));
  return options;
}

}  // namespace twinhull::tools
