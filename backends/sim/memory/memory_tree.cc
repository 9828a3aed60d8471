#include "backends/sim/memory/memory_tree.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "backends/sim/cpu/rate.h"
#include "backends/sim/memory/pages.h"

namespace twinhull::sim {
namespace {

std::uint64_t moved(std::uint64_t value, std::int64_t by) {
  return value + static_cast<std::uint64_t>(by);  // two's complement: subtracts when negative
}

}  // namespace

MemoryTree::MemoryTree(Bytes memory, Bytes swap) {
  Group& root = groups_[kRootMemoryGroup];
  root.limit = {{pages_down(memory.value)}, {pages_down(swap.value)}};
}

MemoryGroupId MemoryTree::add_group(MemoryGroupId parent) {
  const MemoryGroupId id = next_group_++;
  groups_[id].parent = parent;
  groups_.at(parent).children.insert(id);
  return id;
}

void MemoryTree::remove_group(MemoryGroupId id) {
  const MemoryGroupId heir = groups_.at(id).parent;
  if (const std::uint64_t left = std::exchange(groups_.at(id).own_shared, 0); left != 0) {
    for (auto& [file, charges] : shared_) {
      const auto own = charges.find(id);
      if (own == charges.end()) continue;
      charges[heir] += own->second;
      charges.erase(own);
    }
    groups_.at(id).own_cache -= left;
    change(id, 0, -static_cast<std::int64_t>(left), 0);
    groups_.at(heir).own_cache += left;
    groups_.at(heir).own_shared += left;
    change(heir, 0, static_cast<std::int64_t>(left), 0);
  }
  drop_cache(id);
  groups_.at(groups_.at(id).parent).children.erase(id);
  groups_.erase(id);
}

std::vector<MemoryGroupId> MemoryTree::subtree(MemoryGroupId group) const {
  std::vector<MemoryGroupId> all{group};
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& children = groups_.at(all[i]).children;
    all.insert(all.end(), children.begin(), children.end());
  }
  return all;
}

void MemoryTree::change(MemoryGroupId id, std::int64_t anonymous, std::int64_t cache,
                        std::int64_t swap) {
  while (true) {
    Group& group = groups_.at(id);
    group.anonymous = moved(group.anonymous, anonymous);
    group.cache = moved(group.cache, cache);
    group.swap = moved(group.swap, swap);
    group.peak = std::max(group.peak, group.usage());
    if (id == kRootMemoryGroup) return;
    id = group.parent;
  }
}

Result<MemoryLimit> MemoryTree::set_limit(MemoryGroupId id, MemoryLimit limit) {
  Group& group = groups_.at(id);
  const auto kept = [](Bytes bytes) {
    return Bytes{bytes.value == kUnlimited ? kUnlimited : pages_down(bytes.value)};
  };
  const MemoryLimit wanted{kept(limit.memory), kept(limit.swap)};
  const MemoryLimit before = group.limit;
  const auto refuse = [&](Bytes asked, std::uint64_t in_use, const char* what) {
    return fail(ErrorCode::busy, "cgroups.set_memory", what, "more is in use and cannot be reclaimed")
        .with_amounts(asked.value, in_use, before.memory.value)
        .with_hint("stop processes inside, or choose a higher limit");
  };
  if (group.swap > wanted.swap.value) return refuse(wanted.swap, group.swap, "swap limit");
  group.limit.swap = wanted.swap;
  if (!make_room(id, 0, wanted.memory.value)) {
    const std::uint64_t in_use = group.usage();
    group.limit = before;
    return refuse(wanted.memory, in_use, "memory limit");
  }
  group.limit = wanted;
  return wanted;
}

Bytes MemoryTree::effective_limit(MemoryGroupId id) const {
  std::uint64_t least = kUnlimited;
  while (true) {
    const Group& group = groups_.at(id);
    least = std::min({least, group.limit.memory.value, group.high});
    if (id == kRootMemoryGroup) return {least};
    id = group.parent;
  }
}

Bytes MemoryTree::set_high(MemoryGroupId id, Bytes high) {
  Group& group = groups_.at(id);
  group.high = high.value == kUnlimited ? kUnlimited : pages_down(high.value);
  if (group.usage() > group.high) make_room(id, 0, group.high);
  return {group.high};
}

Bytes MemoryTree::set_low(MemoryGroupId id, Bytes low) {
  Group& group = groups_.at(id);
  group.low = low.value == kUnlimited ? kUnlimited : pages_down(low.value);
  return {group.low};
}

std::uint64_t MemoryTree::room_below_high(MemoryGroupId id) const {
  std::uint64_t room = kUnlimited;
  for (; id != kRootMemoryGroup; id = groups_.at(id).parent) {
    const Group& group = groups_.at(id);
    if (group.high == kUnlimited) continue;
    room = std::min(room, group.high - std::min(group.high, group.usage()));
  }
  return room;
}

