// vzctl set and explain of a running container: on the simulator, and as root on the real kernel.
// Whole commands without the start of a process: lock, recovery, validation, journal, the kernel's
// files, the configuration.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backends/linux/testing/node_fixture.h"
#include "backends/sim/world.h"
#include "runtime/node/session.h"
#include "tools/commands.h"
#include "tools/common/node_setup.h"
#include "tools/common/world_file.h"

namespace {

using namespace twinhull;
using linux_backend::testing::TestNode;
using Words = std::vector<std::string>;

/// Runs one command to its end; the exit code.
using Run = std::function<int(const Words&)>;

int run_here(Kernel& kernel, const Layout& layout, const Words& words) {
  CapturedConsole console;
  Session session{kernel, layout, console};
  return tools::find_command(words[0])(session, words);
}

/// Makes and starts CT 101; empty when it runs.
std::string prepare(const Run& run) {
  const Words steps[] = {{"vzctl", "create", "101", "--ostemplate", "busybox", "--ram", "256M"},
                         {"vzctl", "start", "101"}};
  for (const Words& words : steps)
    if (const int code = run(words); code != 0)
      return words[1] + " ended with " + std::to_string(code);
  return {};
}

/// Two values in turn, so that each call changes something.
void set_in_turn(benchmark::State& state, const Run& run, const Words& one, const Words& other) {
  bool first = true;
  for (auto _ : state) {
    Words words = {"vzctl", "set", "101"};
    const Words& chosen = first ? one : other;
    words.insert(words.end(), chosen.begin(), chosen.end());
    first = !first;
    if (run(words) != 0) return state.SkipWithError("set failed");
  }
}

void measure(benchmark::State& state, const Run& run) {
  if (const std::string problem = prepare(run); !problem.empty())
    return state.SkipWithError(problem.c_str());
  switch (state.range(0)) {
    case 0: set_in_turn(state, run, {"--cpuunits", "2000"}, {"--cpuunits", "1000"}); break;
    case 1:
      set_in_turn(state, run, {"--cpuunits", "2000", "--save"}, {"--cpuunits", "1000", "--save"});
      break;
    case 2:
      set_in_turn(state, run, {"--cpulimit", "50", "--ram", "128M", "--numproc", "100", "--save"},
                  {"--cpulimit", "80", "--ram", "256M", "--numproc", "200", "--save"});
      break;
    default:
      for (auto _ : state)
        if (run({"vzctl", "explain", "101"}) != 0) return state.SkipWithError("explain failed");
  }
  static constexpr const char* kNames[] = {"cpuunits", "cpuunits, saved", "three limits, saved",
                                           "explain"};
  state.SetLabel(kNames[state.range(0)]);
}

void BM_SimulatedNode(benchmark::State& state) {
  sim::World world(1);
  sim::NodeSpec spec{.name = "n1"};
  if (!tools::add_ready_node(world, spec)) return state.SkipWithError("cannot make the node");
  measure(state, [&](const Words& words) {
    const auto id = world.start("n1", words[1],
                                [&](Kernel& kernel) { return run_here(kernel, Layout{}, words); });
    const auto code = id ? world.finish(*id, std::chrono::hours(1)) : Result<int>(id.error());
    return code ? *code : 3;
  });
}
BENCHMARK(BM_SimulatedNode)->DenseRange(0, 3)->Unit(benchmark::kMicrosecond);

void BM_RealNode(benchmark::State& state) {
  if (::geteuid() != 0) return state.SkipWithError("needs root");
  auto node = TestNode::make("setbench");
  if (!node) return state.SkipWithError(node.error().message().c_str());
  const Layout layout{(*node)->root()};
  if (!(*node)->install_busybox() || !tools::set_up_node((*node)->kernel(), layout))
    return state.SkipWithError("cannot set the node up");
  measure(state, [&](const Words& words) { return run_here((*node)->kernel(), layout, words); });
  static_cast<void>(run_here((*node)->kernel(), layout, {"vzctl", "stop", "101", "--fast"}));
  if (const Status closed = (*node)->close(); !closed)
    state.SkipWithError(closed.error().message().c_str());
}
BENCHMARK(BM_RealNode)->DenseRange(0, 3)->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
