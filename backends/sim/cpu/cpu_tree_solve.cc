// How the CPU tree is shared, level by level; only what changed is visited.
#include <algorithm>
#include <map>

#include "backends/sim/cpu/affinity_fill.h"
#include "backends/sim/cpu/cpu_room.h"
#include "backends/sim/cpu/cpu_tree.h"
#include "backends/sim/cpu/pool_race.h"
#include "backends/sim/cpu/pool_share.h"
#include "backends/sim/cpu/tick_share.h"

namespace twinhull::sim {
namespace {

std::uint64_t quota_rate(const CpuQuota& quota) {
  const auto amount = static_cast<std::uint64_t>(quota.quota.count());
  if (amount <= ~std::uint64_t{0} / kOneCpu)  // up to 18 s: without the slow division
    return amount * kOneCpu / static_cast<std::uint64_t>(quota.period.count());
  return static_cast<std::uint64_t>(static_cast<UInt128>(quota.quota.count()) * kOneCpu /
                                    static_cast<std::uint64_t>(quota.period.count()));
}

/// A number without pattern for each `i` (the steps of SplitMix64). Its multiples, as parts of 2⁶⁴,
/// fill the range evenly: a mean over few of them is close to that over all.
std::uint64_t scattered(std::uint64_t i) {
  std::uint64_t mixed = i * 0x9e3779b97f4a7c15U;
  mixed = (mixed ^ mixed >> 30U) * 0xbf58476d1ce4e5b9U;
  mixed = (mixed ^ mixed >> 27U) * 0x94d049bb133111ebU;
  return mixed ^ mixed >> 31U;
}

/// Part of the time that a group stands still which could run at `speed` and gets `bound`.
std::uint64_t stood(std::uint64_t speed, std::uint64_t bound) {
  speed = std::max(speed, bound);
  return static_cast<std::uint64_t>(static_cast<UInt128>(kOneCpu) * (speed - bound) / speed);
}

/// Weight of one who had the rate `aim` in a play: who had all that he may is not to lose of it because
/// the others' samples do not add up.
std::uint64_t pull_of(std::uint64_t aim, std::uint64_t bound) { return aim < bound ? aim : 2 * aim; }

/// Adds what rounding left to those that are below their bounds.
void add_left(std::uint64_t left, std::vector<Share>& shares) {
  std::vector<Share> rest = shares;
  for (Share& share : rest) share.bound -= share.given;
  water_fill(left, rest);
  for (std::size_t i = 0; i < shares.size(); ++i) shares[i].given += rest[i].given;
}

}  // namespace

/// What is runnable directly in one group: its tasks, then its children, and what each may take.
struct CpuTree::Level {
  std::vector<std::pair<CpuTaskId, Task*>> tasks;
  std::vector<Group*> children;
  std::vector<Share> shares;
  std::vector<AffinityShare> takers;  ///< the same with CPU sets; empty when these are all alike
  std::optional<std::uint64_t> emptied;  ///< part of the period that the group's pool lasts, if played
  std::vector<std::uint64_t> stands;     ///< then: part of the time that each member stands still
};

/// CPUs that runnable tasks in the group may use.
CpuMask CpuTree::used_mask(const Group& group, const CpuMask& outer) {
  CpuMask mask = outer;
  if (group.allowed) mask &= *group.allowed;
  for (const auto& [id, task] : group.tasks) {
    if (task->runnable()) return mask;
  }
  CpuMask used;
  for (const auto& [id, child] : group.active) used |= used_mask(*child, mask);
  return used;
}

/// Whether runnable children of the group differ in the CPUs that they may use.
bool CpuTree::mixed_masks(const Group& group, const CpuMask& outer) {
  if (group.active.empty()) return false;
  CpuMask mask = outer;
  if (group.allowed) mask &= *group.allowed;
  return std::any_of(group.active.begin(), group.active.end(), [&](const auto& entry) {
    const Group& child = *entry.second;
    if (child.allowed && used_mask(child, mask) != mask) return true;
    return mixed_masks(child, mask);
  });
}

// --- what everybody wants, from the leaves up ----------------------------------------------------

/// `inside` and the tasks -> `bound`, `wanted` and `threads`.
void CpuTree::count(Group& group, const CpuMask& mask) {
  UInt128 sum = group.inside.bound;
  group.threads = group.inside.threads;
  for (const auto& [id, task] : group.tasks) {
    sum += task->bound();
    if (task->runnable()) group.threads += task->threads;
  }
  // A set has one CPU at least: counting them is seldom needed.
  group.wanted = static_cast<std::uint64_t>(
      sum <= kOneCpu ? sum : std::min(sum, static_cast<UInt128>(mask.count()) * kOneCpu));
  group.bound = group.quota ? std::min(group.wanted, quota_rate(*group.quota)) : group.wanted;
  // Who gets less than he wants owes the rest: he is always runnable.
  if (group.bound < group.wanted)
    group.wanted = std::min<std::uint64_t>(group.threads, mask.count()) * kOneCpu;
}

/// What the parent counts of the child is `now`.
void CpuTree::recount(Group& parent, Group& child, const Sums& now) {
  parent.inside.bound += now.bound - child.counted.bound;
  parent.inside.wanted += now.wanted - child.counted.wanted;
  parent.inside.threads += now.threads - child.counted.threads;
  child.counted = now;
}

/// Precondition: no CPU sets in the tree.
void CpuTree::refresh(Group& group, const CpuMask& all) {
  for (CpuGroupId id : group.changed) {
    const auto found = group.active.find(id);
    if (found == group.active.end()) continue;
    refresh(*found->second, all);
    recount(group, *found->second, sums_of(*found->second));
  }
  count(group, all);
}

void CpuTree::refresh_all(Group& group, const CpuMask& outer) {
  CpuMask mask = outer;
  if (group.allowed) mask &= *group.allowed;
  group.inside = {};
  for (const auto& [id, child] : group.active) {
    refresh_all(*child, mask);
    child->counted = {};
    recount(group, *child, sums_of(*child));
  }
  count(group, mask);
}

// --- what everybody gets, from the root down -----------------------------------------------------

void CpuTree::solve() {
  const CpuMask mask = CpuMask::first(cpus_);
  const bool all = all_stale_ || masked_ > 0;
  Group& root = groups_.at(kRootCpuGroup);
  if (all) {
    refresh_all(root, mask);
  } else {
    refresh(root, mask);
  }
  const bool played = playing_;
  dirty_ = loaded_ = playing_ = false;
  hand_down(all || played);
  play_due_ = should_play();
}

/// Rates as exact as they get: only states that last are worth a play. It changes no task's end, because it
/// is for tasks without one.
void CpuTree::sharpen() {
  update();
  if (!play_due_) return;
  play_due_ = false;
  play();
  playing_ = true;
  hand_down(true);
}

void CpuTree::hand_down(bool all) {
  Group& root = groups_.at(kRootCpuGroup);
  std::uint64_t given = 0;
  distribute(root, root.bound, std::uint64_t{cpus_} * kOneCpu, CpuMask::first(cpus_), all);
  if (root.roomy) {
    given = root.bound;
  } else {
    for (const auto& [id, task] : root.tasks) given += task->rate;
    for (const auto& [id, child] : root.active) given += child->rate;
  }
  set_rate(root, given);
  all_stale_ = false;
}

/// Gives `amount` (already bounded) to what is runnable directly in the group. `running` is the rate
/// while the group's own pool lasts, ≥ amount. `all`: trust nothing of the last solve.
void CpuTree::distribute(Group& group, std::uint64_t amount, std::uint64_t running,
                         const CpuMask& outer, bool all) {
  CpuMask mask = outer;
  if (group.allowed) mask &= *group.allowed;
  UInt128 bound = group.inside.bound, wanted = group.inside.wanted;
  for (const auto& [id, task] : group.tasks) {
    bound += task->bound();
    wanted += task->bound();
  }
  const bool roomy = bound <= amount && wanted <= running;
  group.played.reset();
  const bool by_cpu = masked_ > 0 && mixed_masks(group, outer);
  if (!all && group.known && group.roomy && roomy) {
    // Everybody had and has all that he wants: only who changed gets something else.
    const std::uint64_t spare = running - static_cast<std::uint64_t>(bound), cpus = mask.count();
    for (const auto& [id, task] : group.tasks) set_rate(id, *task, task->bound());
    const auto visit = [&](Group& child) {
      give(group, child, child.bound, stood(child.wanted, child.bound), spare, mask, cpus, false);
    };
    for (CpuGroupId id : group.changed)
      if (const auto found = group.active.find(id); found != group.active.end()) visit(*found->second);
    const std::vector<CpuGroupId> restless(group.restless.begin(), group.restless.end());
    for (CpuGroupId id : restless) visit(*group.active.at(id));
  } else {
    Level level;
    for (const auto& [id, task] : group.tasks) {
      if (task->runnable()) {
        level.tasks.emplace_back(id, task);
        const std::uint64_t weight = 1024 * std::uint64_t{task->threads};
        level.shares.push_back({playing_ ? pull_of(task->aim, task->bound()) : weight, task->bound(), 0});
      } else if (task->rate > 0) {
        set_rate(id, *task, 0);
      }
    }
    for (const auto& [id, child] : group.active) {
      level.children.push_back(child);
      const std::uint64_t weight = playing_ ? pull_of(child->aim.rate, child->bound) : child->weight;
      level.shares.push_back({weight, child->bound, 0});
    }
    std::vector<std::uint64_t> room;
    if (by_cpu) {
      room.resize(cpus_, kOneCpu);
      if (group.up != nullptr) {  // the group's amount, spread evenly over its CPUs
        std::fill(room.begin(), room.end(), 0);
        std::uint64_t left = amount, cpus = mask.count();
        for (std::uint32_t cpu = 0; cpu < cpus_ && cpus > 0; ++cpu) {
          if (!mask.has(cpu)) continue;
          room[cpu] = left / cpus;
          left -= room[cpu];
          --cpus;
        }
      }
      for (std::size_t i = 0; i < level.shares.size(); ++i)
        level.takers.push_back({level.shares[i],
                                i < level.tasks.size()
                                    ? mask
                                    : used_mask(*level.children[i - level.tasks.size()], mask),
                                {}});
      affinity_fill(room, level.takers);
      for (std::size_t i = 0; i < level.shares.size(); ++i)
        level.shares[i].given = level.takers[i].share.given;
    } else if (playing_) {
      water_fill(amount, level.shares);
    } else if (!share_ticks(group, level, amount, running, mask.count()) &&
               !share_by_race(group, level, amount, running, mask)) {
      share(level, amount, running);
    }
    give_all(group, level, running, room, mask, all);
    if (level.emptied) {  // who stands still for his own quota does not wait for the group's
      std::uint64_t waiting = 0;
      for (const auto& [id, task] : level.tasks) waiting += task->threads;
      for (const Group* child : level.children)
        if (child->throttled == 0) waiting += child->threads;
      group.played = (kOneCpu - *level.emptied) * std::min<std::uint64_t>(waiting, mask.count());
    }
  }
  close(group);
  group.known = true;
  group.amount = amount;
  group.running = running;
  group.roomy = roomy && !by_cpu;
  group.calm = !by_cpu && wanted <= amount && group.restless.empty();
  if (by_cpu && group.up == nullptr) fill_holes(group, outer, std::vector(cpus_, kOneCpu));
}

/// Max-min without CPU sets.
void CpuTree::share(Level& level, std::uint64_t amount, std::uint64_t running) {
  std::vector<Share>& shares = level.shares;
  UInt128 fast = 0;
  std::vector<Share> quick;
  if (running > amount) {
    // While the group's pool lasts its members share what it runs at; then all stand still. So a
    // member that wants little gets all of that, however small its weight.
    quick = shares;
    water_fill(running, quick);
    for (const Share& member : quick) fast += member.given;
  }
  if (fast <= amount) {
    water_fill(amount, shares);
    return;
  }
  std::uint64_t left = amount;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const UInt128 part = static_cast<UInt128>(quick[i].given) * amount / fast;
    shares[i].given = static_cast<std::uint64_t>(part);
    left -= shares[i].given;
  }
  add_left(left, shares);
}

