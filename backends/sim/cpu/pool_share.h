// How the members of a group share its pool of CPU time when some have a quota of their own.
#pragma once

#include <cstdint>
#include <span>

#include "backends/sim/cpu/rate.h"

namespace twinhull::sim {

/// One member. Rates are means over a period of the group's pool.
struct PoolMember {
  std::uint64_t weight = 1;       ///< ≥ 1
  std::uint64_t speed = 0;        ///< rate that it takes at most while nothing holds it back
  std::uint64_t bound = 0;        ///< it stands still when it had this: its own quota
  std::uint64_t given = 0;        ///< result: rate, ≤ bound
  std::uint64_t until = kOneCpu;  ///< result: part of the period (billionths) after which it stood still
};

/// Plays one period: members run side by side at `running` all together, by weight; who had all of his
/// own quota stands still, the others become faster, until the pool (`amount`) is empty (models 6.2).
/// Returns the part of the period (billionths) after which it is. The sum of `given` is at most
/// `amount`: a few units are lost by rounding. O(n log n).
std::uint64_t share_pool(std::uint64_t amount, std::uint64_t running, std::span<PoolMember> members);

/// Part of the time (billionths) that a member stands still which has had its quota after `until` of the
/// `emptied` that the group's pool lasts, when both have the same period: the mean over the offsets
/// between the two, which the kernel draws at random. Precondition: until ≤ emptied ≤ 1'000'000'000.
std::uint64_t stands_inside(std::uint64_t until, std::uint64_t emptied);

}  // namespace twinhull::sim
