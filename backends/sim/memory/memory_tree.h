// Memory of one node: groups with limits, accounts of processes, page cache, swap, OOM.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull::sim {

using MemoryGroupId = std::uint32_t;
using MemoryAccountId = std::uint64_t;
inline constexpr MemoryGroupId kRootMemoryGroup = 0;
using SharedFileId = std::uint32_t;  ///< a file that several roots show: its inode

/// Charges in whole pages (models 6.3). When a charge meets a limit, the page cache of the subtree
/// goes first, largest holder first; then anonymous memory of its largest account is swapped, as
/// far as swap is free; then the charge fails and names the account that the kernel would kill:
/// the one with the largest oom_points() in the subtree (ties: the youngest). Above a soft bound
/// the same is reclaimed, nothing fails, and high_delay() says how long the charging task sleeps.
/// What groups are guaranteed (set_low) is taken last: cache and anonymous memory of the others
/// goes before, and each group from which guaranteed pages are taken counts it. Pages of a shared
/// file (models 6.4) are there once. They are charged to the group that read them first, and to
/// another only when they were reclaimed and read again; when the group goes, its parent takes them
/// over. A group's other cache is reclaimed before them.
class MemoryTree {
 public:
  MemoryTree() : MemoryTree(Bytes{0}, Bytes{0}) {}
  MemoryTree(Bytes memory, Bytes swap);

  MemoryGroupId add_group(MemoryGroupId parent);
  /// Drops its cache. Precondition: no child groups, no accounts.
  void remove_group(MemoryGroupId group);
  /// Rounded down to pages; reclaims. Errors: busy (cannot reclaim so much; nothing changed).
  Result<MemoryLimit> set_limit(MemoryGroupId group, MemoryLimit limit);
  [[nodiscard]] MemoryLimit limit(MemoryGroupId group) const { return groups_.at(group).limit; }
  /// Rounded down to pages; what can be reclaimed down to it is, the rest stays.
  Bytes set_high(MemoryGroupId group, Bytes high);
  [[nodiscard]] Bytes high(MemoryGroupId group) const { return {groups_.at(group).high}; }
  /// The guarantee; rounded down to pages, kUnlimited = all of it. Nothing moves at once.
  Bytes set_low(MemoryGroupId group, Bytes low);
  [[nodiscard]] Bytes low(MemoryGroupId group) const { return {groups_.at(group).low}; }
  /// Bytes of each group of the subtree that a reclaim below `top` leaves alone at first (the
  /// kernel's memory.elow): what a group is guaranteed and uses; where siblings claim more than the
  /// group around them has, a part of that in proportion to their claims. `top` itself has none.
  [[nodiscard]] std::map<MemoryGroupId, std::uint64_t> protection(MemoryGroupId top) const;
  /// Bytes that can be charged before a soft bound is passed; kUnlimited without a bound, 0 above.
  [[nodiscard]] std::uint64_t room_below_high(MemoryGroupId group) const;
  /// How long the task that has just charged `bytes` sleeps: the kernel's formula with the largest
  /// overage on the way to the root (mm/memcontrol.c, calculate_high_delay), in integers.
  [[nodiscard]] Duration high_delay(MemoryGroupId group, Bytes bytes) const;
  /// Swapped out by the latest charge: its writer waits for the disk. Not part of the saved state.
  [[nodiscard]] Bytes last_swapped() const { return {last_swapped_}; }
  /// The smallest bound, soft or hard, on the way to the root: what free(1) inside shows as total.
  [[nodiscard]] Bytes effective_limit(MemoryGroupId group) const;

  MemoryAccountId add_account(MemoryGroupId group);
  /// oom_score_adj of the account's process, −1000…1000 (proc(5)); −1000 = never chosen.
  void set_oom_adjust(MemoryAccountId account, std::int32_t adjust);
  [[nodiscard]] std::int32_t oom_adjust(MemoryAccountId account) const {
    return accounts_.at(account).oom_adjust;
  }
  /// Gives everything back.
  void remove_account(MemoryAccountId account);
  /// Takes `bytes` (rounded up to pages). std::nullopt = charged; otherwise the account that must
  /// die before trying again.
  std::optional<MemoryAccountId> charge(MemoryAccountId account, Bytes bytes);
  void release(MemoryAccountId account, Bytes bytes);
  [[nodiscard]] bool has_account(MemoryAccountId account, MemoryGroupId group) const {
    const auto found = accounts_.find(account);
    return found != accounts_.end() && found->second.group == group;
  }
  [[nodiscard]] bool has_group(MemoryGroupId group) const { return groups_.contains(group); }
  /// All references inside lead somewhere: for state that was loaded.
  [[nodiscard]] bool sane() const;
  [[nodiscard]] Bytes held(MemoryAccountId account) const;  ///< resident + swapped
  [[nodiscard]] Bytes resident(MemoryAccountId account) const;
  /// Notes that the kernel killed this account's process because of `group`'s memory.
  void note_oom_kill(MemoryAccountId account);