/// Members of a throttled group that stop at a quota of their own, or at what they want: they have all of
/// that which they can use before the group's pool is empty. False: it is not so here, nothing was done.
bool CpuTree::share_by_race(const Group& group, Level& level, std::uint64_t amount, std::uint64_t running,
                            const CpuMask& mask) {
  const std::uint64_t most = mask.count() * kOneCpu;
  const auto speed_of = [&](std::uint64_t threads) { return std::min(threads, most / kOneCpu) * kOneCpu; };
  const auto stops = [&](const Group* child) {
    return child->bound < speed_of(child->threads) || child->inside.bound < child->inside.wanted;
  };
  const auto sleeps = [](const auto& entry) { return entry.second->each < kOneCpu; };
  if (running <= amount || !is_throttled(group, amount) ||
      (std::none_of(level.children.begin(), level.children.end(), stops) &&
       std::none_of(level.tasks.begin(), level.tasks.end(), sleeps)))
    return false;
  const std::size_t first = level.tasks.size();
  const auto period = static_cast<std::uint64_t>(group.quota->period.count());
  std::vector<PoolMember> members;
  members.reserve(level.shares.size());
  for (std::size_t i = 0; i < level.shares.size(); ++i) {  // who was late catches up at full speed
    const std::uint64_t threads =
        i < first ? level.tasks[i].second->threads : level.children[i - first]->threads;
    members.push_back({level.shares[i].weight, speed_of(threads), level.shares[i].bound});
  }
  bool refills = false;
  for (std::size_t i = 0; i < level.children.size(); ++i) {
    const Group& child = *level.children[i];
    refills = refills || (child.quota && child.quota->period < group.quota->period);
  }
  level.emptied = share_pool(amount, running, members);
  if (refills) {
    // A shorter period goes by the clock: while the group runs a pool is refilled that often only.
    for (std::size_t i = 0; i < level.children.size(); ++i) {
      const Group& child = *level.children[i];
      if (!child.quota || child.quota->period >= group.quota->period) continue;
      const std::uint64_t lasts =
          *level.emptied + static_cast<std::uint64_t>(static_cast<UInt128>(kOneCpu) *
                                static_cast<std::uint64_t>(child.quota->period.count()) / period);
      if (lasts < kOneCpu)
        members[first + i].bound =
            static_cast<std::uint64_t>(static_cast<UInt128>(child.bound) * lasts / kOneCpu);
    }
    level.emptied = share_pool(amount, running, members);
  }
  std::uint64_t left = amount;
  for (std::size_t i = 0; i < members.size(); ++i) {
    level.shares[i].given = members[i].given;
    left -= members[i].given;
  }
  add_left(left, level.shares);
  level.stands.resize(members.size(), 0);
  for (std::size_t i = 0; i < level.children.size(); ++i) {
    const Group& child = *level.children[i];
    const std::uint64_t until = members[first + i].until;
    if (!child.quota || until > *level.emptied) continue;
    std::uint64_t& stands = level.stands[first + i];
    if (child.quota->period == group.quota->period) {
      stands = stands_inside(until, *level.emptied);
    } else if (child.quota->period > group.quota->period) {
      stands = stood(*level.emptied, until);
    } else {  // filled again while the group stands still
      stands = *level.emptied - until;
    }
  }
  return true;
}