Duration MemoryTree::high_delay(MemoryGroupId id, Bytes bytes) const {
  constexpr unsigned kPrecision = 20, kScaling = 14;  // MEMCG_DELAY_*_SHIFT
  constexpr std::uint64_t kBatch = 64;                // MEMCG_CHARGE_BATCH, pages
  constexpr std::uint64_t kMostOverage = std::uint64_t{1} << 30;  // far beyond the longest delay
  constexpr std::uint64_t kSecond = 1'000'000'000;
  std::uint64_t overage = 0;
  for (; id != kRootMemoryGroup; id = groups_.at(id).parent) {
    const Group& group = groups_.at(id);
    if (group.usage() <= group.high) continue;
    const std::uint64_t high = std::max<std::uint64_t>(group.high / kPageSize, 1);
    const UInt128 share = (static_cast<UInt128>((group.usage() - group.high) / kPageSize) << kPrecision) / high;
    overage = std::max(overage, static_cast<std::uint64_t>(std::min<UInt128>(share, kMostOverage)));
  }
  const UInt128 whole = ((static_cast<UInt128>(overage) * overage * kSecond) >> kPrecision) >> kScaling;
  const UInt128 scaled = whole * (std::min(pages_up(bytes.value) / kPageSize, kBatch)) / kBatch;
  const auto delay = Duration(static_cast<std::int64_t>(std::min<UInt128>(scaled, 2 * kSecond)));
  return delay <= milliseconds(10) ? Duration(0) : delay;
}

MemoryAccountId MemoryTree::add_account(MemoryGroupId group) {
  const MemoryAccountId id = next_account_++;
  accounts_[id].group = group;
  groups_.at(group).accounts.insert(id);
  return id;
}

void MemoryTree::set_oom_adjust(MemoryAccountId id, std::int32_t adjust) {
  accounts_.at(id).oom_adjust = std::clamp(adjust, kLeastOomAdjust, kMostOomAdjust);
}

void MemoryTree::remove_account(MemoryAccountId id) {
  const Account account = accounts_.at(id);
  change(account.group, -static_cast<std::int64_t>(account.anonymous), 0,
         -static_cast<std::int64_t>(account.swap));
  groups_.at(account.group).accounts.erase(id);
  accounts_.erase(id);
}

std::optional<MemoryAccountId> MemoryTree::charge(MemoryAccountId id, Bytes bytes) {
  const std::uint64_t wanted = pages_up(bytes.value);
  const MemoryGroupId home = accounts_.at(id).group;
  last_swapped_ = 0;
  for (MemoryGroupId at = home;;) {
    Group& group = groups_.at(at);
    const std::uint64_t most = group.limit.memory.value;
    if (wanted > most || group.usage() > most - wanted) {
      ++group.limit_hits;
      if (!make_room(at, wanted, most)) return oom_victim(at, id, wanted);
    }
    if (at == kRootMemoryGroup) break;
    at = group.parent;
  }
  accounts_.at(id).anonymous += wanted;
  change(home, static_cast<std::int64_t>(wanted), 0, 0);
  for (MemoryGroupId at = home; at != kRootMemoryGroup; at = groups_.at(at).parent) {
    Group& group = groups_.at(at);
    if (group.usage() <= group.high) continue;
    ++group.high_hits;
    make_room(at, 0, group.high);
  }
  return std::nullopt;
}

std::optional<std::int64_t> MemoryTree::oom_points(MemoryAccountId id, std::uint64_t total_pages,
                                                   std::uint64_t extra) const {
  const Account& account = accounts_.at(id);
  if (account.oom_adjust == kLeastOomAdjust) return std::nullopt;
  constexpr std::uint64_t kEntries = 512;  // of a page table
  const std::uint64_t pages = (account.anonymous + account.swap + extra) / kPageSize;
  const std::uint64_t tables = (pages + kEntries - 1) / kEntries;
  return static_cast<std::int64_t>(pages + tables) +
         account.oom_adjust * static_cast<std::int64_t>(total_pages / 1000);
}

MemoryAccountId MemoryTree::oom_victim(MemoryGroupId top, MemoryAccountId charging,
                                       std::uint64_t wanted) const {
  const Group& group = groups_.at(top);
  const std::uint64_t most = group.limit.memory.value;
  // The kernel charges page by page: before the limit refuses, the charging process has taken all
  // the room that there is.
  const std::uint64_t room =
      std::min(wanted, most - std::min(most, group.usage())) + std::min(wanted, swap_room(top));
  constexpr std::uint64_t kMost = ~std::uint64_t{0} / 4;
  const std::uint64_t total = (std::min(most, kMost) + std::min(group.limit.swap, swap()).value) / kPageSize;
  // Where nobody may be killed the kernel lets the charging task try for ever; it goes here.
  MemoryAccountId victim = charging;
  std::optional<std::int64_t> largest;
  for (MemoryGroupId member : subtree(top)) {
    for (MemoryAccountId candidate : groups_.at(member).accounts) {
      const auto points =
          oom_points(candidate, total, candidate == charging ? std::min(wanted, room) : 0);
      if (!points) continue;
      if (!largest || *points > *largest || (*points == *largest && candidate > victim)) {
        largest = points;
        victim = candidate;
      }
    }
  }
  return victim;
}

