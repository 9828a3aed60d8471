// Who runs by CFS (Linux before 6.6): kernel/sched/fair.c with its features GENTLE_FAIR_SLEEPERS, START_DEBIT,
// ALT_PERIOD and BASE_SLICE. Not played: who is preempted by one that woke, in a queue of eight or more, may
// go before others later (LAST_BUDDY).
#include <algorithm>

#include "backends/sim/cpu/queue_machine.h"

namespace twinhull::sim::play {

// --- a queue -------------------------------------------------------------------------------------

void RunQueue::follow() {
  if (queued.empty()) return;
  const auto first = std::ranges::min_element(queued, {}, &Entity::vruntime);
  least = std::max(least, (*first)->vruntime);
}

Entity* RunQueue::leftmost() const {
  Entity* first = nullptr;
  for (Entity* member : queued)
    if (member != running && (first == nullptr || member->vruntime < first->vruntime)) first = member;
  return first;
}

Entity* RunQueue::pick_least(Time wakeup) const {
  Entity* first = leftmost();
  if (first == nullptr || (running != nullptr && running->vruntime < first->vruntime)) first = running;
  const bool before = next != nullptr && next->vruntime - first->vruntime <= virtual_time(wakeup, first->weight);
  return before ? next : first;
}

void RunQueue::forget_next(const Entity& member) {
  for (const Entity* one = &member; one != nullptr && one->on->next == one; one = one->on->self)
    one->on->next = nullptr;
}

void RunQueue::put_back(Entity& member) {
  if (running == &member) running = nullptr;
  const auto at = std::ranges::find(queued, &member);
  if (at != queued.end()) std::rotate(at, at + 1, queued.end());
}

// --- the machine ---------------------------------------------------------------------------------

/// CPU time that the member is to have at a stretch: its part of the period in which all threads of the CPU
/// take turns.
Time Machine::turn_of(const Entity& member) const {
  constexpr unsigned kFew = 8;  // threads share the least period
  const unsigned threads = runnable(member.on->cpu) + (member.queued ? 0 : 1);
  Time time = threads > kFew ? static_cast<Time>(threads) * tuning_.granularity : tuning_.period;
  for (const Entity* one = &member; one != nullptr; one = one->on->self) {
    std::int64_t all = one->queued ? 0 : one->weight;
    for (const Entity* other : one->on->queued) all += other->weight;
    time = static_cast<Time>(static_cast<Int128>(time) * one->weight / all);
  }
  return std::max(time, tuning_.granularity);
}

/// At a tick: it is another one's turn. Precondition: it runs, and another one waits in its queue.
bool Machine::is_over(const Entity& member) const {
  const Time due = turn_of(member);
  if (member.turn > due) {
    RunQueue::forget_next(member);
    return true;
  }
  // The kernel compares virtual time with time here.
  return member.turn >= tuning_.granularity && member.vruntime - member.on->leftmost()->vruntime > due;
}

/// One who woke takes the CPU when it is far enough behind who runs.
void Machine::preempt(Entity& woken) {
  RunQueue& queue = *woken.on;
  if (queue.running->vruntime - woken.vruntime <= virtual_time(tuning_.wakeup, woken.weight)) return;
  cpus_[queue.cpu].looks = true;
  for (Entity* one = &woken; one != nullptr; one = one->on->self) one->on->next = one;
}

/// Turns begin, and end, where the way to who runs parts from the way to who ran (`before`, if somebody did);
/// or `all` do.
void Machine::take_turns(Thread* before, Thread& next, bool all) {
  const auto shared = [all](const Entity& member, const Thread* other) {
    const Entity* one = other == nullptr || all ? nullptr : &other->self;
    while (one != nullptr && one != &member) one = one->on->self;
    return one != nullptr;
  };
  if (before != nullptr)
    for (Entity* one = &before->self; one != nullptr; one = one->on->self)
      if (!shared(*one, &next)) one->on->put_back(*one);
  for (Entity* one = &next.self; one != nullptr; one = one->on->self) {
    if (shared(*one, before)) continue;
    RunQueue::forget_next(*one);
    one->turn = 0;
  }
}

}  // namespace twinhull::sim::play
