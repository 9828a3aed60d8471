// Plays the run queues of a few CPUs by the kernel's own rules, to learn what groups get of them.
#pragma once

#include <cstdint>
#include <vector>

#include "backends/sim/cpu/rate.h"
#include "backends/sim/cpu/scheduler_rules.h"

namespace twinhull::sim {

/// One group of a play. The first one is the root; parents stand before their children.
struct PlayGroup {
  std::uint32_t parent = 0;
  std::uint64_t weight = 1024;
  std::uint64_t quota = 0;   ///< nanoseconds of CPU time each period; 0 = no quota
  std::uint64_t period = 0;  ///< nanoseconds
  /// Result: part of the periods (billionths) at whose end a queue waited for the next pool.
  std::uint64_t throttled_periods = 0;
  /// Result: time that its queues stood still, all together, per time: billionths.
  std::uint64_t stands = 0;
};

/// One thread of a play.
struct PlayThread {
  std::uint32_t group = 0;
  /// Rate that it wants: below one CPU it sleeps for the rest of each slice of `vzload`, and what it could
  /// not have it owes.
  std::uint64_t demand = kOneCpu;
  std::uint64_t cpus = ~std::uint64_t{0};  ///< those that it may use, as bits
  std::uint64_t rate = 0;                  ///< result
};

struct PlayPlan {
  std::uint32_t cpus = 1;  ///< ≤ 64
  std::vector<PlayGroup> groups;
  std::vector<PlayThread> threads;
  SchedulerRules rules = kNewestRules;
};

struct PlayLength {
  std::uint64_t settle = 0;  ///< nanoseconds that are not counted, in each draw
  std::uint64_t time = 0;    ///< nanoseconds that are, in each draw
  std::uint32_t draws = 1;   ///< of what a kernel draws at random: offsets of periods, first CPUs
};

/// Fills in the results: means over the draws. A step is a tick of 4 ms (250 Hz, as distributions build their
/// kernels), a wake-up, a pool that is filled. What is played (kernel/sched/fair.c):
/// - EEVDF (since Linux 6.6): of the members of a queue that had no more than their share the one with the
///   earliest deadline runs, until the slice for which it was picked is over; in slices that it gets afterwards, while
///   nobody else wants to run, one who wakes may take its place. Members keep their debts while they sleep, up to a
///   bound; since 6.12 they stay in the queue meanwhile.
/// - CFS (before): who had the least virtual time runs, until at a tick it had its part of a period that
///   all take turns in, or until one wakes that is far enough behind. Who slept comes back no more than half
///   a period behind.
/// - Weight on a CPU: a group's shares by the part of its load that lies there.
/// - Bandwidth: a queue takes up to 5 ms of its group's pool at a time and notices at ticks that it is out of
///   it; what it ran too long it owes. Since 6.18 its threads leave when their turn comes (task based
///   throttling), which is when a queue stands still, and all come back with the next pool. Before, the
///   queue left at once with all that was in it, stood still from then on, and came back as it was.
/// - Balancing: a CPU pulls threads, from the one that waited longest, where it has less load by more than
///   17 % or nothing to do; in ever longer intervals where nothing can be done.
/// The same plan and length give the same results.
void play_queues(PlayPlan& plan, const PlayLength& length);

}  // namespace twinhull::sim