/// Members that always wait for more share a throttled group's pool on one CPU as its queue does: tick by
/// tick. False: it is not so here, nothing was done.
bool CpuTree::share_ticks(const Group& group, Level& level, std::uint64_t amount, std::uint64_t running,
                          std::uint64_t cpus) {
  constexpr std::uint64_t kMostMembers = 64;
  // One that stands still never, or hardly, keeps its queue: there the debts go on.
  if (cpus != 1 || running <= amount || level.shares.size() < 2 || !is_throttled(group, amount)) return false;
  std::vector<std::uint64_t> weights;
  for (const auto& [id, task] : level.tasks) {
    if (task->threads > kMostMembers) return false;
    weights.insert(weights.end(), task->threads, 1024);
  }
  for (const Group* child : level.children) {
    if (child->quota) return false;
    weights.push_back(child->weight);
  }
  if (weights.size() > kMostMembers) return false;
  const auto pool = static_cast<std::uint64_t>(group.quota->quota.count());
  const std::vector<std::uint64_t> had = share_by_ticks(pool, weights);
  std::uint64_t left = amount;
  std::vector<Share> shares = level.shares;
  for (std::size_t i = 0, at = 0; i < shares.size(); ++i) {
    std::uint64_t sum = 0;
    for (std::uint64_t n = i < level.tasks.size() ? level.tasks[i].second->threads : 1; n > 0; --n)
      sum += had[at++];
    shares[i].given = std::min(left, static_cast<std::uint64_t>(static_cast<UInt128>(amount) * sum / pool));
    if (shares[i].given > shares[i].bound) return false;  // it has all that it wants
    left -= shares[i].given;
  }
  add_left(left, shares);  // what rounding left
  level.shares = std::move(shares);
  return true;
}