void MemoryTree::release(MemoryAccountId id, Bytes bytes) {
  Account& account = accounts_.at(id);
  const std::uint64_t wanted = std::min(pages_up(bytes.value), account.anonymous + account.swap);
  const std::uint64_t resident_part = std::min(wanted, account.anonymous);
  account.anonymous -= resident_part;
  account.swap -= wanted - resident_part;
  change(account.group, -static_cast<std::int64_t>(resident_part), 0,
         -static_cast<std::int64_t>(wanted - resident_part));
}

Bytes MemoryTree::held(MemoryAccountId id) const {
  const Account& account = accounts_.at(id);
  return {account.anonymous + account.swap};
}

Bytes MemoryTree::resident(MemoryAccountId id) const { return {accounts_.at(id).anonymous}; }

void MemoryTree::note_oom_kill(MemoryAccountId id) { ++groups_.at(accounts_.at(id).group).oom_kills; }

std::uint64_t MemoryTree::put_cache(MemoryGroupId home, std::uint64_t wanted) {
  for (MemoryGroupId at = home;;) {
    Group& group = groups_.at(at);
    const std::uint64_t most = group.limit.memory.value;
    if (wanted > most || group.usage() > most - wanted) {
      ++group.limit_hits;
      // New pages push old ones out; what still does not fit was written and dropped at once.
      reclaim(at, wanted > most ? group.cache : group.usage() + wanted - most, /*swaps=*/false);
      const std::uint64_t room = most - std::min(most, group.usage());
      wanted = std::min(wanted, pages_down(room));
    }
    if (at == kRootMemoryGroup) break;
    at = group.parent;
  }
  groups_.at(home).own_cache += wanted;
  change(home, 0, static_cast<std::int64_t>(wanted), 0);
  return wanted;
}

void MemoryTree::add_cache(MemoryGroupId home, Bytes bytes) {
  put_cache(home, pages_up(bytes.value));
}

void MemoryTree::drop_cache(MemoryGroupId id) {
  take_cache(id, groups_.at(id).own_cache);
}

MemorySample MemoryTree::sample(MemoryGroupId id) const {
  const Group& group = groups_.at(id);
  MemorySample sample;
  sample.usage = {group.usage()};
  sample.peak = {group.peak};
  sample.anonymous = {group.anonymous};
  sample.cache = {group.cache};
  sample.swap = {group.swap};
  sample.limit_hits = group.limit_hits;
  sample.high_hits = group.high_hits;
  sample.low_hits = group.low_hits;
  sample.oom_kills = group.oom_kills;
  return sample;
}

bool MemoryTree::sane() const {
  if (!groups_.contains(kRootMemoryGroup)) return false;
  for (const auto& [id, group] : groups_) {
    for (const std::uint64_t bound : {group.high, group.low}) {
      if (bound != kUnlimited && bound % kPageSize != 0) return false;
    }
    if (id >= next_group_ || (id != kRootMemoryGroup && group.parent >= id)) return false;
    if (id != kRootMemoryGroup) {
      const auto parent = groups_.find(group.parent);
      if (parent == groups_.end() || !parent->second.children.contains(id)) return false;
    }
    for (MemoryGroupId child : group.children) {
      const auto found = groups_.find(child);
      if (child == id || found == groups_.end() || found->second.parent != id) return false;
    }
    for (MemoryAccountId account : group.accounts) {
      const auto found = accounts_.find(account);
      if (found == accounts_.end() || found->second.group != id) return false;
    }
  }
  for (const auto& [file, charges] : shared_) {
    for (const auto& [id, part] : charges) {
      const auto group = groups_.find(id);
      if (group == groups_.end() || part % kPageSize != 0) return false;
      if (part > group->second.own_shared) return false;  // so that no sum wraps around
    }
  }
  for (const auto& [id, account] : accounts_) {
    const auto group = groups_.find(account.group);
    if (account.oom_adjust < kLeastOomAdjust || account.oom_adjust > kMostOomAdjust) return false;
    if (id >= next_account_ || group == groups_.end() || !group->second.accounts.contains(id)) {
      return false;
    }
  }
  return check().has_value();
}

Status MemoryTree::check() const {
  const auto broken = [](MemoryGroupId id, const std::string& what) {
    return fail(ErrorCode::corrupt, "memory.check", "memory group " + std::to_string(id), what);
  };
  for (const auto& [id, group] : groups_) {
    std::uint64_t anonymous = 0, swap = 0, cache = group.own_cache;
    for (MemoryAccountId account : group.accounts) {
      anonymous += accounts_.at(account).anonymous;
      swap += accounts_.at(account).swap;
    }
    for (MemoryGroupId child : group.children) {
      anonymous += groups_.at(child).anonymous;
      cache += groups_.at(child).cache;
      swap += groups_.at(child).swap;
    }
    if (anonymous != group.anonymous || cache != group.cache || swap != group.swap) {
      return broken(id, "its members do not add up to what it is charged");
    }
    if (group.usage() > group.limit.memory.value) return broken(id, "usage above the limit");
    if (group.swap > group.limit.swap.value) return broken(id, "swap above the limit");
  }
  return check_shared();
}

}  // namespace twinhull::sim
