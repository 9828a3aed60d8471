// The CPU model: cost of one event as a node grows, and a day of real demand.
// To reach: 1,000 containers × 24 h × 5-minute steps of PlanetLab demand in 0.3 s on one core.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "backends/sim/cpu/cpu_tree.h"

namespace {

using namespace twinhull;
using namespace twinhull::sim;

/// A node of `cpus` CPUs with one busy process in each of `containers` groups.
struct ModelNode {
  ModelNode(std::uint32_t cpus, std::int64_t containers, std::uint64_t demand, bool limited)
      : tree(cpus) {
    for (std::int64_t i = 0; i < containers; ++i) {
      const CpuGroupId group = tree.add_group(kRootCpuGroup);
      tree.set_weight(group, 512 + static_cast<std::uint64_t>(i % 7) * 256);
      if (limited) tree.set_quota(group, CpuQuota{milliseconds(50), milliseconds(100)});
      tasks.push_back(tree.add_task(group, {1, {demand}, {}}));
    }
    benchmark::DoNotOptimize(tree.next_done());
  }
  CpuTree tree;
  std::vector<CpuTaskId> tasks;
  std::int64_t now = 0;
};

/// One process changes what it wants; the model tells when the next one will be done.
void one_event(benchmark::State& state, std::uint64_t demand, std::uint32_t cpus) {
  ModelNode node(cpus, state.range(0), demand, false);
  std::uint64_t step = 0;
  for (auto _ : state) {
    node.now += 1'000'000;
    node.tree.advance(Instant(Duration(node.now)));
    const CpuTaskId task = node.tasks[step * 7919 % node.tasks.size()];
    node.tree.set_demand(task, {1, {demand / 2 + step % 2 * (demand / 2)}, {}});
    benchmark::DoNotOptimize(node.tree.next_done());
    ++step;
  }
  state.SetComplexityN(state.range(0));
}

/// The node has CPU over: a change touches nobody else.
void BM_EventOnIdleNode(benchmark::State& state) { one_event(state, kOneCpu / 5000, 64); }
BENCHMARK(BM_EventOnIdleNode)->RangeMultiplier(10)->Range(100, 100'000)->Complexity();

/// Everybody wants more than there is: a change moves everybody's share.
void BM_EventOnFullNode(benchmark::State& state) { one_event(state, kOneCpu, 64); }
BENCHMARK(BM_EventOnFullNode)->RangeMultiplier(10)->Range(100, 100'000)->Complexity();

/// Rows of whole percentages, one a container.
std::vector<std::vector<std::uint32_t>> read_demand(const std::string& path) {
  std::vector<std::vector<std::uint32_t>> rows;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#' || line.starts_with("vm,")) continue;
    std::istringstream words(line.substr(line.find(',') + 1));
    std::vector<std::uint32_t> row;
    for (std::string word; std::getline(words, word, ',');)
      row.push_back(static_cast<std::uint32_t>(std::stoul(word)));
    rows.push_back(std::move(row));
  }
  return rows;
}

/// `state.range(0)` CPUs for 1,000 containers, each with a limit of half a CPU.
void BM_PlanetLabDay(benchmark::State& state) {
  const auto rows = read_demand(TWINHULL_DEMAND);
  if (rows.size() < 1000) return state.SkipWithError("no demand: " TWINHULL_DEMAND);
  std::int64_t usage = 0;
  for (auto _ : state) {
    ModelNode node(static_cast<std::uint32_t>(state.range(0)), 1000, 0, true);
    for (std::size_t step = 0; step < rows[0].size(); ++step) {
      for (std::size_t i = 0; i < node.tasks.size(); ++i)
        node.tree.set_demand(node.tasks[i], {1, {kOneCpu / 100 * rows[i][step]}, {}});
      node.now += 300'000'000'000;
      node.tree.advance(Instant(Duration(node.now)));
    }
    usage = node.tree.sample(kRootCpuGroup).usage.count();
  }
  state.counters["cpu_hours"] = static_cast<double>(usage) / 3.6e12;
  state.counters["container_steps"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * 1000 * static_cast<double>(rows[0].size()),
      benchmark::Counter::kIsRate);
}
BENCHMARK(BM_PlanetLabDay)->Arg(256)->Arg(64)->Unit(benchmark::kMillisecond);

/// Prints, after the table, how the cost of an event grows between 10² and 10⁵ containers.
class SlopeReporter final : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration || run.error_occurred || run.complexity_n == 0) continue;
      points_.push_back({run.run_name.function_name, static_cast<double>(run.complexity_n),
                         run.GetAdjustedCPUTime()});
    }
  }
  void Finalize() override {
    ConsoleReporter::Finalize();
    for (std::size_t from = 0; from < points_.size();) {
      std::size_t to = from;
      while (to + 1 < points_.size() && points_[to + 1].name == points_[from].name) ++to;
      if (to > from)
        std::printf("%s: cost grows as n^%.2f from %g to %g containers\n", points_[from].name.c_str(),
                    std::log(points_[to].time / points_[from].time) /
                        std::log(points_[to].size / points_[from].size),
                    points_[from].size, points_[to].size);
      from = to + 1;
    }
  }

 private:
  struct Point {
    std::string name;
    double size = 0, time = 0;
  };
  std::vector<Point> points_;
};

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  SlopeReporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  benchmark::Shutdown();
  return 0;
}