/// Hands a level's shares to its members.
void CpuTree::give_all(Group& group, const Level& level, std::uint64_t running,
                       const std::vector<std::uint64_t>& room, const CpuMask& mask, bool all) {
  const std::size_t first = level.tasks.size();
  bool any_throttled = false;
  std::uint64_t taken = 0;
  for (std::size_t i = 0; i < level.children.size(); ++i)
    any_throttled = any_throttled || is_throttled(*level.children[i], level.shares[first + i].given);
  for (const Share& member : level.shares) taken += member.given;
  std::vector<std::uint64_t> stands;
  if (playing_) {  // is told by the play
    any_throttled = false;
  } else if (level.emptied) {
    stands = level.stands;
  } else if (any_throttled) {
    stands = standing(level, running, room);
  }
  const std::uint64_t spare = running - std::min(running, taken);
  for (std::size_t i = 0; i < first; ++i)
    set_rate(level.tasks[i].first, *level.tasks[i].second, level.shares[i].given);
  const std::uint64_t cpus = mask.count();
  for (std::size_t i = 0; i < level.children.size(); ++i)
    give(group, *level.children[i], level.shares[first + i].given, stands.empty() ? 0 : stands[first + i],
         spare, mask, level.takers.empty() ? cpus : level.takers[first + i].allowed.count(), all);
}

