// How one level of the CPU tree is shared, and the invariants of the result.
#include <algorithm>
#include <map>
#include <string>

#include "backends/sim/cpu/affinity_fill.h"
#include "backends/sim/cpu/cpu_tree.h"
#include "backends/sim/cpu/pool_race.h"

namespace twinhull::sim {
namespace {

using RatesByMask = std::map<CpuMask, std::uint64_t>;

/// What all of `rates`, and `more` for tasks that may use `mask`, get of the CPUs together.
std::uint64_t carried(const std::vector<std::uint64_t>& capacity, const RatesByMask& rates,
                      const CpuMask& mask, std::uint64_t more) {
  std::vector<AffinityShare> takers;
  for (const auto& [allowed, rate] : rates) takers.push_back({{1, rate, 0}, allowed, {}});
  takers.push_back({{1, more, 0}, mask, {}});
  affinity_fill(capacity, takers);
  std::uint64_t sum = 0;
  for (const AffinityShare& taker : takers) sum += taker.share.given;
  return sum;
}

std::uint64_t sum_of(const RatesByMask& rates) {
  std::uint64_t sum = 0;
  for (const auto& [mask, rate] : rates) sum += rate;
  return sum;
}

bool fits(const std::vector<std::uint64_t>& capacity, const RatesByMask& rates) {
  return carried(capacity, rates, CpuMask(), 0) == sum_of(rates);
}

/// How much more tasks that may use `mask` could get while everybody keeps his rate; others may have
/// to move to other CPUs of theirs for it. (A largest flow can be reached from any other one without
/// taking from anybody.)
std::uint64_t room_beside(const std::vector<std::uint64_t>& capacity, const RatesByMask& rates,
                          const CpuMask& mask) {
  return carried(capacity, rates, mask, mask.count() * kOneCpu) - sum_of(rates);
}

}  // namespace

/// CPUs that runnable tasks below `id` may use.
CpuMask CpuTree::used_mask(CpuGroupId id, const CpuMask& outer) const {
  const Group& group = at(id);
  CpuMask mask = outer;
  if (group.allowed) mask &= *group.allowed;
  for (CpuTaskId task : group.tasks) {
    if (tasks_.at(task).runnable()) return mask;
  }
  CpuMask used;
  for (CpuGroupId child : group.active) used |= used_mask(child, mask);
  return used;
}

/// Whether runnable children of `id` differ in the CPUs that they may use.
bool CpuTree::mixed_masks(CpuGroupId id, const CpuMask& outer) const {
  const Group& group = at(id);
  if (group.active.empty()) return false;
  CpuMask mask = outer;
  if (group.allowed) mask &= *group.allowed;
  for (CpuGroupId child : group.active) {
    const Group& facts = at(child);
    if (facts.allowed && used_mask(child, mask) != mask) return true;
    if (!facts.active.empty() && mixed_masks(child, mask)) return true;
  }
  return false;
}

/// Gives `amount` (already bounded) to what is runnable directly in the group. `capacity` tells
/// the CPUs one by one where this level must respect them. `running` is the rate while the group's
/// own pool lasts, ≥ amount.
void CpuTree::distribute(CpuGroupId id, std::uint64_t amount, std::uint64_t running,
                         const CpuMask& outer, const std::vector<std::uint64_t>* capacity) {
  Group& group = groups_.at(id);
  CpuMask mask = outer;
  if (group.allowed) mask &= *group.allowed;
  const bool by_cpu = mixed_masks(id, outer);
  std::vector<CpuTaskId> tasks;
  std::vector<AffinityShare> takers;
  takers.reserve(group.tasks.size() + group.active.size());
  for (CpuTaskId task : group.tasks) {
    Task& facts = tasks_.at(task);
    if (!facts.runnable()) {
      if (facts.rate > 0) set_rate(task, facts, 0);
      continue;
    }
    tasks.push_back(task);
    const std::uint64_t weight = 1024 * std::uint64_t{facts.threads};
    takers.push_back({{weight, facts.bound(), 0}, mask, {}});
  }
  std::vector<Group*> children;  // a look-up in a large tree costs as much as the rest of a step
  children.reserve(group.active.size());
  for (CpuGroupId child : group.active) {
    Group& facts = groups_.at(child);
    children.push_back(&facts);
    takers.push_back({{facts.weight, facts.bound, 0}, by_cpu ? used_mask(child, mask) : mask, {}});
  }
  std::vector<std::uint64_t> room;
  if (by_cpu) {
    room.resize(cpus_);
    if (capacity != nullptr) {
      room = *capacity;
    } else {  // the group's amount, spread evenly over its CPUs
      std::uint64_t left = amount, cpus = mask.count();
      for (std::uint32_t cpu = 0; cpu < cpus_ && cpus > 0; ++cpu) {
        if (!mask.has(cpu)) continue;
        room[cpu] = left / cpus;
        left -= room[cpu];
        --cpus;
      }
    }
    affinity_fill(room, takers);
  } else {
    std::vector<Share> shares;
    shares.reserve(takers.size());
    for (const AffinityShare& taker : takers) shares.push_back(taker.share);
    UInt128 fast = 0;
    std::vector<Share> quick;
    if (running > amount) {
      // While the group's pool lasts its members share what it runs at; then all stand still. So a
      // member that wants little gets all of that, however small its weight.
      quick = shares;
      for (std::size_t i = 0; i < children.size() && amount > 0; ++i) {
        if (!children[i]->quota) continue;  // its quota counts by the clock, not while the group runs
        Share& share = quick[tasks.size() + i];
        const UInt128 most = static_cast<UInt128>(share.bound) * running / amount;
        share.bound = static_cast<std::uint64_t>(std::min<UInt128>(most, children[i]->wanted));
      }
      water_fill(running, quick);
      for (const Share& share : quick) fast += share.given;
    }
    if (fast > amount) {
      std::uint64_t left = amount;
      std::vector<Share> rest = shares;
      for (std::size_t i = 0; i < shares.size(); ++i) {
        const UInt128 part = static_cast<UInt128>(quick[i].given) * amount / fast;
        shares[i].given = static_cast<std::uint64_t>(std::min<UInt128>(part, shares[i].bound));
        left -= shares[i].given;
        rest[i].bound = shares[i].bound - shares[i].given;
      }
      water_fill(left, rest);
      for (std::size_t i = 0; i < shares.size(); ++i) shares[i].given += rest[i].given;
    } else {
      water_fill(amount, shares);
    }
    for (std::size_t i = 0; i < takers.size(); ++i) takers[i].share = shares[i];
  }
  bool any_throttled = false;
  for (std::size_t i = 0; i < children.size(); ++i)
    any_throttled = any_throttled || is_throttled(*children[i], takers[tasks.size() + i].share.given);
  std::vector<std::uint64_t> stands;
  if (any_throttled) stands = standing(group, tasks, takers, by_cpu, running, room);
  std::uint64_t taken = 0;
  for (const AffinityShare& taker : takers) taken += taker.share.given;
  const std::uint64_t spare = running - std::min(running, taken);
  std::size_t next = 0;
  for (CpuTaskId task : tasks) set_rate(task, tasks_.at(task), takers[next++].share.given);
  auto number = group.active.begin();
  for (std::size_t i = 0; i < children.size(); ++i, ++next, ++number) {
    const std::uint64_t given = takers[next].share.given;
    Group& facts = *children[i];
    set_rate(facts, given);
    facts.counting = facts.quota.has_value();
    facts.throttled = is_throttled(facts, given);
    facts.throttle_rate = 0;
    const std::uint64_t stood = facts.throttled ? stands[next] : 0;
    // A queue stands still on each CPU where a thread waits.
    const auto queues = [&] {
      return facts.threads == 1 ? 1 : std::min<std::uint64_t>(facts.threads, takers[next].allowed.count());
    };
    if (facts.throttled) facts.throttle_rate = queues() * stood;
    if (facts.active.empty() && facts.tasks.size() == 1) {  // most groups of a large node
      const CpuTaskId task = *facts.tasks.begin();
      Task& only = tasks_.at(task);
      set_rate(task, only, std::min(given, only.bound()));
      continue;
    }
    // What nobody takes is there for a group inside that runs ahead of its quota.
    std::uint64_t speed = std::min(given + spare, takers[next].allowed.count() * kOneCpu);
    if (stood > 0 && stood < kOneCpu)
      speed = std::max(speed, static_cast<std::uint64_t>(static_cast<UInt128>(given) * kOneCpu /
                                                         (kOneCpu - stood)));
    distribute(*number, given, std::max(speed, given), mask, nullptr);
  }
  if (!by_cpu || capacity == nullptr) return;

  // CPU sets inside CPU sets: a level does not see which CPUs the other levels fill, so a group may
  // have been given more than its members could take, and somebody may find room that was left.
  struct Leaf {
    CpuTaskId task;
    CpuMask mask;
  };
  std::vector<Leaf> leaves;
  std::vector<std::pair<CpuGroupId, CpuMask>> order{{id, outer}};
  std::map<CpuMask, std::uint64_t> rates;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Group& facts = at(order[i].first);
    CpuMask inner = order[i].second;
    if (facts.allowed) inner &= *facts.allowed;
    for (CpuTaskId task : facts.tasks) {
      rates[inner] += tasks_.at(task).rate;
      if (tasks_.at(task).rate < tasks_.at(task).bound()) leaves.push_back({task, inner});
    }
    for (CpuGroupId child : facts.active) order.emplace_back(child, inner);
  }
  for (std::size_t i = order.size(); --i > 0;) {
    Group& facts = groups_.at(order[i].first);
    std::uint64_t sum = 0;
    for (CpuTaskId task : facts.tasks) sum += tasks_.at(task).rate;
    for (CpuGroupId child : facts.active) sum += at(child).rate;
    if (sum == facts.rate) continue;
    set_rate(facts, sum);
    facts.throttled = is_throttled(facts, sum);
    if (!facts.throttled) facts.throttle_rate = 0;
  }
  std::set<CpuMask> full;
  for (const Leaf& leaf : leaves) {
    if (full.contains(leaf.mask)) continue;
    Task& facts = tasks_.at(leaf.task);
    std::uint64_t more = facts.bound() - facts.rate;
    for (CpuGroupId up = facts.group; up != kRootCpuGroup; up = at(up).parent)
      if (at(up).quota) more = std::min(more, at(up).bound - std::min(at(up).bound, at(up).rate));
    if (more == 0) continue;
    const std::uint64_t found = room_beside(*capacity, rates, leaf.mask);
    if (found <= more) full.insert(leaf.mask);
    more = std::min(more, found);
    if (more == 0) continue;
    rates[leaf.mask] += more;
    set_rate(leaf.task, facts, facts.rate + more);
    for (CpuGroupId up = facts.group; up != kRootCpuGroup; up = at(up).parent)
      set_rate(groups_.at(up), at(up).rate + more);
  }
}

