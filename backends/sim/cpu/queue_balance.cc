// How CPUs pull threads from each other (kernel/sched/fair.c, load_balance): one domain of all CPUs.
#include <algorithm>

#include "backends/sim/cpu/queue_machine.h"

namespace twinhull::sim::play {
namespace {

constexpr std::int64_t kImbalance = 117;  // percent: less is left alone
constexpr Time kHot = 500'000;            // ns: who ran so lately stays, unless nobody else can go
constexpr std::int64_t kLeastLoad = 16;

}  // namespace

unsigned Machine::runnable(std::uint32_t cpu) const {
  return static_cast<unsigned>(std::ranges::count_if(threads_, [&](const Thread& thread) {
    return thread.cpu == cpu && thread.self.queued && !thread.self.delayed && counts(thread);
  }));
}

Machine::Busy Machine::busy(std::uint32_t cpu, unsigned threads) const {
  const bool full = cpus_[cpu].use * kImbalance > kWhole * 100;
  if (!full || threads == 0) return Busy::spare;
  return threads > 1 ? Busy::overloaded : Busy::full;
}

/// Part of the CPU's load that the thread is.
std::int64_t Machine::load_of(const Thread& thread) {
  std::int64_t load = thread.self.load();
  for (const RunQueue* queue = thread.self.on; queue->self != nullptr; queue = queue->self->on)
    load = load * queue->self->load() / (queue->load + 1);
  return std::max<std::int64_t>(1, load);
}

Machine::Pull Machine::find_pull(std::uint32_t to, bool idle) const {
  const Pull none{to, 0, false};
  const unsigned here = runnable(to);
  const Busy local = busy(to, here);
  std::uint32_t busiest = to;
  Busy worst = Busy::spare;
  unsigned there = 0;
  std::int64_t total = 0;
  for (std::uint32_t cpu = 0; cpu < cpus_.size(); ++cpu) {
    total += cpus_[cpu].root->load;
    const unsigned threads = runnable(cpu);
    if (cpu == to || threads == 0) continue;
    const Busy kind = busy(cpu, threads);
    const bool more =
        kind == Busy::overloaded ? cpus_[cpu].root->load > cpus_[busiest].root->load : threads > there;
    if (busiest != to && kind <= worst && !(kind == worst && more)) continue;
    busiest = cpu;
    worst = kind;
    there = threads;
  }
  if (busiest == to || local > worst) return none;
  const std::int64_t mean = total / static_cast<std::int64_t>(cpus_.size());
  const std::int64_t mine = cpus_[to].root->load, theirs = cpus_[busiest].root->load;
  if (local != Busy::overloaded && worst != Busy::overloaded && (!idle || there <= 1)) return none;
  if (local == Busy::spare)
    return {busiest, (static_cast<std::int64_t>(there) - static_cast<std::int64_t>(here)) / 2, false};
  if (mine >= theirs || mine >= mean) return none;
  if (local == Busy::overloaded && 100 * theirs <= kImbalance * mine) return none;
  return {busiest, std::min(theirs - mean, mean - mine), true};
}

Machine::Balance Machine::balance(std::uint32_t to, bool idle, bool once) {
  Pull pull = find_pull(to, idle);
  if (pull.cpu == to || pull.amount <= 0) return Balance::fine;
  // Who ran longest ago comes first.
  std::vector<Thread*> order;
  for (Thread& thread : threads_)
    if (thread.cpu == pull.cpu && thread.self.queued && !thread.self.delayed) order.push_back(&thread);
  std::ranges::sort(order, {}, &Thread::order);
  const unsigned failed = cpus_[to].failed;
  std::size_t left = throttles_threads() ? order.size() : runnable(pull.cpu);
  bool pinned = true, moved = false;
  for (Thread* thread : order) {
    if (idle && left <= 1) break;
    // A queue that stands still keeps its threads, and gets none.
    if (!counts(*thread) || (!throttles_threads() && queue_of(thread->group, to).throttles > 0)) continue;
    if ((thread->cpus >> to & 1U) == 0) continue;
    pinned = false;
    if (cpus_[pull.cpu].running == thread) continue;
    std::int64_t part = 1;
    bool stays = now_ - thread->ran < kHot && failed <= 1;
    if (pull.by_load) {
      part = load_of(*thread);
      // The longer nothing could be done, the larger a thread may be.
      stays = stays || (part < kLeastLoad && failed == 0) || part >> std::min(failed, 31U) > pull.amount;
    }
    if (stays) {
      thread->order = ++order_;
      continue;
    }
    pull.amount -= part;
    move(*thread, to);
    moved = true;
    --left;
    if (once || pull.amount <= 0) break;
  }
  if (moved) return Balance::moved;
  return pinned ? Balance::pinned : Balance::failed;
}

void Machine::move(Thread& thread, std::uint32_t to) {
  account(cpus_[thread.cpu]);
  account(cpus_[to]);
  dequeue(thread, false);
  thread.self.keeps_deadline = rules_ >= SchedulerRules::delayed;
  rehome(thread, to);
  enqueue(thread);
  if (cpus_[to].running == nullptr) cpus_[to].looks = true;
}

void Machine::balance_by_clock(Cpu& cpu) {
  const Time ticks = now_ / kTick;
  if (cpus_.size() < 2 || ticks < cpu.next_balance) return;
  constexpr Time kLongestPinned = 512;  // ms
  const auto count = static_cast<Time>(cpus_.size());
  const Balance done = balance(number_of(cpu), cpu.running == nullptr, false);
  if (done == Balance::failed) {
    ++cpu.failed;
  } else {
    cpu.failed = 0;
  }
  if (done == Balance::moved || done == Balance::failed) {
    cpu.interval = count;
  } else if (cpu.interval < (done == Balance::pinned ? kLongestPinned : 2 * count)) {
    cpu.interval *= 2;
  }
  // A busy CPU looks 16 times as seldom.
  const bool busy = cpu.running != nullptr;
  const Time wait = cpu.interval * (busy ? 16 : 1) / (kTick / 1'000'000) - (busy ? 1 : 0);
  cpu.next_balance = ticks + std::clamp<Time>(wait, 1, 25 * count);
}

}  // namespace twinhull::sim::play