/// Gives a child its rate and shares it inside. `still` is the part of the time that it stands still
/// with an empty pool, `cpus` how many it may use.
void CpuTree::give(Group& parent, Group& group, std::uint64_t given, std::uint64_t still,
                   std::uint64_t spare, const CpuMask& mask, std::uint64_t cpus, bool all) {
  set_rate(group, given);
  group.counting = group.quota.has_value();
  // Inside a throttled group a pool may be empty for a while in many periods and yet not be used up.
  group.throttled = is_throttled(group, given) || (group.quota && still > 0) ? kOneCpu : 0;
  if (group.throttled == 0) still = 0;
  // A queue stands still on each CPU where a thread waits.
  group.throttle_rate =
      still == 0 ? 0 : still * (group.threads == 1 ? 1 : std::min<std::uint64_t>(group.threads, cpus));
  if (playing_) {
    group.throttled = group.quota ? group.aim.throttled : 0;
    group.throttle_rate = group.quota ? group.aim.throttle_rate : 0;
  }
  if (group.active.empty() && group.tasks.size() == 1) {  // most groups of a large node
    const auto& [id, task] = *group.tasks.begin();
    set_rate(id, *task, std::min(given, task->bound()));
    close(group);
    group.known = group.stale = false;
    group.calm = true;
    parent.restless.erase(group.id);
    return;
  }
  // What nobody takes is there for a group inside that runs ahead of its quota.
  std::uint64_t speed = std::min(given + spare, cpus * kOneCpu);
  if (still > 0 && still < kOneCpu)
    speed = std::max(speed,
                     static_cast<std::uint64_t>(static_cast<UInt128>(given) * kOneCpu / (kOneCpu - still)));
  speed = std::max(speed, given);
  if (all || !group.known || group.stale || given != group.amount ||
      (speed != group.running && !group.calm))
    distribute(group, given, speed, mask, all);
  group.stale = false;
  if (!playing_ && group.throttled > 0 && group.played) group.throttle_rate = *group.played;
  if (group.calm) {
    parent.restless.erase(group.id);
  } else {
    parent.restless.insert(group.id);
  }
}

