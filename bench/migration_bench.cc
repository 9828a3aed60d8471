// Migrations between two simulated nodes, by the real vzmigrate on both ends. To reach: 1,000 a
// second of a small container. The counters tell the simulated times beside the real ones, and the
// calls that one migration makes through the seam, both ends together.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "runtime/kernel/decorators/call_counter.h"
#include "tools/vzmigrate/two_nodes.h"

namespace {

using namespace twinhull;

/// A running container of `mebibytes` of memory, 101, on n1; nullptr after a failure.
std::unique_ptr<tools::TwoNodes> nodes_with_container(benchmark::State& state,
                                                      std::int64_t mebibytes) {
  auto nodes = std::make_unique<tools::TwoNodes>();
  const std::string load = "vzctl exec 101 vzload memory --grow " + std::to_string(mebibytes) +
                           "M --hold 100000000 >/dev/null 2>&1 &";
  for (const std::string& line :
       {std::string("vzctl create 101 --ostemplate busybox --ipadd 10.0.0.2"),
        std::string("vzctl set 101 --ram 4G --save"), std::string("vzctl start 101 --wait"),
        load}) {
    if (mebibytes == 0 && line == load) continue;
    const tools::CommandEnd end = nodes->run("n1", line);
    if (end.code == 0) continue;
    state.SkipWithError((line + ": " + end.text()).c_str());
    return nullptr;
  }
  nodes->world().advance(seconds(60));
  return nodes;
}

tools::CommandEnd move(tools::TwoNodes& nodes, const std::string& options, bool out,
                       const tools::TwoNodes::Wrap& wrap = {}) {
  return nodes.run(out ? "n1" : "n2",
                   "vzmigrate " + options + " -r yes " + (out ? "n2" : "n1") + " 101", wrap);
}

/// One more move, not timed, through a counter at both ends.
void count_calls(benchmark::State& state, tools::TwoNodes& nodes, const std::string& options,
                 bool out) {
  CallCounter calls;
  const auto wrap = [&calls](Kernel& kernel) { return intercept(kernel, calls); };
  nodes.wrap_service(wrap);
  if (const tools::CommandEnd end = move(nodes, options, out, wrap); end.code != 0) {
    state.SkipWithError(end.text().c_str());
    return;
  }
  state.counters["calls"] = static_cast<double>(calls.count().calls);
  state.counters["syncs"] = static_cast<double>(calls.count("files.sync").calls);
}

void there_and_back(benchmark::State& state, const std::string& options) {
  const auto nodes = nodes_with_container(state, state.range(0));
  if (!nodes) return;
  const Instant begun = nodes->world().now();
  std::int64_t moves = 0;
  for (auto unused : state) {
    static_cast<void>(unused);
    const tools::CommandEnd end = move(*nodes, options, moves % 2 == 0);
    if (end.code != 0) {
      state.SkipWithError(end.text().c_str());
      return;
    }
    ++moves;
  }
  state.SetItemsProcessed(moves);
  const auto each = (nodes->world().now() - begun) / std::max<std::int64_t>(moves, 1);
  state.counters["simulated_s"] = static_cast<double>(each / microseconds(1)) / 1e6;
  count_calls(state, *nodes, options, moves % 2 == 0);
}

void Online(benchmark::State& state) {
  there_and_back(state, "--online");
}
void OnlineWithoutRounds(benchmark::State& state) {
  there_and_back(state, "--online --noiter");
}
void Standard(benchmark::State& state) {
  there_and_back(state, "");
}

BENCHMARK(Online)->Arg(0)->Arg(64)->Arg(1024)->Unit(benchmark::kMicrosecond);
BENCHMARK(OnlineWithoutRounds)->Arg(0)->Arg(1024)->Unit(benchmark::kMicrosecond);
BENCHMARK(Standard)->Arg(0)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
