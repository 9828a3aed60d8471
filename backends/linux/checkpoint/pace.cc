#include "backends/linux/checkpoint/pace.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace twinhull::linux_backend {
namespace {

constexpr std::ptrdiff_t kKept = 5;  ///< of each kind

std::string file_of(const NodeOptions& options) {
  return options.run_directory + "/criu-pace";
}

void append_lines(std::string& text, std::string_view name, const std::vector<EngineRun>& runs) {
  for (const EngineRun& run : runs)
    text += fmt::format("{} {} {} {}\n", name, run.took / microseconds(1), run.tasks, run.pages.value);
}

EngineRun middle(std::vector<EngineRun> runs) {
  if (runs.empty()) return {};
  std::ranges::sort(runs, {}, &EngineRun::took);
  return runs[(runs.size() - 1) / 2];
}

LatestRuns read_runs(const NodeOptions& options) {
  std::ostringstream text;
  text << std::ifstream(file_of(options)).rdbuf();
  return parse_runs(text.str());
}

}  // namespace

std::string runs_text(const LatestRuns& runs) {
  std::string text;
  append_lines(text, "dump", runs.dumps);
  append_lines(text, "restore", runs.restores);
  return text;
}

LatestRuns parse_runs(std::string_view text) {
  constexpr std::int64_t kDay = 86'400'000'000;
  LatestRuns runs;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    std::int64_t took = 0;
    EngineRun run;
    if (!(words >> name >> took >> run.tasks >> run.pages.value) || took <= 0 || took > kDay) continue;
    run.took = microseconds(took);
    if (name == "dump") runs.dumps.push_back(run);
    if (name == "restore") runs.restores.push_back(run);
  }
  return runs;
}

EnginePace middle_of(const LatestRuns& runs) {
  return {.look = {}, .dump = middle(runs.dumps), .restore = middle(runs.restores)};
}

EnginePace pace_of(const NodeOptions& options) {
  return middle_of(read_runs(options));
}

void note_run(const NodeOptions& options, EngineWork work, const EngineRun& run) {
  LatestRuns all = read_runs(options);
  auto& runs = work == EngineWork::dump ? all.dumps : all.restores;
  runs.push_back(run);
  if (std::ssize(runs) > kKept) runs.erase(runs.begin(), runs.end() - kKept);
  const std::string path = file_of(options), fresh = fmt::format("{}.{}", path, ::getpid());
  std::ofstream(fresh) << runs_text(all);
  std::error_code ignored;
  std::filesystem::rename(fresh, path, ignored);
}

}  // namespace twinhull::linux_backend
