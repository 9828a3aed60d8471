// Where few groups compete and one has a limit: what a play of their queues says of it (queue_play.h).
//
// Constant rates are right on the average for groups that are always there. A limited group is not: it
// runs, stands still and comes back, in whole threads on whole CPUs, and who runs beside it when decides how
// long its pool lasts and what the others get. So the queues are played for a while. The rates that the play
// gives take the place of the weights in a second solve, which keeps bounds and capacities exactly.
#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "backends/sim/cpu/cpu_tree.h"
#include "backends/sim/cpu/queue_play.h"

namespace twinhull::sim {
namespace {

constexpr std::uint64_t kMostThreads = 32;
constexpr std::uint32_t kMostCpusPlayed = 16;
constexpr std::size_t kMostGroups = 64;
constexpr std::uint64_t kLargestWeight = 262'144;  // of a kernel's group

constexpr std::uint64_t kShortest = 500'000'000;  // ns, to settle
constexpr std::uint64_t kLongerBy = 4;            // times of that are counted
constexpr std::size_t kDraws = 24, kLeastDraws = 6;
constexpr std::size_t kThreadsPlayed = 400;  // in all draws: a play costs some milliseconds

/// Within these parts (percent) of what weights say a play is no news: it is a sample. On several CPUs the
/// kernel moves whole threads, so that a sample of a few minutes strays.
constexpr std::uint64_t kNoNewsOnOne = 2, kNoNewsOnMany = 10;
constexpr std::uint64_t kNoNewsOfTime = 15;  // on one CPU; on more, constant rates know little of it

using Key = std::vector<std::uint64_t>;

Key key_of(const PlayPlan& plan, const PlayLength& length) {
  Key key{static_cast<std::uint64_t>(plan.rules), plan.cpus, length.settle, length.time, plan.groups.size()};
  for (const PlayGroup& group : plan.groups)
    key.insert(key.end(), {group.parent, group.weight, group.quota, group.period});
  for (const PlayThread& thread : plan.threads)
    key.insert(key.end(), {thread.group, thread.demand, thread.cpus});
  return key;
}

/// Plays, or remembers: many worlds come through the same states again and again. What is remembered is
/// what would be played.
void play_once(PlayPlan& plan, const PlayLength& length) {
  constexpr std::size_t kMost = 256;
  thread_local std::map<Key, PlayPlan> known;
  Key key = key_of(plan, length);
  if (const auto found = known.find(key); found != known.end()) {
    plan = found->second;
    return;
  }
  play_queues(plan, length);
  if (known.size() >= kMost) known.clear();
  known.emplace(std::move(key), plan);
}

bool near(std::uint64_t value, std::uint64_t to, std::uint64_t percent) {
  const std::uint64_t apart = value > to ? value - to : to - value;
  return static_cast<UInt128>(apart) * 100 <= static_cast<UInt128>(to) * percent;
}

/// A limit not far above what its group wants: one who catches up after he was late may meet it.
bool reaches(std::uint64_t wanted, const CpuQuota& quota) {
  const auto per_time = [](UInt128 amount, Duration time) {
    return amount * static_cast<std::uint64_t>(time.count());
  };
  const UInt128 wants = per_time(wanted, quota.period), limit = per_time(kOneCpu, quota.quota);
  return wants <= limit && wants * 5 >= limit * 4;
}

std::uint64_t bits_of(const CpuMask& mask, std::uint32_t cpus) {
  std::uint64_t bits = 0;
  for (std::uint32_t cpu = 0; cpu < cpus; ++cpu) bits |= std::uint64_t{mask.has(cpu)} << cpu;
  return bits;
}

}  // namespace

/// Few threads, none of which is done soon; a limit holds somebody back, or nearly so, who is not alone on
/// his CPUs.
bool CpuTree::should_play() const {
  const Group& root = at(kRootCpuGroup);
  if (cpus_ > kMostCpusPlayed || root.threads > kMostThreads || root.threads < 2) return false;
  UInt128 wanted = root.inside.wanted;
  for (const auto& [id, task] : root.tasks) wanted += task->bound();
  bool limited = false, nearly = false, nested = false;
  std::size_t groups = 0;
  std::vector<std::pair<const Group*, bool>> open{{&root, false}};
  while (!open.empty()) {
    const auto [group, held] = open.back();
    open.pop_back();
    if (++groups > kMostGroups) return false;
    const bool holds = group->quota && group->bound < group->wanted;
    limited = limited || holds;
    nearly = nearly || (group->quota && reaches(group->wanted, *group->quota));
    nested = nested || (holds && held);
    for (const auto& [id, task] : group->tasks)
      if (task->runnable() && task->finite) return false;
    for (const auto& [id, child] : group->active) open.emplace_back(child, held || holds);
  }
  const std::uint64_t whole = std::uint64_t{cpus_} * kOneCpu;
  if (nearly && wanted >= whole) return true;
  return limited && (wanted > whole || masked_ > 0 || (nested && cpus_ > 1));
}

/// Precondition: a solve has given everybody the rates that weights say.
void CpuTree::play() {
  PlayPlan plan;
  plan.cpus = cpus_;
  plan.rules = rules_;
  PlayLength length{kShortest, 0, 1};
  struct Member {
    Group* group;
    CpuMask mask;
    std::uint64_t rate = 0;
  };
  struct Started {
    CpuTaskId id;
    Task* task;
    std::uint32_t member;
    std::uint64_t cpus;
  };
  std::vector<Member> members{{&groups_.at(kRootCpuGroup), CpuMask::first(cpus_)}};
  std::vector<Started> tasks;
  CpuMask used;
  plan.groups.push_back({});
  for (std::size_t i = 0; i < members.size(); ++i) {
    Group& group = *members[i].group;
    CpuMask mask = members[i].mask;
    if (group.allowed) mask &= *group.allowed;
    for (const auto& [id, task] : group.tasks) {
      if (!task->runnable()) continue;
      used |= mask;
      tasks.push_back({id, task, static_cast<std::uint32_t>(i), bits_of(mask, cpus_)});
    }
    for (const auto& [id, child] : group.active) {
      PlayGroup& made = plan.groups.emplace_back();
      made.parent = static_cast<std::uint32_t>(i);
      made.weight = std::clamp<std::uint64_t>(child->weight, 2, kLargestWeight);
      if (child->quota) {
        made.quota = static_cast<std::uint64_t>(child->quota->quota.count());
        made.period = static_cast<std::uint64_t>(child->quota->period.count());
        length.settle = std::max(length.settle, made.period);
      }
      members.push_back({child, mask});
    }
  }
  // Where a thread begins depends on who was there before.
  std::ranges::sort(tasks, {}, &Started::id);
  for (const Started& one : tasks)
    plan.threads.resize(plan.threads.size() + one.task->threads, {one.member, one.task->each, one.cpus, 0});
  length.time = kLongerBy * length.settle;
  length.draws = static_cast<std::uint32_t>(
      std::clamp(kThreadsPlayed / std::max<std::size_t>(1, plan.threads.size()), kLeastDraws, kDraws));
  play_once(plan, length);

  const bool single = used.count() == 1;
  const std::uint64_t no_news = single ? kNoNewsOnOne : kNoNewsOnMany;
  const auto aim = [&](std::uint64_t played, std::uint64_t before) {
    return std::max<std::uint64_t>(1, near(played, before, no_news) ? before : played);
  };
  auto thread = plan.threads.cbegin();
  for (const Started& started : tasks) {
    std::uint64_t rate = 0;
    for (std::uint32_t n = 0; n < started.task->threads; ++n) rate += (thread++)->rate;
    members[started.member].rate += rate;
    started.task->aim = aim(rate, started.task->rate);
  }
  for (std::size_t i = members.size(); i-- > 1;) {
    Group& group = *members[i].group;
    members[plan.groups[i].parent].rate += members[i].rate;
    group.aim = {aim(members[i].rate, group.rate), plan.groups[i].throttled_periods, plan.groups[i].stands};
    if (single && near(group.aim.throttle_rate, group.throttle_rate, kNoNewsOfTime))
      group.aim.throttle_rate = group.throttle_rate;
  }
}

}  // namespace twinhull::sim