bool CpuTree::is_throttled(const Group& group, std::uint64_t given) {
  return group.quota && group.wanted > group.bound && given == group.bound && group.bound > 0;
}

/// For each taker the part of the time (billionths) that it stands still with an empty pool.
/// Precondition: one at least is throttled.
std::vector<std::uint64_t> CpuTree::standing(const Group& group, const std::vector<CpuTaskId>& tasks,
                                             const std::vector<AffinityShare>& takers, bool by_cpu,
                                             std::uint64_t running,
                                             const std::vector<std::uint64_t>& room) const {
  std::vector<Racer> racers;
  UInt128 wanted = 0;
  std::uint64_t limited = 0;
  for (std::size_t i = 0; i < tasks.size(); ++i)
    racers.push_back({takers[i].share.weight, takers[i].share.bound, 0, 0, 0, 0});
  for (CpuGroupId child : group.active) {
    const Group& facts = at(child);
    racers.push_back({facts.weight, facts.wanted, 0, 0, 0, 0});
    // One that never empties its pool needs no pool.
    if (!is_throttled(facts, takers[racers.size() - 1].share.given)) continue;
    const auto period = static_cast<std::uint64_t>(facts.quota->period.count());
    racers.back().quota = static_cast<std::uint64_t>(facts.quota->quota.count());
    racers.back().period = period;
    ++limited;
  }
  for (const Racer& racer : racers) wanted += racer.wanted;
  if (!by_cpu && wanted > running) {
    // The kernel starts the period timer of each group at a random offset ("so that timers
    // interleave", init_cfs_bandwidth): what can be predicted is the mean over such offsets.
    const std::uint64_t draws = limited > 1 ? 16 : 1;
    std::vector<std::uint64_t> sums(racers.size(), 0);
    bool played = true;
    for (std::uint64_t draw = 0; draw < draws && played; ++draw) {
      for (std::size_t i = 0; i < racers.size(); ++i) {
        if (racers[i].quota == 0) continue;
        std::uint64_t mixed = (draw * 1'000'003 + i + 1) * 0x9e3779b97f4a7c15U;
        mixed ^= mixed >> 29;
        racers[i].phase = mixed * 0xbf58476d1ce4e5b9U % racers[i].period;
      }
      played = race_for_pools(running, racers);
      for (std::size_t i = 0; i < racers.size(); ++i) sums[i] += racers[i].stands;
    }
    if (played) {
      for (std::uint64_t& sum : sums) sum /= draws;
      return sums;
    }
  }
  // Nobody is in the way, or who is cannot be played: all run at the speed that they would have
  // without quotas until their pools are empty.
  std::vector<AffinityShare> free = takers;
  for (std::size_t i = tasks.size(); i < free.size(); ++i) free[i].share.bound = racers[i].wanted;
  if (by_cpu) {
    affinity_fill(room, free);
  } else {
    std::vector<Share> shares;
    for (const AffinityShare& taker : free) shares.push_back(taker.share);
    water_fill(running, shares);
    for (std::size_t i = 0; i < free.size(); ++i) free[i].share.given = shares[i].given;
  }
  std::vector<std::uint64_t> stands(takers.size(), 0);
  for (std::size_t i = tasks.size(); i < takers.size(); ++i) {
    if (racers[i].quota == 0) continue;
    const std::uint64_t bound = takers[i].share.bound;
    const std::uint64_t speed = std::max(free[i].share.given, bound);
    stands[i] = static_cast<std::uint64_t>(static_cast<UInt128>(kOneCpu) * (speed - bound) / speed);
  }
  return stands;
}

