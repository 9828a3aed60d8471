// A world of many containers: save, load, vzlist, memory.
// To reach with 10,000 containers: below 1 GiB, vzlist below 0.2 s.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backends/sim/world.h"
#include "runtime/node/session.h"
#include "tools/commands.h"
#include "tools/common/world_file.h"

namespace {

using namespace twinhull;

/// Bytes that the program has allocated and not given back. (The resident size tells nothing here:
/// a loaded world fills what the one before it has freed.)
std::uint64_t allocated_bytes() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

int run_command(Kernel& kernel, const std::vector<std::string>& words, std::string* out = nullptr) {
  CapturedConsole console;
  Session session{kernel, Layout{}, console};
  const int code = tools::find_command(words[0])(session, words);
  if (out != nullptr) *out = console.out_text;
  return code;
}

/// A saved world with `count` containers that the real create command made. Made once a size.
const std::string& saved_world(std::int64_t count, benchmark::State& state) {
  static std::map<std::int64_t, std::string> worlds;
  std::string& bytes = worlds[count];
  if (!bytes.empty()) return bytes;
  sim::World world(1);
  sim::NodeSpec spec{.name = "n1"};
  spec.cpus = 64;
  spec.memory = {std::uint64_t{512} << 30};
  spec.disk = {std::uint64_t{20} << 40};
  spec.inodes = {200'000'000};
  if (!tools::add_ready_node(world, spec)) {
    state.SkipWithError("cannot make the node");
    return bytes;
  }
  const auto id = world.start("n1", "create", [&](Kernel& kernel) {
    for (std::int64_t i = 0; i < count; ++i) {
      const std::string number = std::to_string(101 + i);
      if (const int code = run_command(kernel, {"vzctl", "create", number, "--ostemplate", "busybox",
                                                "--hostname", "ct" + number});
          code != 0)
        return code;
    }
    return 0;
  });
  const auto code = id ? world.finish(*id, std::chrono::hours(24 * 365)) : Result<int>(id.error());
  if (!code || *code != 0) {
    state.SkipWithError("cannot create the containers");
    return bytes;
  }
  bytes = world.save();
  return bytes;
}

void BM_WorldSave(benchmark::State& state) {
  const std::string& bytes = saved_world(state.range(0), state);
  const auto world = sim::World::load(bytes);
  if (!world) return state.SkipWithError("cannot load");
  for (auto _ : state) benchmark::DoNotOptimize((*world)->save().size());
  state.counters["file_bytes"] = static_cast<double>(bytes.size());
}
BENCHMARK(BM_WorldSave)->Arg(100)->Arg(1000)->Arg(10000)->Unit(benchmark::kMillisecond);

void BM_WorldLoad(benchmark::State& state) {
  const std::string& bytes = saved_world(state.range(0), state);
  const std::uint64_t before = allocated_bytes();
  std::unique_ptr<sim::World> keep;
  for (auto _ : state) {
    auto world = sim::World::load(bytes);
    if (!world) return state.SkipWithError("cannot load");
    keep = std::move(*world);
  }
  state.counters["world_MiB"] = static_cast<double>(allocated_bytes() - before) / (1 << 20);
}
BENCHMARK(BM_WorldLoad)->Arg(100)->Arg(1000)->Arg(10000)->Unit(benchmark::kMillisecond);

void BM_VzlistAll(benchmark::State& state) {
  const auto world = sim::World::load(saved_world(state.range(0), state));
  if (!world) return state.SkipWithError("cannot load");
  Kernel& kernel = (*world)->kernel("n1");
  std::string out;
  for (auto _ : state)
    if (run_command(kernel, {"vzlist", "-a"}, &out) != 0) return state.SkipWithError("vzlist failed");
  state.counters["lines"] =
      static_cast<double>(std::count(out.begin(), out.end(), '\n'));
}
BENCHMARK(BM_VzlistAll)->Arg(100)->Arg(1000)->Arg(10000)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
