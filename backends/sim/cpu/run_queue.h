// One CPU's queue of one group, as the kernel's fair scheduler (EEVDF, or CFS before it) keeps it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "backends/sim/cpu/rate.h"

namespace twinhull::sim::play {

using Time = std::int64_t;  ///< nanoseconds; virtual time too
__extension__ typedef __int128 Int128;

inline constexpr Time kTick = 4'000'000;              ///< 250 Hz
inline constexpr std::int64_t kUnit = 1024;           ///< weights are kept in 1024ths
inline constexpr std::int64_t kNice0 = 1024 * kUnit;  ///< weight of a thread
inline constexpr std::int64_t kWhole = 1 << 20;       ///< average of who always wants to run

struct RunQueue;
struct Thread;

/// A member of a queue: a thread, or a group's own queue on this CPU.
struct Entity {
  RunQueue* on = nullptr;    ///< where it queues
  RunQueue* mine = nullptr;  ///< what it stands for, or:
  Thread* thread = nullptr;
  std::int64_t weight = kNice0;
  Time vruntime = 0, deadline = 0;
  Time guarded = 0;  ///< virtual time up to which nobody takes its place: its deadline when it was picked
  Time lag = 0;  ///< virtual time that it was behind when it left
  // CFS.
  Time turn = 0;          ///< CPU time since it was picked
  bool fresh = false;     ///< never was in a queue
  bool relative = false;  ///< `vruntime` counts from the queue's `least`: it changes queues
  bool awake = false;     ///< and never slept while it did
  bool queued = false;
  bool delayed = false;  ///< sleeps, and stays in the queue until it owes nothing
  bool keeps_deadline = false;
  std::int64_t average = 0;  ///< runnable part of the time, with a half-life of 32 ms; of kWhole
  Time runnable_from = -1, runnable = 0;
  [[nodiscard]] std::int64_t load() const { return weight / kUnit * average / kWhole; }
};

/// Time that `delta` at `weight` counts.
inline Time virtual_time(Time delta, std::int64_t weight) {
  return static_cast<Time>(static_cast<Int128>(delta) * kNice0 / weight);
}

struct RunQueue {
  std::uint32_t group = 0, cpu = 0;
  Entity* self = nullptr;         ///< its member of the queue above; none in the root
  std::vector<RunQueue*> inner;   ///< queues of the groups inside, on this CPU
  std::vector<Entity*> queued;    ///< with the one that runs
  std::vector<Entity*> attached;  ///< with those that sleep or stand still
  Entity* running = nullptr;
  Time last = 0;            ///< virtual time of who left last
  std::int64_t weight = 0;  ///< of `queued`, in whole units
  std::int64_t load = 0;    ///< average of `attached`
  // CFS.
  Time least = 0;          ///< virtual time of who had least; never goes back
  Entity* next = nullptr;  ///< woke, and is to run before one who had not much less
  // Bandwidth.
  Time left = 0;                      ///< CPU time taken from the pool; below 0 it is owed
  bool throttled = false;             ///< by its own pool
  int throttles = 0;                  ///< throttled queues from here up
  Time stands_from = -1;              ///< threads left because it is throttled
  Time frozen_from = -1, frozen = 0;  ///< averages do not go on
  std::vector<Thread*> out;           ///< threads that left

  [[nodiscard]] Time mean() const;
  [[nodiscard]] bool eligible(const Entity& member) const { return member.vruntime <= mean(); }
  /// What the member is behind, within what the kernel remembers.
  void note_lag(Entity& member, Time slice) const;
  /// Gives a member that comes its place in virtual time.
  void place(Entity& member, Time slice) const;
  void insert(Entity& member, Time now);
  void erase(Entity& member, Time now);
  /// Who runs next. Precondition: somebody is queued.
  [[nodiscard]] Entity* pick() const;
  // The same by CFS.
  /// Gives a member that slept its place in virtual time: at most `credit` behind the others.
  void place_after_sleep(Entity& member, Time credit) const {
    member.vruntime = std::max(member.vruntime, least - credit);
  }
  /// `least` follows those who are queued.
  void follow();
  /// Who had the least time, of those that wait. Precondition: somebody does.
  [[nodiscard]] Entity* leftmost() const;
  /// Who runs next; `wakeup` is the CPU time by which `next` may be ahead. Precondition: somebody is queued.
  [[nodiscard]] Entity* pick_least(Time wakeup) const;
  /// Nobody goes before others because of this member any more.
  static void forget_next(const Entity& member);
  /// `member` does not run any more, and waits behind those who had as much.
  void put_back(Entity& member);

  /// Changes the weight of `member`, which is queued here or not; by EEVDF it keeps its lag.
  void reweigh(Entity& member, std::int64_t weight, bool keeps_lag);
};

/// Ends a stretch of wanting to run.
void rest(Entity& member, Time now);
/// One tick of the average, of which `frozen` does not count.
void age(Entity& member, Time frozen, Time now);
/// `value` moved towards `part` of `whole` as an average with the kernel's half-life does in a tick.
std::int64_t aged(std::int64_t value, Time part, Time whole);

}  // namespace twinhull::sim::play
