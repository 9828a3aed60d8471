// The command line of vzscenario.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "scenarios/engine/accident.h"

namespace twinhull::tools {

struct ScenarioOptions {
  enum class Command { run, explore, list, show, validate } command = Command::run;
  std::vector<std::string> paths;
  std::string backend = "sim";
  std::optional<std::uint64_t> seed;   ///< --seed N: this one alone
  std::optional<std::uint64_t> seeds;  ///< --seeds N: 1 … N
  std::string junit;
  std::string html;
  unsigned jobs = 1;
  bool json = false;
  bool verbose = false;
  bool with_explore = false;         ///< run --explore: accidents to scenarios that ask for it
  std::string bin_directory;         ///< of the real programs, for the Linux backend
  std::optional<std::size_t> step;   ///< explore --step K, from 1
  std::string node;                  ///< explore --node N
  std::optional<std::uint64_t> call;  ///< explore --call N
  std::set<scenario::Accident> accidents;  ///< --accident: these; empty = all
  std::uint64_t every = 1;                 ///< --every N
};

/// Parses the command line. When there is nothing to run (help, version, a mistake), prints what
/// is to be said and returns the exit code in `exit_code` instead.
std::optional<ScenarioOptions> parse_options(int argc, char** argv, int& exit_code);

}  // namespace twinhull::tools
