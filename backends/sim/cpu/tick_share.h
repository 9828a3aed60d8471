// How members of a group share a small pool of CPU time on one CPU.
#pragma once

#include <cstdint>
#include <vector>

namespace twinhull::sim {

/// Since Linux 6.18 the tasks of a throttled group leave their queue and come back with the next pool,
/// owing each other nothing (sched/fair, task based throttling). From there the scheduler (EEVDF)
/// hands out time by ticks of 4 ms, each to the member with the earliest deadline among those that had
/// no more than their share so far. So 40 ms are shared 3 : 7, not 1 : 3, by weights 1 : 3.
/// A pool that is no longer than a tick goes to one member, and who had it comes back as the last: all
/// get the same whatever their weights (measured: 2 and 3 ms of 10 ms, 1 : 1 by weights 1 : 3).
/// Returns nanoseconds for each member, all together `pool`. Precondition: weights ≥ 1.
std::vector<std::uint64_t> share_by_ticks(std::uint64_t pool, const std::vector<std::uint64_t>& weights);

}  // namespace twinhull::sim