  /// Page cache after file reads or writes; never fails: older cache goes.
  void add_cache(MemoryGroupId group, Bytes bytes);
  void drop_cache(MemoryGroupId group);
  /// The first `bytes` of a shared file were read: what of them is not cached is charged.
  void read_shared(MemoryGroupId group, SharedFileId file, Bytes bytes);
  /// The file is gone: so are its pages.
  void forget_shared(SharedFileId file);
  /// Pages of shared files that are charged to the group itself, and those of the whole node.
  [[nodiscard]] Bytes shared(MemoryGroupId group) const { return {groups_.at(group).own_shared}; }
  [[nodiscard]] Bytes shared() const;

  [[nodiscard]] MemorySample sample(MemoryGroupId group) const;
  [[nodiscard]] Bytes memory() const { return groups_.at(kRootMemoryGroup).limit.memory; }
  [[nodiscard]] Bytes swap() const { return groups_.at(kRootMemoryGroup).limit.swap; }
  /// Error corrupt: sums do not add up to the byte, or a limit is exceeded.
  [[nodiscard]] Status check() const;

  template <typename Archive>
  void serialize(Archive& archive) {
    archive(groups_, accounts_, shared_, next_group_, next_account_);
  }

 private:
  struct Group {
    MemoryGroupId parent = 0;
    MemoryLimit limit;
    std::uint64_t high = kUnlimited, low = 0;
    std::set<MemoryGroupId> children;
    std::set<MemoryAccountId> accounts;
    std::uint64_t own_cache = 0, own_shared = 0;  ///< the second is a part of the first
    std::uint64_t anonymous = 0, cache = 0, swap = 0, peak = 0;  ///< with the subtree
    std::uint64_t limit_hits = 0, oom_kills = 0, high_hits = 0, low_hits = 0;
    [[nodiscard]] std::uint64_t usage() const { return anonymous + cache; }
    template <typename Archive>
    void serialize(Archive& archive) {
      archive(parent, limit.memory.value, limit.swap.value, high, low, children, accounts,
              own_cache, own_shared, anonymous, cache, swap, peak, limit_hits, oom_kills, high_hits,
              low_hits);
    }
  };
  struct Account {
    MemoryGroupId group = 0;
    std::uint64_t anonymous = 0, swap = 0;
    std::int32_t oom_adjust = 0;
    template <typename Archive>
    void serialize(Archive& archive) {
      archive(group, anonymous, swap, oom_adjust);
    }
  };

  /// Takes pages off the group's cache, shared ones last (in the order of files).
  void take_cache(MemoryGroupId group, std::uint64_t bytes);
  /// Adds what fits; returns it.
  std::uint64_t put_cache(MemoryGroupId group, std::uint64_t wanted);
  [[nodiscard]] Status check_shared() const;
  [[nodiscard]] std::vector<MemoryGroupId> subtree(MemoryGroupId group) const;
  void change(MemoryGroupId group, std::int64_t anonymous, std::int64_t cache, std::int64_t swap);
  using Protection = std::map<MemoryGroupId, std::uint64_t>;
  /// Takes up to `wanted` of the subtree's cache, the largest holder first, and of no group more
  /// than what it uses beyond its protection.
  std::uint64_t reclaim_cache(MemoryGroupId group, std::uint64_t wanted, const Protection& kept);
  /// The same of anonymous memory, into swap.
  std::uint64_t swap_out(MemoryGroupId group, std::uint64_t wanted, const Protection& kept);
  [[nodiscard]] std::uint64_t unprotected(MemoryGroupId group, const Protection& kept) const;
  /// Cache first, then what can be swapped; of protected pages only when there is nothing else.
  std::uint64_t reclaim(MemoryGroupId top, std::uint64_t wanted, bool swaps);
  [[nodiscard]] std::uint64_t swap_room(MemoryGroupId group) const;
  /// The kernel's oom_badness() in pages, were `account` `extra` bytes larger; std::nullopt = immune.
  [[nodiscard]] std::optional<std::int64_t> oom_points(MemoryAccountId account,
                                                       std::uint64_t total_pages,
                                                       std::uint64_t extra) const;
  /// The account to kill when `charging` wants `wanted` more and the limit of `top` refuses.
  [[nodiscard]] MemoryAccountId oom_victim(MemoryGroupId top, MemoryAccountId charging,
                                           std::uint64_t wanted) const;
  /// Makes room for `bytes` below `group`; false when nothing more can be reclaimed.
  bool make_room(MemoryGroupId group, std::uint64_t bytes, std::uint64_t most);

  std::map<MemoryGroupId, Group> groups_;
  std::map<MemoryAccountId, Account> accounts_;
  std::map<SharedFileId, std::map<MemoryGroupId, std::uint64_t>> shared_;  ///< bytes; never 0
  MemoryGroupId next_group_ = 1;
  MemoryAccountId next_account_ = 1;
  std::uint64_t last_swapped_ = 0;
};

}  // namespace twinhull::sim
