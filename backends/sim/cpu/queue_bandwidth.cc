// Queues take CPU time from their group's pool, stand still when it is empty, and come back.
#include <algorithm>
#include <utility>

#include "backends/sim/cpu/queue_machine.h"

namespace twinhull::sim::play {
namespace {

constexpr Time kKept = 1'000'000;  // ns that a queue without threads does not give back

}  // namespace

/// Fills the queue up to `wanted` from the pool; whether it may run.
bool Machine::take(RunQueue& queue, Time wanted) {
  Pool& pool = pool_of(queue);
  const Time amount = std::clamp<Time>(wanted - queue.left, 0, pool.left);
  pool.left -= amount;
  queue.left += amount;
  return queue.left > 0;
}

void Machine::give_back(RunQueue& queue) {
  if (!limited(queue) || queue.throttled || queue.left <= kKept) return;
  Pool& pool = pool_of(queue);
  pool.left += queue.left - kKept;
  queue.left = kKept;
  constexpr Time kTooLate = 7'000'000;  // ns before the next pool: not worth it
  if (pool.left > kBandwidthSlice && !pool.waiting.empty() && pool.look == kNever &&
      pool.refill - now_ > kTooLate)
    pool.look = now_ + kBandwidthSlice;
}

void Machine::refill(Pool& pool) {
  pool.refill += pool.period;
  pool.left = pool.quota;
  ++pool.periods;
  if (pool.waiting.empty()) return;
  ++pool.throttled_periods;
  hand_out(pool);
}

/// Each waiting queue gets so much that it may run; more it takes itself.
void Machine::hand_out(Pool& pool) {
  const std::vector<RunQueue*> waiting = pool.waiting;
  for (RunQueue* queue : waiting) {
    if (pool.left <= 0) return;
    if (!take(*queue, 1)) continue;
    queue->throttled = false;
    std::erase(pool.waiting, queue);
    if (queue->stands_from >= 0) pool.stood += now_ - queue->stands_from;
    queue->stands_from = -1;
    if (throttles_threads()) {
      bring_back(*queue);
    } else {
      thaw_all(*queue);
      account(cpus_[queue->cpu]);
      if (!queue->queued.empty()) enter(queue->self);
    }
  }
}

/// Whether it stands still now. Its threads stay in the queue until their turn comes: then they leave. Before
/// 6.18 the queue leaves with them.
bool Machine::throttle(RunQueue& queue) {
  if (queue.throttled || take(queue, 1)) return false;
  queue.throttled = true;
  pool_of(queue).waiting.push_back(&queue);
  count_throttle(queue);
  if (throttles_threads()) return true;
  // Kernels before 6.6 count time of a queue that nobody is in, too.
  if (is_cfs() || !queue.queued.empty()) queue.stands_from = now_;
  Entity* member = queue.self;
  while (member != nullptr && member->queued) {
    RunQueue& from = *member->on;
    take_out(from, *member);
    if (!from.queued.empty()) break;
    give_back(from);
    member = from.self;
  }
  return true;
}

void Machine::count_throttle(RunQueue& queue) {
  if (queue.throttles++ == 0 && (!throttles_threads() || queue.queued.empty())) queue.frozen_from = now_;
  for (RunQueue* inner : queue.inner) count_throttle(*inner);
}

void Machine::leave(Thread& thread) {
  Cpu& cpu = cpus_[thread.cpu];
  if (cpu.running == &thread) stop(cpu);
  dequeue(thread, false);
  thread.out = true;
  thread.self.on->out.push_back(&thread);
  for (RunQueue* queue = thread.self.on; queue != nullptr;
       queue = queue->self == nullptr ? nullptr : queue->self->on)
    if (queue->throttled && queue->stands_from < 0) queue->stands_from = now_;
}

/// The averages go on, unless another pool that it depends on is empty too; whether they do.
bool Machine::thaw(RunQueue& queue) {
  if (--queue.throttles > 0) return false;
  if (queue.frozen_from >= 0) queue.frozen += now_ - queue.frozen_from;
  queue.frozen_from = -1;
  return true;
}

void Machine::thaw_all(RunQueue& queue) {
  for (RunQueue* inner : queue.inner) thaw_all(*inner);
  thaw(queue);
}

/// Members first, the one made last before others; and who left last comes first.
void Machine::bring_back(RunQueue& queue) {
  for (std::size_t i = queue.inner.size(); i-- > 0;) bring_back(*queue.inner[i]);
  if (!thaw(queue)) return;
  const std::vector<Thread*> threads = std::exchange(queue.out, {});
  for (std::size_t i = threads.size(); i-- > 0;) {
    threads[i]->out = false;
    enqueue(*threads[i]);
  }
}

}  // namespace twinhull::sim::play
