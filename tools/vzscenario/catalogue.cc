#include "tools/vzscenario/catalogue.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>

namespace twinhull::tools {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> read_file(const fs::path& path) {
  std::error_code problem;
  if (!fs::is_regular_file(path, problem)) return std::nullopt;
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return std::nullopt;
  std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (stream.bad()) return std::nullopt;
  return text;
}

/// Finds "data/FILE" beside the scenario or in a directory above it, and reads it once.
scenario::DataReader data_reader(
    const fs::path& scenario_file,
    const std::shared_ptr<std::map<std::string, std::optional<std::string>>>& cache) {
  return [scenario_file, cache](const std::string& name) -> std::optional<std::string> {
    std::error_code problem;
    fs::path directory = fs::absolute(scenario_file, problem).parent_path();
    for (int level = 0; level < 4 && !directory.empty(); ++level) {
      const fs::path candidate = directory / "data" / name;
      auto [entry, fresh] = cache->try_emplace(candidate.string());
      if (fresh) entry->second = read_file(candidate);
      if (entry->second) return entry->second;
      directory = directory.parent_path();
    }
    return std::nullopt;
  };
}

}  // namespace

std::vector<std::string> find_scenarios(const std::vector<std::string>& paths,
                                        scenario::Diagnostics& problems) {
  std::vector<std::string> files;
  for (const std::string& path : paths.empty() ? std::vector<std::string>{"scenarios"} : paths) {
    std::error_code problem;
    if (fs::is_directory(path, problem)) {
      std::size_t found = 0;
      fs::recursive_directory_iterator walk(path, problem);
      for (; !problem && walk != fs::recursive_directory_iterator(); walk.increment(problem)) {
        if (walk->is_directory() && walk->path().filename() == "data") {
          walk.disable_recursion_pending();
          continue;
        }
        if (walk->path().extension() != ".yaml") continue;
        files.push_back(walk->path().string());
        ++found;
      }
      if (problem)
        problems.push_back({path, {}, "cannot be read: " + problem.message(), ""});
      else if (found == 0)
        problems.push_back({path, {}, "holds no *.yaml file", ""});
    } else if (fs::exists(path, problem)) {
      files.push_back(path);
    } else {
      problems.push_back({path,
                          {},
                          "no such file or directory",
                          paths.empty() ? "name scenario files or directories" : ""});
    }
  }
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  return files;
}

std::vector<scenario::Scenario> load_scenarios(const std::vector<std::string>& files,
                                               scenario::Diagnostics& problems) {
  std::vector<scenario::Scenario> scenarios;
  std::map<std::string, std::string> seen;
  const auto cache = std::make_shared<std::map<std::string, std::optional<std::string>>>();
  for (const std::string& file : files) {
    const auto text = read_file(file);
    if (!text) {
      problems.push_back({file, {}, "cannot be read", ""});
      continue;
    }
    auto parsed = scenario::parse_scenario(*text, file, data_reader(file, cache), problems);
    if (!parsed) continue;
    const auto [other, fresh] = seen.emplace(parsed->name, file);
    if (!fresh) {
      problems.push_back({file,
                          {1, 1},
                          "the name '" + parsed->name + "' is used by " + other->second + " too",
                          ""});
      continue;
    }
    scenarios.push_back(std::move(*parsed));
  }
  return scenarios;
}

}  // namespace twinhull::tools
