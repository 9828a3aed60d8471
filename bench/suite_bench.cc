// The scenario suite and crash exploration on the simulator.
// To reach: all scenarios of the suite below 10 s on one core.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "scenarios/engine/explore.h"
#include "scenarios/engine/player.h"
#include "scenarios/engine/scenario.h"
#include "tools/stages/sim_stage.h"

namespace {

using namespace twinhull;
namespace fs = std::filesystem;

std::optional<std::string> read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  return std::string{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::vector<scenario::Scenario> load_suite() {
  const fs::path root = TWINHULL_SCENARIOS;
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(root))
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  std::ranges::sort(files);
  std::vector<scenario::Scenario> suite;
  for (const fs::path& file : files) {
    scenario::Diagnostics problems;
    const auto text = read_file(file);
    auto parsed = scenario::parse_scenario(
        text.value_or(""), file.string(),
        [&root](const std::string& path) { return read_file(root / "data" / path); }, problems);
    if (parsed) suite.push_back(std::move(*parsed));
  }
  return suite;
}

void BM_WholeSuite(benchmark::State& state) {
  const auto suite = load_suite();
  if (suite.empty()) state.SkipWithError("no scenarios");
  std::uint64_t calls = 0;
  for (auto _ : state)
    for (const scenario::Scenario& plan : suite) {
      const auto report = scenario::perform(plan, 1, tools::make_sim_stage);
      calls += report.kernel_calls;
      if (report.outcome == scenario::Outcome::failed) {
        state.SkipWithError((plan.name + ": " + report.problem).c_str());
        return;
      }
    }
  state.counters["scenarios"] = static_cast<double>(suite.size());
  state.counters["kernel_calls"] =
      benchmark::Counter(static_cast<double>(calls), benchmark::Counter::kIsRate);
}
BENCHMARK(BM_WholeSuite)->Unit(benchmark::kMillisecond);

void BM_Explore(benchmark::State& state) {
  const auto suite = load_suite();
  std::uint64_t points = 0;
  for (auto _ : state)
    for (const scenario::Scenario& plan : suite) {
      if (!plan.explore) continue;
      const auto result = scenario::explore(plan, {}, tools::make_sim_stage);
      if (!result || !result->failures().empty()) {
        state.SkipWithError((plan.name + ": a power cut was not survived").c_str());
        return;
      }
      points += result->points();
    }
  state.counters["crash_points"] =
      benchmark::Counter(static_cast<double>(points), benchmark::Counter::kIsRate);
}
BENCHMARK(BM_Explore)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace

BENCHMARK_MAIN();
