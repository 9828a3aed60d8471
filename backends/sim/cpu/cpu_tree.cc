#include "backends/sim/cpu/cpu_tree.h"

#include <algorithm>

namespace twinhull::sim {
namespace {

std::uint64_t quota_rate(const CpuQuota& quota) {
  const auto amount = static_cast<std::uint64_t>(quota.quota.count());
  if (amount <= ~std::uint64_t{0} / kOneCpu)  // up to 18 s: without the slow division
    return amount * kOneCpu / static_cast<std::uint64_t>(quota.period.count());
  return static_cast<std::uint64_t>(static_cast<UInt128>(quota.quota.count()) * kOneCpu /
                                    static_cast<std::uint64_t>(quota.period.count()));
}

}  // namespace

CpuTree::CpuTree(std::uint32_t cpus) : cpus_(cpus) { groups_.try_emplace(kRootCpuGroup); }

CpuGroupId CpuTree::add_group(CpuGroupId parent) {
  const CpuGroupId id = next_group_++;
  Group& group = groups_[id];
  group.parent = parent;
  group.since = group.anchor = now_;
  groups_.at(parent).children.insert(id);
  return id;
}

void CpuTree::remove_group(CpuGroupId id) {
  const CpuGroupId parent = at(id).parent;
  groups_.at(parent).children.erase(id);
  groups_.at(parent).active.erase(id);
  groups_.erase(id);
}

void CpuTree::set_weight(CpuGroupId group, std::uint64_t shares) {
  groups_.at(group).weight = shares;
  mark();
}

void CpuTree::set_quota(CpuGroupId id, std::optional<CpuQuota> quota) {
  Group& group = groups_.at(id);
  settle(group);
  group.quota = quota;
  group.anchor = now_;
  group.counting = group.throttled = false;
  group.throttle_rate = 0;
  mark();
}

void CpuTree::set_allowed(CpuGroupId group, std::optional<CpuMask> allowed) {
  groups_.at(group).allowed = allowed;
  mark();
}

void CpuTree::set_frozen(CpuGroupId group, bool frozen) {
  groups_.at(group).frozen = frozen;
  update_active(group);
  mark();
}

CpuMask CpuTree::allowed(CpuGroupId id) const {
  CpuMask mask = CpuMask::first(cpus_);
  while (true) {
    const Group& group = at(id);
    if (group.allowed) mask &= *group.allowed;
    if (id == kRootCpuGroup) return mask;
    id = group.parent;
  }
}

CpuTaskId CpuTree::add_task(CpuGroupId group, const CpuDemand& demand) {
  const CpuTaskId id = next_task_++;
  Task& task = tasks_[id];
  task.group = group;
  task.since = now_;
  groups_.at(group).tasks.insert(id);
  set_demand(id, demand);
  return id;
}

void CpuTree::set_demand(CpuTaskId id, const CpuDemand& demand) {
  Task& task = tasks_.at(id);
  settle(task);
  task.threads = std::max<std::uint32_t>(1, demand.threads);
  task.each = std::min(demand.each.value, kOneCpu);
  task.finite = demand.work.has_value();
  task.done = false;
  if (task.finite) {
    const auto work = static_cast<std::uint64_t>(std::max<std::int64_t>(0, demand.work->count()));
    task.goal = task.used.whole + work;
    if (work == 0) {
      task.done = true;
      if (task.due >= 0) due_.erase({task.due, id});
      task.due = now_;
      due_.insert({now_, id});
    }
  }
  update_active(task.group);
  mark();
}

void CpuTree::set_stopped(CpuTaskId id, bool stopped) {
  Task& task = tasks_.at(id);
  task.stopped = stopped;
  update_active(task.group);
  mark();
}

Duration CpuTree::remove_task(CpuTaskId id) {
  Task& task = tasks_.at(id);
  settle(task);
  const Duration used = task.used.time();
  if (task.due >= 0) due_.erase({task.due, id});
  const CpuGroupId group = task.group;
  groups_.at(group).tasks.erase(id);
  tasks_.erase(id);
  update_active(group);
  mark();
  return used;
}

Duration CpuTree::task_usage(CpuTaskId id) const {
  Task task = tasks_.at(id);
  settle(task);
  return task.used.time();
}

std::optional<Duration> CpuTree::work_left(CpuTaskId id) const {
  Task task = tasks_.at(id);
  if (!task.finite) return std::nullopt;
  settle(task);
  return Duration(static_cast<std::int64_t>(task.goal - std::min(task.goal, task.used.whole)));
}

void CpuTree::settle(Group& group) const {
  const std::int64_t from = group.since;
  if (from == now_) return;
  const auto length = static_cast<std::uint64_t>(now_ - from);
  group.used.add(group.rate, length);
  if (group.counting && group.quota) {
    const std::int64_t period = group.quota->period.count();
    const auto boundaries = static_cast<std::uint64_t>((now_ - group.anchor) / period -
                                                       (from - group.anchor) / period);
    group.periods += boundaries;
    if (group.throttled) {
      group.throttled_periods += boundaries;
      group.throttled_time.add(group.throttle_rate, length);
    }
  }
  group.since = now_;
}

void CpuTree::settle(Task& task) const {
  if (task.since == now_) return;
  task.used.add(task.rate, static_cast<std::uint64_t>(now_ - task.since));
  task.since = now_;
}

void CpuTree::set_rate(Group& group, std::uint64_t rate) {
  settle(group);
  group.rate = rate;
}

void CpuTree::set_rate(CpuTaskId id, Task& task, std::uint64_t rate) {
  settle(task);
  task.rate = rate;
  if (task.done) return;
  std::int64_t due = -1;
  if (task.finite && rate > 0) {
    // The first nanosecond at which the usage reaches the goal; fractions count as CpuMeter does.
    const UInt128 missing = static_cast<UInt128>(task.goal - std::min(task.goal, task.used.whole)) *
                             kOneCpu -
                         std::min<UInt128>(task.used.fraction, kOneCpu);
    const UInt128 length = (missing + rate - 1) / rate;
    constexpr UInt128 kFar = static_cast<UInt128>(std::int64_t{1} << 62);
    due = length > kFar ? -1 : now_ + static_cast<std::int64_t>(length);
  }
  if (due == task.due) return;
  if (task.due >= 0) due_.erase({task.due, id});
  task.due = due;
  if (due >= 0) due_.insert({due, id});
}

/// Everything below `id` gets no CPU.
void CpuTree::rest(CpuGroupId id) {
  Group& group = groups_.at(id);
  set_rate(group, 0);
  group.counting = group.throttled = false;
  group.throttle_rate = 0;
  for (CpuTaskId task : group.tasks) set_rate(task, tasks_.at(task), 0);
  for (CpuGroupId child : group.children) {
    if (at(child).rate > 0 || at(child).counting) rest(child);
  }
}

void CpuTree::update_active(CpuGroupId id) {
  while (true) {
    Group& group = groups_.at(id);
    bool active = !group.frozen && !group.active.empty();
    if (!group.frozen && !active) {
      active = std::any_of(group.tasks.begin(), group.tasks.end(),
                           [&](CpuTaskId task) { return tasks_.at(task).runnable(); });
    }
    if (!active) rest(id);
    if (id == kRootCpuGroup) return;
    Group& parent = groups_.at(group.parent);
    if (active == parent.active.contains(id)) return;
    if (active) {
      parent.active.insert(id);
    } else {
      parent.active.erase(id);
    }
    id = group.parent;
  }
}

void CpuTree::advance(Instant now) {
  const std::int64_t to = now.time_since_epoch().count();
  if (to <= now_) return;
  if (dirty_) solve();
  now_ = to;
}

std::optional<Instant> CpuTree::next_done() {
  if (dirty_) solve();
  if (due_.empty()) return std::nullopt;
  return Instant(Duration(std::max(due_.begin()->first, now_)));
}

std::vector<CpuTaskId> CpuTree::take_done() {
  if (dirty_) solve();
  std::vector<CpuTaskId> done;
  while (!due_.empty() && due_.begin()->first <= now_) {
    const CpuTaskId id = due_.begin()->second;
    due_.erase(due_.begin());
    Task& task = tasks_.at(id);
    settle(task);
    task.due = -1;
    task.done = true;
    set_rate(id, task, 0);
    update_active(task.group);
    mark();
    done.push_back(id);
  }
  std::sort(done.begin(), done.end());
  return done;
}

CpuSample CpuTree::sample(CpuGroupId id) {
  if (dirty_) solve();
  Group& group = groups_.at(id);
  settle(group);
  return {group.used.time(), group.periods, group.throttled_periods, group.throttled_time.time()};
}

CpuRate CpuTree::rate_of(CpuGroupId group) {
  if (dirty_) solve();
  return {at(group).rate};
}

CpuRate CpuTree::task_rate(CpuTaskId task) {
  if (dirty_) solve();
  return {tasks_.at(task).rate};
}

CpuMeter CpuTree::delivered() {
  if (dirty_) solve();
  Group& root = groups_.at(kRootCpuGroup);
  settle(root);
  return root.used;
}

std::uint64_t CpuTree::runnable_threads() const {
  // Threads of a task that wants less than a CPU each are runnable for that part of the time.
  UInt128 rates = 0;
  std::vector<CpuGroupId> open{kRootCpuGroup};
  while (!open.empty()) {
    const Group& group = at(open.back());
    open.pop_back();
    for (CpuTaskId task : group.tasks) rates += tasks_.at(task).bound();
    open.insert(open.end(), group.active.begin(), group.active.end());
  }
  return static_cast<std::uint64_t>((rates + kOneCpu - 1) / kOneCpu);
}

/// Fills `bound` and `wanted` bottom-up for everything runnable.
std::uint64_t CpuTree::compute_bounds(CpuGroupId id, const CpuMask& outer) {
  Group& group = groups_.at(id);
  CpuMask own;
  const CpuMask* mask = &outer;
  if (group.allowed) {
    own = outer;
    own &= *group.allowed;
    mask = &own;
  }
  UInt128 sum = 0;
  group.threads = 0;
  for (CpuTaskId id_of : group.tasks) {
    const Task& task = tasks_.at(id_of);
    sum += task.bound();
    if (task.runnable()) group.threads += task.threads;
  }
  for (CpuGroupId child : group.active) {
    sum += compute_bounds(child, *mask);
    group.threads += at(child).threads;
  }
  // A set has one CPU at least: counting them is seldom needed.
  group.wanted = static_cast<std::uint64_t>(
      sum <= kOneCpu ? sum : std::min(sum, static_cast<UInt128>(mask->count()) * kOneCpu));
  group.bound = group.quota ? std::min(group.wanted, quota_rate(*group.quota)) : group.wanted;
  return group.bound;
}

void CpuTree::solve() {
  dirty_ = false;
  const CpuMask all = CpuMask::first(cpus_);
  const std::uint64_t bound = compute_bounds(kRootCpuGroup, all);
  Group& root = groups_.at(kRootCpuGroup);
  const std::vector<std::uint64_t> capacity(cpus_, kOneCpu);
  distribute(kRootCpuGroup, bound, std::uint64_t{cpus_} * kOneCpu, all, &capacity);
  std::uint64_t given = 0;
  for (CpuTaskId task : root.tasks) given += tasks_.at(task).rate;
  for (CpuGroupId child : root.active) given += at(child).rate;
  set_rate(root, given);
}

}  // namespace twinhull::sim
