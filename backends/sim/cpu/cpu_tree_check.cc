// What must hold of the CPU tree's state and of its solution.
#include <map>
#include <string>
#include <vector>

#include "backends/sim/cpu/cpu_room.h"
#include "backends/sim/cpu/cpu_tree.h"

namespace twinhull::sim {
namespace {

Error broken(const std::string& what) {
  return fail(ErrorCode::corrupt, "cpu.check", "CPU model", what);
}

}  // namespace

/// What is kept between solves is what a whole solve would find.
Status CpuTree::check_sums() const {
  if (all_stale_) return {};
  std::vector<const Group*> open{&at(kRootCpuGroup)};
  while (!open.empty()) {
    const Group& group = *open.back();
    open.pop_back();
    Sums sums;
    for (const auto& [id, child] : group.active) {
      sums.bound += child->bound;
      sums.wanted += child->wanted;
      sums.threads += child->threads;
      if (child->stale) return broken("group " + std::to_string(id) + " changed unseen");
      open.push_back(child);
    }
    if (sums != group.inside)
      return broken("the sums of group " + std::to_string(group.id) + " are of another time");
  }
  return {};
}

Status CpuTree::check() {
  sharpen();
  TH_TRY(check_sums());
  std::uint64_t idle = std::uint64_t{cpus_} * kOneCpu;
  if (at(kRootCpuGroup).rate > idle) return broken("more CPU is given than the node has");
  idle -= at(kRootCpuGroup).rate;
  for (const auto& [id, group] : groups_) {
    std::uint64_t sum = 0;
    for (const auto& [task, link] : group.tasks) {
      const Task& facts = *link;
      sum += facts.rate;
      if (facts.rate > facts.bound()) return broken("a task gets more than it wants");
    }
    for (CpuGroupId child : group.children) {
      sum += at(child).rate;
      if (!group.active.contains(child) && at(child).rate != 0) {
        return broken("a resting group gets CPU");
      }
    }
    if (sum != group.rate) {
      return broken("group " + std::to_string(id) + " gets " + std::to_string(group.rate) +
                    ", its members " + std::to_string(sum));
    }
    if (group.quota && group.rate > 0 && group.rate > group.bound) {
      return broken("group " + std::to_string(id) + " exceeds its quota");
    }
  }
  if (mixed_masks(at(kRootCpuGroup), CpuMask::first(cpus_))) {
    struct Open {
      CpuGroupId id;
      CpuMask mask;
      bool held;  // by the quota of a group on the way
    };
    std::vector<Open> below{{kRootCpuGroup, CpuMask::first(cpus_), false}};
    RatesByMask rates;
    std::map<CpuMask, CpuGroupId> hungry;
    for (std::size_t i = 0; i < below.size(); ++i) {
      Open here = below[i];
      const Group& group = at(here.id);
      if (group.allowed) here.mask &= *group.allowed;
      here.held = here.held || (group.quota && group.rate == group.bound);
      for (const auto& [task, link] : group.tasks) {
        const Task& facts = *link;
        rates[here.mask] += facts.rate;
        if (!here.held && facts.rate < facts.bound()) hungry.try_emplace(here.mask, here.id);
      }
      for (const auto& [child, link] : group.active) below.push_back({child, here.mask, here.held});
    }
    const std::vector<std::uint64_t> capacity(cpus_, kOneCpu);
    if (!fits(capacity, rates)) return broken("tasks get more than the CPUs of their sets have");
    for (const auto& [mask, id] : hungry)
      if (room_beside(capacity, rates, mask) > 0)
        return broken("a CPU idles beside a runnable task in group " + std::to_string(id));
    return {};
  }
  if (idle == 0) return {};
  // Without CPU sets: whoever is held back has an ancestor at its quota (or at its CPU set).
  std::vector<CpuGroupId> open{kRootCpuGroup};
  while (!open.empty()) {
    const CpuGroupId id = open.back();
    const Group& group = at(id);
    open.pop_back();
    if (group.rate == group.bound && id != kRootCpuGroup) continue;
    for (const auto& [task, link] : group.tasks) {
      if (link->rate < link->bound()) {
        return broken("a CPU idles beside a runnable task in group " + std::to_string(id));
      }
    }
    for (const auto& [child, link] : group.active) open.push_back(child);
  }
  return {};
}

bool CpuTree::sane() const {
  if (cpus_ == 0 || cpus_ > kMostCpus || now_ < 0 || !groups_.contains(kRootCpuGroup)) return false;
  for (const auto& [id, group] : groups_) {
    // A parent is older than its child: no cycles.
    if (id >= next_group_ || (id != kRootCpuGroup && group.parent >= id)) return false;
    if (id != kRootCpuGroup) {
      const auto parent = groups_.find(group.parent);
      if (parent == groups_.end() || !parent->second.children.contains(id)) return false;
    }
    if (group.weight == 0 || group.weight > (std::uint64_t{1} << 32)) return false;
    if (group.since < 0 || group.since > now_ || group.anchor < 0 || group.anchor > now_) return false;
    if (group.quota && (group.quota->period < milliseconds(1) ||
                        group.quota->period > seconds(1) || group.quota->quota.count() <= 0)) {
      return false;
    }
    for (CpuGroupId child : group.children) {
      const auto found = groups_.find(child);
      if (child == id || found == groups_.end() || found->second.parent != id) return false;
    }
    for (const auto& [child, link] : group.active) {
      if (!group.children.contains(child)) return false;
    }
    for (const auto& [task, link] : group.tasks) {
      const auto found = tasks_.find(task);
      if (found == tasks_.end() || found->second.group != id) return false;
    }
  }
  for (const auto& [id, task] : tasks_) {
    const auto group = groups_.find(task.group);
    if (id >= next_task_ || group == groups_.end() || !group->second.tasks.contains(id)) return false;
    if (task.since < 0 || task.since > now_ || task.each > kOneCpu) return false;
    if ((task.due >= 0) != due_.contains({task.due, id})) return false;
  }
  for (const auto& [at, task] : due_) {
    const auto found = tasks_.find(task);
    if (found == tasks_.end() || found->second.due != at) return false;
  }
  return true;
}

}  // namespace twinhull::sim
