// Taking memory back: whose pages go first (models 6.3).
#include <algorithm>

#include "backends/sim/cpu/rate.h"
#include "backends/sim/memory/memory_tree.h"
#include "backends/sim/memory/pages.h"

namespace twinhull::sim {

std::map<MemoryGroupId, std::uint64_t> MemoryTree::protection(MemoryGroupId top) const {
  Protection kept;
  for (const MemoryGroupId parent : subtree(top)) {
    const auto own = kept.find(parent);
    const std::uint64_t available = parent == top       ? kUnlimited
                                    : own == kept.end() ? 0
                                                        : own->second;
    UInt128 claimed = 0;
    const auto claim = [this](MemoryGroupId id) {
      const Group& group = groups_.at(id);
      return std::min(group.low, group.usage());
    };
    const auto& children = groups_.at(parent).children;
    for (const MemoryGroupId child : children) claimed += claim(child);
    for (const MemoryGroupId child : children) {
      std::uint64_t part = claim(child);
      if (part == 0) continue;
      if (claimed > available)
        part = static_cast<std::uint64_t>(UInt128{part} * available / claimed);
      if ((part = pages_down(part)) != 0) kept[child] = part;
    }
  }
  return kept;
}

std::uint64_t MemoryTree::unprotected(MemoryGroupId id, const Protection& kept) const {
  const auto found = kept.find(id);
  const std::uint64_t usage = groups_.at(id).usage();
  return found == kept.end() ? usage : usage - std::min(usage, found->second);
}

std::uint64_t MemoryTree::reclaim(MemoryGroupId top, std::uint64_t wanted, bool swaps) {
  const Protection kept = protection(top);
  std::uint64_t got = reclaim_cache(top, wanted, kept);
  if (swaps && got < wanted) got += swap_out(top, wanted - got, kept);
  if (got >= wanted || kept.empty()) return got;
  std::map<MemoryGroupId, std::uint64_t> before;
  for (const auto& [id, part] : kept) before[id] = groups_.at(id).usage();
  got += reclaim_cache(top, wanted - got, {});
  if (swaps && got < wanted) got += swap_out(top, wanted - got, {});
  for (const auto& [id, usage] : before) {
    if (groups_.at(id).usage() < std::min(usage, kept.at(id))) ++groups_.at(id).low_hits;
  }
  return got;
}

std::uint64_t MemoryTree::reclaim_cache(MemoryGroupId top, std::uint64_t wanted,
                                        const Protection& kept) {
  std::uint64_t got = 0;
  const std::vector<MemoryGroupId> all = subtree(top);
  const auto can = [&](MemoryGroupId id) {
    return std::min(groups_.at(id).own_cache, unprotected(id, kept));
  };
  while (got < wanted && groups_.at(top).cache > 0) {
    const MemoryGroupId largest =
        *std::max_element(all.begin(), all.end(), [&](auto a, auto b) { return can(a) < can(b); });
    const std::uint64_t part = std::min(can(largest), wanted - got);
    if (part == 0) break;
    take_cache(largest, part);
    got += part;
  }
  return got;
}

std::uint64_t MemoryTree::swap_room(MemoryGroupId id) const {
  std::uint64_t room = ~std::uint64_t{0};
  while (true) {
    const Group& group = groups_.at(id);
    room = std::min(room, group.limit.swap.value - std::min(group.limit.swap.value, group.swap));
    if (id == kRootMemoryGroup) return pages_down(room);
    id = group.parent;
  }
}

std::uint64_t MemoryTree::swap_out(MemoryGroupId top, std::uint64_t wanted,
                                   const Protection& kept) {
  std::uint64_t got = 0;
  const std::vector<MemoryGroupId> all = subtree(top);
  while (got < wanted) {
    MemoryAccountId largest = 0;
    std::uint64_t most = 0;
    for (MemoryGroupId id : all) {
      const std::uint64_t room = std::min(swap_room(id), unprotected(id, kept));
      for (MemoryAccountId account : groups_.at(id).accounts) {
        const std::uint64_t can = std::min(room, accounts_.at(account).anonymous);
        if (can > most) {
          most = can;
          largest = account;
        }
      }
    }
    if (largest == 0) break;
    Account& account = accounts_.at(largest);
    const std::uint64_t part = std::min(most, wanted - got);
    account.anonymous -= part;
    account.swap += part;
    change(account.group, -static_cast<std::int64_t>(part), 0, static_cast<std::int64_t>(part));
    got += part;
  }
  last_swapped_ += got;
  return got;
}

bool MemoryTree::make_room(MemoryGroupId id, std::uint64_t bytes, std::uint64_t most) {
  const Group& group = groups_.at(id);
  if (bytes > most) return false;
  if (group.usage() <= most - bytes) return true;
  const std::uint64_t excess = group.usage() - (most - bytes);
  reclaim(id, excess, /*swaps=*/true);
  return group.usage() <= most - bytes;
}

}  // namespace twinhull::sim