/// Nothing below the group is news any more.
void CpuTree::close(Group& group) {
  for (CpuGroupId id : group.changed)
    if (const auto found = groups_.find(id); found != groups_.end()) found->second.stale = false;
  group.changed.clear();
}

/// CPU sets inside CPU sets: a level does not see which CPUs the other levels fill, so a group may
/// have been given more than its members could take, and somebody may find room that was left.
void CpuTree::fill_holes(Group& root, const CpuMask& all_cpus,
                         const std::vector<std::uint64_t>& capacity) {
  struct Leaf {
    CpuTaskId id;
    Task* task;
    CpuMask mask;
  };
  std::vector<Leaf> all, leaves;
  std::vector<std::pair<Group*, CpuMask>> order{{&root, all_cpus}};
  RatesByMask rates;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Group& facts = *order[i].first;
    CpuMask inner = order[i].second;
    if (facts.allowed) inner &= *facts.allowed;
    for (const auto& [id, task] : facts.tasks) {
      rates[inner] += task->rate;
      all.push_back({id, task, inner});
    }
    for (const auto& [id, child] : facts.active) order.emplace_back(child, inner);
  }
  // Two levels may have counted on the same CPU: everybody who needs it gives up the same part.
  if (!fits(capacity, rates)) {
    std::vector<AffinityShare> takers;
    for (const auto& [mask, rate] : rates)
      takers.push_back({{std::max<std::uint64_t>(1, rate), rate, 0}, mask, {}});
    affinity_fill(capacity, takers);
    std::map<CpuMask, std::pair<std::uint64_t, std::uint64_t>> cut;  // from, to
    for (const AffinityShare& taker : takers) cut[taker.allowed] = {taker.share.bound, taker.share.given};
    rates.clear();
    for (const Leaf& leaf : all) {
      const auto [from, to] = cut.at(leaf.mask);
      if (to < from)
        set_rate(leaf.id, *leaf.task,
                 static_cast<std::uint64_t>(static_cast<UInt128>(leaf.task->rate) * to / from));
      rates[leaf.mask] += leaf.task->rate;
    }
  }
  for (const Leaf& leaf : all)
    if (leaf.task->rate < leaf.task->bound()) leaves.push_back(leaf);
  for (std::size_t i = order.size(); --i > 0;) {
    Group& facts = *order[i].first;
    std::uint64_t sum = 0;
    for (const auto& [id, task] : facts.tasks) sum += task->rate;
    for (const auto& [id, child] : facts.active) sum += child->rate;
    if (sum == facts.rate) continue;
    set_rate(facts, sum);
    if (playing_) continue;
    facts.throttled = is_throttled(facts, sum) ? kOneCpu : 0;
    if (facts.throttled == 0) facts.throttle_rate = 0;
  }
  std::set<CpuMask> full;
  for (const Leaf& leaf : leaves) {
    if (full.contains(leaf.mask)) continue;
    std::uint64_t more = leaf.task->bound() - leaf.task->rate;
    for (const Group* up = leaf.task->up; up->up != nullptr; up = up->up)
      if (up->quota) more = std::min(more, up->bound - std::min(up->bound, up->rate));
    if (more == 0) continue;
    const std::uint64_t found = room_beside(capacity, rates, leaf.mask);
    if (found <= more) full.insert(leaf.mask);
    more = std::min(more, found);
    if (more == 0) continue;
    rates[leaf.mask] += more;
    set_rate(leaf.id, *leaf.task, leaf.task->rate + more);
    for (Group* up = leaf.task->up; up->up != nullptr; up = up->up) set_rate(*up, up->rate + more);
  }
}

