// By which kernel's rules a simulated node's run queues are played.
#pragma once

#include <cstdint>
#include <string_view>

namespace twinhull::sim {

/// What kernel/sched/fair.c does, by the versions in which it changed what a play of queues shows.
/// Oldest first: a later one has what those before it brought.
enum class SchedulerRules : std::uint8_t {
  cfs,            ///< who had least virtual time runs; a throttled queue leaves as a whole
  interleaved,    ///< 6.4: periods of quotas begin at random; before, at multiples of their length
  eevdf,          ///< 6.6: earliest eligible deadline, debts are kept
  delayed,        ///< 6.12: who sleeps stays queued until it owes nothing
  task_throttle,  ///< 6.18: threads of a throttled queue leave one by one, as their turn comes
};

inline constexpr SchedulerRules kNewestRules = SchedulerRules::task_throttle;

/// What a simulated node may call its kernel: a version with anything behind it ("6.1.0-18-amd64"), or "sim-…";
/// at most 64 of A-Z, a-z, 0-9 and . - + _ ~.
bool is_release(std::string_view text);
/// Rules of a kernel by its release; the newest ones where that is no version ("sim-1").
SchedulerRules rules_of(std::string_view release);

}  // namespace twinhull::sim