Status CpuTree::check() {
  if (dirty_) solve();
  const auto broken = [](const std::string& what) {
    return fail(ErrorCode::corrupt, "cpu.check", "CPU model", what);
  };
  std::uint64_t idle = std::uint64_t{cpus_} * kOneCpu;
  if (at(kRootCpuGroup).rate > idle) return broken("more CPU is given than the node has");
  idle -= at(kRootCpuGroup).rate;
  for (const auto& [id, group] : groups_) {
    std::uint64_t sum = 0;
    for (CpuTaskId task : group.tasks) {
      const Task& facts = tasks_.at(task);
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
  if (mixed_masks(kRootCpuGroup, CpuMask::first(cpus_))) {
    struct Open {
      CpuGroupId id;
      CpuMask mask;
      bool held;  // by the quota of a group on the way
    };
    std::vector<Open> below{{kRootCpuGroup, CpuMask::first(cpus_), false}};
    std::map<CpuMask, std::uint64_t> rates;
    std::map<CpuMask, CpuGroupId> hungry;
    for (std::size_t i = 0; i < below.size(); ++i) {
      Open here = below[i];
      const Group& group = at(here.id);
      if (group.allowed) here.mask &= *group.allowed;
      here.held = here.held || (group.quota && group.rate == group.bound);
      for (CpuTaskId task : group.tasks) {
        const Task& facts = tasks_.at(task);
        rates[here.mask] += facts.rate;
        if (!here.held && facts.rate < facts.bound()) hungry.try_emplace(here.mask, here.id);
      }
      for (CpuGroupId child : group.active) below.push_back({child, here.mask, here.held});
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
    for (CpuTaskId task : group.tasks) {
      if (tasks_.at(task).rate < tasks_.at(task).bound()) {
        return broken("a CPU idles beside a runnable task in group " + std::to_string(id));
      }
    }
    open.insert(open.end(), group.active.begin(), group.active.end());
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
    for (CpuGroupId child : group.active) {
      if (!group.children.contains(child)) return false;
    }
    for (CpuTaskId task : group.tasks) {
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
