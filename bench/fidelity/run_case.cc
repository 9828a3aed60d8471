#include "bench/fidelity/run_case.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "bench/fidelity/setting.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/processes.h"

namespace twinhull::fidelity {
namespace {

bool has_children(const Case& plan, const GroupPlan& group) {
  return std::any_of(plan.groups.begin(), plan.groups.end(), [&](const GroupPlan& other) {
    return other.path.starts_with(group.path + "/");
  });
}

Status build(Setting& setting, const Case& plan) {
  Cgroups& groups = setting.groups();
  TH_TRY(setting.add(kTop));
  if (!plan.cpus.empty()) TH_TRY(groups.set_cpus({kTop}, CpuSet{plan.cpus}));
  for (const GroupPlan& group : plan.groups) {
    const std::string path = below(group.path);
    TH_TRY(setting.add(path));
    TH_TRY(groups.set_cpu_shares({path}, {group.shares}));
    if (!group.cpus.empty()) TH_TRY(groups.set_cpus({path}, CpuSet{group.cpus}));
  }
  unsigned number = 0;
  for (const GroupPlan& group : plan.groups) {
    for (const LoadPlan& load : group.loads) {
      const auto started = setting.spawn("load" + std::to_string(number++), below(group.path),
                                         {"cpu", "--threads", std::to_string(load.threads),
                                          "--percent", std::to_string(load.percent)});
      if (started) continue;
      if (started.error().code == ErrorCode::busy && has_children(plan, group))
        return fail(ErrorCode::not_supported, "fidelity.load", group.path,
                    "cgroup v2 has no processes beside child groups (no internal processes)");
      return started.error();
    }
  }
  // Last: programs would start slowly inside a small quota.
  for (const GroupPlan& group : plan.groups)
    if (group.quota) TH_TRY(groups.set_cpu_quota({below(group.path)}, group.quota));
  return {};
}

struct Snapshot {
  Instant at;
  std::vector<CpuSample> samples;
};

Result<Snapshot> look(const Bed& bed, const Case& plan) {
  Snapshot shot;
  shot.at = bed.kernel.clock().now();
  for (const GroupPlan& group : plan.groups) {
    TH_ASSIGN(const CgroupSample sample, bed.kernel.cgroups().sample({below(group.path)}));
    shot.samples.push_back(sample.cpu);
  }
  return shot;
}

double ratio(Duration part, Duration whole) {
  return whole.count() > 0 ? static_cast<double>(part.count()) / static_cast<double>(whole.count()) : 0;
}

/// Until `process`, just started, has ended or the memory of all has changed since `before` and then not for
/// so long: an emulated machine takes seconds to grow. Errors: timed_out.
Status until_grown(const Bed& bed, Setting& setting, const ProcessRef& process,
                   const MemorySample& before, Duration quiet) {
  // At its limit a group's whole usage does not change when memory takes the place of cache.
  const auto same = [](const MemorySample& a, const MemorySample& b) {
    return a.anonymous == b.anonymous && a.cache == b.cache && a.oom_kills == b.oom_kills;
  };
  constexpr Duration kPatience = seconds(120);
  const Instant deadline = bed.kernel.clock().now() + kPatience;
  MemorySample last = before;
  while (bed.kernel.clock().now() < deadline) {
    TH_TRY(bed.kernel.clock().sleep(quiet));
    TH_ASSIGN(const CgroupSample sample, setting.groups().sample({kTop}));
    TH_ASSIGN(const bool alive, bed.kernel.processes().alive(process));
    if (!alive || (same(sample.memory, last) && !same(last, before))) return {};
    last = sample.memory;
  }
  return fail(ErrorCode::timed_out, "fidelity.memory", std::string(kTop),
              "its memory does not come to rest");
}

/// Whether one more process that grows to `bytes` lives; it is gone afterwards.
Result<bool> survives(const Bed& bed, Setting& setting, unsigned number, std::uint64_t bytes) {
  const std::string label = "probe" + std::to_string(number);
  TH_ASSIGN(const CgroupSample before, setting.groups().sample({kTop}));
  TH_ASSIGN(const ProcessRef probe,
            setting.spawn(label, kTop, {"memory", "--grow", std::to_string(bytes)}));
  TH_TRY(bed.kernel.processes().wait_gone(probe, seconds(60)));
  TH_ASSIGN(const CgroupSample after, setting.groups().sample({kTop}));
  return before.memory.oom_kills == after.memory.oom_kills;
}

}  // namespace

Result<CpuOutcome> run_cpu_case(const Bed& bed, const Case& plan, Duration settle, Duration length) {
  Setting setting(bed);
  TH_TRY(build(setting, plan));
  if (bed.measuring) TH_TRY(bed.measuring(true));
  const auto measure = [&]() -> Result<CpuOutcome> {
    TH_TRY(bed.kernel.clock().sleep(settle));
    TH_ASSIGN(const Snapshot first, look(bed, plan));
    TH_TRY(bed.kernel.clock().sleep(length));
    TH_ASSIGN(const Snapshot second, look(bed, plan));
    CpuOutcome outcome;
    for (std::size_t i = 0; i < plan.groups.size(); ++i) {
      const GroupPlan& group = plan.groups[i];
      const CpuSample &from = first.samples[i], &to = second.samples[i];
      CpuFigures& figures = outcome[group.path];
      figures.usage = ratio(to.usage - from.usage, second.at - first.at);
      figures.periods = to.periods - from.periods;
      if (!group.quota || figures.periods == 0) continue;
      figures.throttled_periods =
          static_cast<double>(to.throttled_periods - from.throttled_periods) /
          static_cast<double>(figures.periods);
      figures.throttled_time =
          ratio(to.throttled - from.throttled,
                group.quota->period * static_cast<std::int64_t>(figures.periods));
    }
    return outcome;
  };
  Result<CpuOutcome> outcome = measure();
  if (bed.measuring) TH_TRY(bed.measuring(false));
  if (!outcome) return outcome;
  TH_TRY(setting.clear());
  return outcome;
}

Result<MemoryOutcome> run_memory_case(const Bed& bed, const Case& plan) {
  constexpr std::uint64_t kStep = 64 << 10;  // bytes; a thousandth of the smallest limit, about
  Setting setting(bed);
  TH_TRY(setting.add(kTop));
  TH_TRY(setting.groups().set_memory({kTop}, {plan.memory.limit, Bytes{0}}));
  MemoryOutcome outcome;
  std::vector<ProcessRef> started;
  for (const MemoryStep& step : plan.memory.steps) {
    TH_ASSIGN(const CgroupSample before, setting.groups().sample({kTop}));
    TH_ASSIGN(const ProcessRef process, setting.spawn(step.label, kTop, step.arguments));
    started.push_back(process);
    TH_TRY(until_grown(bed, setting, process, before.memory, step.then));
  }
  if (plan.memory.search) {
    // The largest growth that lives lies below the first that dies.
    std::uint64_t good = 0, bad = plan.memory.limit.value / kStep + 1;
    for (unsigned number = 0; good + 1 < bad; ++number) {
      const std::uint64_t middle = (good + bad) / 2;
      TH_ASSIGN(const bool lives, survives(bed, setting, number, middle * kStep));
      (lives ? good : bad) = middle;
    }
    outcome.survives = good * kStep;
  }
  for (std::size_t i = 0; i < started.size(); ++i) {
    TH_ASSIGN(const bool alive, bed.kernel.processes().alive(started[i]));
    // A writer ends by itself; only those that hold memory can have been killed.
    const MemoryStep& step = plan.memory.steps[i];
    if (!alive && step.arguments.front() == "memory")
      outcome.dead += (outcome.dead.empty() ? "" : " ") + step.label;
  }
  TH_ASSIGN(const CgroupSample sample, setting.groups().sample({kTop}));
  outcome.oom_kills = sample.memory.oom_kills;
  TH_TRY(setting.clear());
  return outcome;
}

}  // namespace twinhull::fidelity
