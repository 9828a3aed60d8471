#include "backends/sim/cpu/cpu_tree.h"

#include <algorithm>

namespace twinhull::sim {
CpuTree::CpuTree(std::uint32_t cpus, SchedulerRules rules) : cpus_(cpus), rules_(rules) {
  groups_.try_emplace(kRootCpuGroup);
}

CpuGroupId CpuTree::add_group(CpuGroupId parent) {
  const CpuGroupId id = next_group_++;
  Group& group = groups_[id];
  group.id = id;
  group.parent = parent;
  group.since = group.anchor = now_;
  group.up = &groups_.at(parent);
  group.up->children.insert(id);
  return id;
}

void CpuTree::remove_group(CpuGroupId id) {
  Group& group = groups_.at(id);
  update_active(group);  // a loaded world may say of an empty group that it is busy
  if (group.allowed) {
    --masked_;
    mark_all();
  }
  group.up->children.erase(id);
  groups_.erase(id);
}

void CpuTree::set_weight(CpuGroupId id, std::uint64_t shares) {
  Group& group = groups_.at(id);
  group.weight = shares;
  mark(group);
}

void CpuTree::set_quota(CpuGroupId id, std::optional<CpuQuota> quota) {
  Group& group = groups_.at(id);
  settle(group);
  group.quota = quota;
  group.anchor = now_;
  group.counting = false;
  group.throttled = group.throttle_rate = 0;
  mark(group);
}

void CpuTree::set_allowed(CpuGroupId id, std::optional<CpuMask> allowed) {
  Group& group = groups_.at(id);
  masked_ += static_cast<std::size_t>(allowed.has_value());
  masked_ -= static_cast<std::size_t>(group.allowed.has_value());
  group.allowed = allowed;
  mark_all();
}

void CpuTree::set_frozen(CpuGroupId id, bool frozen) {
  Group& group = groups_.at(id);
  group.frozen = frozen;
  update_active(group);
  mark(group);
}

/// Tells the next solve that something in `group` changed.
void CpuTree::mark(Group& group) {
  dirty_ = true;
  // All the way: what is stale inside a resting group was not told to those above it.
  for (Group* at = &group; at->up != nullptr; at = at->up) {
    if (at->stale) continue;
    at->stale = true;
    at->up->changed.push_back(at->id);
  }
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
  task.up = &groups_.at(group);
  task.up->tasks.emplace_hint(task.up->tasks.end(), id, &task);
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
  update_active(*task.up);
  mark(*task.up);
}

void CpuTree::set_stopped(CpuTaskId id, bool stopped) {
  Task& task = tasks_.at(id);
  task.stopped = stopped;
  update_active(*task.up);
  mark(*task.up);
}

Duration CpuTree::remove_task(CpuTaskId id) {
  Task& task = tasks_.at(id);
  settle(task);
  const Duration used = task.used.time();
  if (task.due >= 0) due_.erase({task.due, id});
  Group& group = *task.up;
  group.tasks.erase(id);
  tasks_.erase(id);
  update_active(group);
  mark(group);
  return used;
}

Duration CpuTree::task_usage(CpuTaskId id) const {
  Task task = tasks_.at(id);
  settle(task);
  return task.used.time();
}

CpuDemand CpuTree::demand(CpuTaskId id) const {
  const Task& task = tasks_.at(id);
  return {task.threads, {task.each}, work_left(id)};
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
    if (group.throttled > 0) {
      group.throttled_periods.add(group.throttled, boundaries);
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

/// Everything in the group gets no CPU.
void CpuTree::rest(Group& group) {
  set_rate(group, 0);
  group.counting = group.known = false;
  group.throttled = group.throttle_rate = 0;
  for (const auto& [id, task] : group.tasks) set_rate(id, *task, 0);
  for (CpuGroupId id : group.children) {
    Group& child = groups_.at(id);
    if (child.rate > 0 || child.counting || child.known) rest(child);
  }
}

void CpuTree::update_active(Group& changed) {
  for (Group* group = &changed;; group = group->up) {
    bool active = !group->frozen && !group->active.empty();
    if (!group->frozen && !active) {
      active = std::any_of(group->tasks.begin(), group->tasks.end(),
                           [](const auto& entry) { return entry.second->runnable(); });
    }
    if (!active) rest(*group);
    Group* up = group->up;
    if (up == nullptr || active == up->active.contains(group->id)) return;
    if (active) {
      up->active.emplace(group->id, group);
    } else {
      up->active.erase(group->id);
      up->restless.erase(group->id);
      recount(*up, *group, {});
    }
    mark(*group);
  }
}

void CpuTree::advance(Instant now) {
  const std::int64_t to = now.time_since_epoch().count();
  if (to <= now_) return;
  sharpen();
  now_ = to;
}

std::optional<Instant> CpuTree::next_done() {
  update();
  if (due_.empty()) return std::nullopt;
  return Instant(Duration(std::max(due_.begin()->first, now_)));
}

std::vector<CpuTaskId> CpuTree::take_done() {
  update();
  std::vector<CpuTaskId> done;
  while (!due_.empty() && due_.begin()->first <= now_) {
    const CpuTaskId id = due_.begin()->second;
    due_.erase(due_.begin());
    Task& task = tasks_.at(id);
    settle(task);
    task.due = -1;
    task.done = true;
    set_rate(id, task, 0);
    update_active(*task.up);
    mark(*task.up);
    done.push_back(id);
  }
  std::sort(done.begin(), done.end());
  return done;
}

CpuSample CpuTree::sample(CpuGroupId id) {
  update();
  Group& group = groups_.at(id);
  settle(group);
  return {group.used.time(), group.periods, group.throttled_periods.whole, group.throttled_time.time()};
}

CpuRate CpuTree::rate_of(CpuGroupId group) {
  sharpen();
  return {at(group).rate};
}

CpuRate CpuTree::task_rate(CpuTaskId task) {
  sharpen();
  return {tasks_.at(task).rate};
}

CpuMeter CpuTree::delivered() {
  update();
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
    for (const auto& [id, task] : group.tasks) rates += task->bound();
    for (const auto& [id, child] : group.active) open.push_back(id);
  }
  return static_cast<std::uint64_t>((rates + kOneCpu - 1) / kOneCpu);
}

CpuTree::CpuTree(const CpuTree& other)
    : cpus_(other.cpus_), rules_(other.rules_), now_(other.now_), dirty_(other.dirty_), all_stale_(other.all_stale_),
      loaded_(other.loaded_), playing_(other.playing_), play_due_(other.play_due_),
      groups_(other.groups_), tasks_(other.tasks_), due_(other.due_), next_group_(other.next_group_),
      next_task_(other.next_task_) {
  link();
}

void CpuTree::relink() {
  link();
  all_stale_ = loaded_ = true;
}

/// Groups and tasks point at each other, in this tree.
void CpuTree::link() {
  masked_ = 0;
  for (auto& [id, group] : groups_) {
    group.id = id;
    group.up = id == kRootCpuGroup ? nullptr : &groups_.at(group.parent);
    masked_ += static_cast<std::size_t>(group.allowed.has_value());
    for (auto& [child, link] : group.active) link = &groups_.at(child);
    for (auto& [task, link] : group.tasks) {
      link = &tasks_.at(task);
      link->up = &group;
    }
  }
}

}  // namespace twinhull::sim