bool CpuTree::is_throttled(const Group& group, std::uint64_t given) {
  return group.quota && group.wanted > group.bound && given == group.bound && group.bound > 0;
}

/// For each member of the level the part of the time (billionths) that it stands still with an empty
/// pool. Precondition: one at least is throttled.
std::vector<std::uint64_t> CpuTree::standing(const Level& level, std::uint64_t running,
                                             const std::vector<std::uint64_t>& room) const {
  const std::size_t first = level.tasks.size();
  std::vector<Racer> racers;
  UInt128 wanted = 0;
  std::uint64_t limited = 0;
  for (std::size_t i = 0; i < first; ++i)
    racers.push_back({level.shares[i].weight, level.shares[i].bound, 0, 0, 0, 0});
  for (std::size_t i = 0; i < level.children.size(); ++i) {
    const Group& facts = *level.children[i];
    racers.push_back({facts.weight, facts.wanted, 0, 0, 0, 0});
    // One that never empties its pool needs no pool.
    if (!is_throttled(facts, level.shares[first + i].given)) continue;
    racers.back().quota = static_cast<std::uint64_t>(facts.quota->quota.count());
    racers.back().period = static_cast<std::uint64_t>(facts.quota->period.count());
    ++limited;
  }
  for (const Racer& racer : racers) wanted += racer.wanted;
  if (level.takers.empty() && wanted > running) {
    // Since Linux 6.4 the period timer of each group starts at a random offset ("so that timers
    // interleave", init_cfs_bandwidth): what can be predicted is the mean over such offsets.
    const std::uint64_t draws = limited > 1 && rules_ >= SchedulerRules::interleaved ? 32 : 1;
    std::vector<std::uint64_t> sums(racers.size(), 0);
    bool played = true;
    for (std::uint64_t draw = 0; draw < draws && played; ++draw) {
      for (std::size_t i = 0; i < racers.size(); ++i)
        if (racers[i].quota != 0)
          racers[i].phase = static_cast<std::uint64_t>(
              static_cast<UInt128>(draw * scattered(i)) * racers[i].period >> 64U);
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
  std::vector<std::uint64_t> speeds;
  if (!level.takers.empty()) {
    // A pool is emptied before the kernel's balancer moves anybody away: on each of its CPUs a group
    // competes with the part of every other group's weight that lies there.
    std::vector<UInt128> weights(cpus_, 0);
    const auto on_each = [](const AffinityShare& taker) {
      return static_cast<UInt128>(taker.share.weight) * kOneCpu / std::max(1U, taker.allowed.count());
    };
    for (const AffinityShare& taker : level.takers)
      for (std::uint32_t cpu = 0; cpu < cpus_; ++cpu)
        if (taker.allowed.has(cpu)) weights[cpu] += on_each(taker);
    for (std::size_t i = 0; i < level.takers.size(); ++i) {
      std::uint64_t speed = 0;
      for (std::uint32_t cpu = 0; cpu < cpus_; ++cpu)
        if (level.takers[i].allowed.has(cpu))
          speed += static_cast<std::uint64_t>(on_each(level.takers[i]) * room[cpu] / weights[cpu]);
      speeds.push_back(std::min(speed, racers[i].wanted));
    }
  } else {
    std::vector<Share> free = level.shares;
    for (std::size_t i = first; i < free.size(); ++i) free[i].bound = racers[i].wanted;
    water_fill(running, free);
    for (const Share& member : free) speeds.push_back(member.given);
  }
  std::vector<std::uint64_t> stands(racers.size(), 0);
  for (std::size_t i = first; i < racers.size(); ++i)
    if (racers[i].quota != 0) stands[i] = stood(speeds[i], level.shares[i].bound);
  return stands;
}

}  // namespace twinhull::sim
