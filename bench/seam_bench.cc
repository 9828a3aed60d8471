// Calls through the seam on the simulator, each kind and the mix of a busy node.
// To reach: at least 1,000,000 calls a second.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "backends/sim/world.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/intercept.h"
#include "runtime/kernel/links.h"
#include "runtime/kernel/mounts.h"
#include "runtime/kernel/processes.h"
#include "tools/common/world_file.h"

namespace {

using namespace twinhull;

/// One node with a group, a mount and a few files: what a running container has.
std::unique_ptr<sim::World> make_world(benchmark::State& state) {
  auto world = std::make_unique<sim::World>(1);
  const auto ready = [&]() -> Status {
    TH_TRY(tools::add_ready_node(*world, {.name = "n1"}));
    Kernel& kernel = world->kernel("n1");
    TH_TRY(kernel.cgroups().create({"101"}));
    TH_TRY(kernel.files().make_directory("/vz/private/101"));
    TH_TRY(kernel.files().make_directory("/vz/private/101/fs"));
    TH_TRY(kernel.files().make_directory("/vz/private/101/work"));
    TH_TRY(kernel.files().make_directory("/vz/root/101"));
    return kernel.mounts().overlay("/vz/root/101", {{"/vz/template/cache/busybox"},
                                                    "/vz/private/101/fs",
                                                    "/vz/private/101/work"});
  }();
  if (!ready) state.SkipWithError(ready.error().message().c_str());
  return world;
}

template <typename Body>
void run(benchmark::State& state, std::int64_t calls_per_round, Body body) {
  const auto world = make_world(state);
  Kernel& kernel = world->kernel("n1");
  for (auto _ : state) {
    if (!body(kernel)) {
      state.SkipWithError("a call failed");
      break;
    }
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * calls_per_round);
}

void BM_ClockNow(benchmark::State& state) {
  run(state, 1, [](Kernel& k) {
    benchmark::DoNotOptimize(k.clock().now());
    return true;
  });
}
BENCHMARK(BM_ClockNow);

void BM_FilesStat(benchmark::State& state) {
  run(state, 1, [](Kernel& k) { return k.files().stat("/etc/vz/vz.conf").has_value(); });
}
BENCHMARK(BM_FilesStat);

void BM_FilesStatThroughOverlay(benchmark::State& state) {
  run(state, 1, [](Kernel& k) { return k.files().stat("/vz/root/101/bin/sh").has_value(); });
}
BENCHMARK(BM_FilesStatThroughOverlay);

void BM_FilesWriteRead(benchmark::State& state) {
  run(state, 2, [](Kernel& k) {
    return k.files().write("/vz/tmp/x", "some content") && k.files().read("/vz/tmp/x");
  });
}
BENCHMARK(BM_FilesWriteRead);

void BM_CgroupSetAndSample(benchmark::State& state) {
  run(state, 2, [](Kernel& k) {
    return k.cgroups().set_cpu_shares({"101"}, {512}) && k.cgroups().sample({"101"});
  });
}
BENCHMARK(BM_CgroupSetAndSample);

/// What vzlist and a start ask for, in about their proportions.
bool busy_mix(Kernel& k) {
  return k.files().stat("/etc/vz/conf/101.conf").has_value() &&
         k.files().read("/etc/vz/vz.conf").has_value() &&
         k.files().list("/etc/vz/names").has_value() && k.mounts().find("/vz/root/101").has_value() &&
         k.processes().find("101").has_value() && k.cgroups().sample({"101"}).has_value() &&
         k.cgroups().set_pids({"101"}, 100).has_value() &&
         k.files().write("/vz/lock/x", "1\nstarting\n").has_value() &&
         k.files().remove("/vz/lock/x").has_value() &&
         k.links().find(NetScope::node(), "veth101").has_value();
}

void BM_BusyMix(benchmark::State& state) { run(state, 10, busy_mix); }
BENCHMARK(BM_BusyMix);

class Watcher final : public CallObserver {
 public:
  std::optional<Error> before(const Call& call) override {
    seen_ = call.sequence;
    return std::nullopt;
  }
  std::optional<Error> after(const Call&, const CallOutcome&) override { return std::nullopt; }
  std::uint64_t seen_ = 0;
};

void BM_BusyMixIntercepted(benchmark::State& state) {
  const auto world = make_world(state);
  Watcher watcher;
  const auto kernel = intercept(world->kernel("n1"), watcher);
  for (auto _ : state)
    if (!busy_mix(*kernel)) {
      state.SkipWithError("a call failed");
      break;
    }
  state.SetItemsProcessed(static_cast<std::int64_t>(watcher.seen_));
}
BENCHMARK(BM_BusyMixIntercepted);

}  // namespace

BENCHMARK_MAIN();
