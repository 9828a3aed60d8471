// Threads run, sleep, stand still for their group's pool, and come back.
#include "backends/sim/cpu/queue_machine.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

namespace twinhull::sim::play {
namespace {

constexpr Time kLoadSlice = 10'000'000;   // ns, of vzload
constexpr Time kBacklog = 1'000'000'000;  // ns, of vzload: its demand of so long is what it owes at most

/// A number without pattern for each `i` (the steps of SplitMix64).
std::uint64_t scattered(std::uint64_t i) {
  std::uint64_t mixed = i * 0x9e3779b97f4a7c15U;
  mixed = (mixed ^ mixed >> 30U) * 0xbf58476d1ce4e5b9U;
  mixed = (mixed ^ mixed >> 27U) * 0x94d049bb133111ebU;
  return mixed ^ mixed >> 31U;
}

/// 0 … below - 1.
Time drawn(std::uint64_t i, Time below) {
  return static_cast<Time>(static_cast<UInt128>(scattered(i)) * static_cast<std::uint64_t>(below) >> 64U);
}

/// The kernel's defaults, which grow with the CPUs, counting 8 at most.
Tuning tuning_of(SchedulerRules rules, std::uint32_t cpus) {
  const Time factor = std::bit_width(std::min<std::uint32_t>(cpus, 8));
  Tuning tuning;
  // 0.7 ms came with 6.15 already: three kernels are played with slices that are 7 % too long.
  tuning.slice = (rules >= SchedulerRules::task_throttle ? 700'000 : 750'000) * factor;
  tuning.period = 6'000'000 * factor;
  tuning.granularity = 750'000 * factor;
  tuning.wakeup = 1'000'000 * factor;
  return tuning;
}

}  // namespace

Machine::Machine(const PlayPlan& plan, std::uint64_t draw)
    : rules_(plan.rules),
      tuning_(tuning_of(plan.rules, plan.cpus)),
      pools_(plan.groups.size()),
      threads_(plan.threads.size()),
      cpus_(plan.cpus),
      queues_(plan.groups.size() * plan.cpus),
      entities_(queues_.size()) {
  for (std::uint32_t number = 0; number < plan.groups.size(); ++number) {
    const PlayGroup& group = plan.groups[number];
    weights_.push_back(static_cast<std::int64_t>(group.weight) * kUnit);
    if (group.quota != 0) {
      Pool& pool = pools_[number];
      pool.quota = pool.left = static_cast<Time>(group.quota);
      pool.period = static_cast<Time>(group.period);
      // Ticks are at multiples of their length, too.
      pool.refill = rules_ < SchedulerRules::interleaved ? pool.period
                                                         : drawn(draw * 131 + number + 1, pool.period);
    }
    for (std::uint32_t cpu = 0; cpu < plan.cpus; ++cpu) {
      RunQueue& queue = queue_of(number, cpu);
      queue.group = number;
      queue.cpu = cpu;
      if (number == 0) {
        cpus_[cpu].root = &queue;
        continue;
      }
      Entity& self = entities_[number * plan.cpus + cpu];
      self.mine = &queue;
      self.on = &queue_of(group.parent, cpu);
      self.weight = weights_[number];
      self.average = kWhole;
      self.on->attached.push_back(&self);
      self.on->inner.push_back(&queue);
      queue.self = &self;
    }
  }
  for (std::size_t i = 0; i < threads_.size(); ++i) add_thread(plan.threads[i], draw, i);
  for (std::size_t i = queues_.size(); i-- > 0;)  // members before their groups
    for (const Entity* member : queues_[i].attached) queues_[i].load += member->load();
  for (Thread& thread : threads_)
    if (thread.each == 0) enqueue(thread);
  for (Cpu& cpu : cpus_) {
    cpu.interval = static_cast<Time>(plan.cpus);
    cpu.next_balance = 1 + drawn(draw * 7 + number_of(cpu), 8);
    schedule(cpu);
  }
}

void Machine::add_thread(const PlayThread& plan, std::uint64_t draw, std::size_t number) {
  Thread& thread = threads_[number];
  thread.self.thread = &thread;
  thread.group = plan.group;
  thread.cpus = plan.cpus;
  thread.self.average = kWhole;
  thread.self.fresh = plan.demand >= kOneCpu;
  if (plan.demand < kOneCpu) {
    thread.each =
        std::max<Time>(1, static_cast<Time>(static_cast<UInt128>(plan.demand) * kLoadSlice / kOneCpu));
    thread.slice = thread.wakes = drawn(draw * 1009 + number + 77, kLoadSlice);
    thread.self.average = kWhole * thread.each / kLoadSlice;
  }
  // A new thread goes where fewest are.
  std::vector<std::size_t> there(cpus_.size(), 0);
  for (std::size_t other = 0; other < number; ++other) ++there[threads_[other].cpu];
  const auto first = static_cast<std::uint32_t>(drawn(draw * 17 + number, static_cast<Time>(cpus_.size())));
  std::optional<std::uint32_t> best;
  for (std::uint32_t step = 0; step < cpus_.size(); ++step) {
    const std::uint32_t cpu = (first + step) % static_cast<std::uint32_t>(cpus_.size());
    if ((thread.cpus >> cpu & 1U) != 0 && (!best || there[cpu] < there[*best])) best = cpu;
  }
  thread.cpu = best.value_or(first);
  thread.self.on = &queue_of(thread.group, thread.cpu);
  thread.self.on->attached.push_back(&thread.self);
}

void Machine::run(Time until) {
  while (now_ < until) {
    Time next = std::min(until, (now_ / kTick + 1) * kTick);
    for (const Cpu& cpu : cpus_)
      if (cpu.running != nullptr && cpu.running->each != 0)
        next = std::min(next, std::max(now_ + 1, cpu.since + cpu.running->left));
    for (const Thread& thread : threads_) next = std::min(next, thread.wakes);
    for (const Pool& pool : pools_) next = std::min({next, pool.refill, pool.look});
    now_ = next;
    for (Pool& pool : pools_) {
      if (pool.refill <= now_) refill(pool);
      if (pool.look <= now_) {
        pool.look = kNever;
        if (pool.left > kBandwidthSlice) hand_out(pool);
      }
    }
    for (Cpu& cpu : cpus_)
      if (cpu.running != nullptr && cpu.running->each != 0 && cpu.since + cpu.running->left <= now_)
        end_slice(cpu);
    for (Thread& thread : threads_)
      if (thread.wakes <= now_) wake(thread);
    if (now_ % kTick == 0) {
      for (Cpu& cpu : cpus_) tick(cpu);
      for (Cpu& cpu : cpus_)
        if (cpu.looks) schedule(cpu);
      for (Cpu& cpu : cpus_) balance_by_clock(cpu);
    }
    for (Cpu& cpu : cpus_)
      if (cpu.looks || (cpu.running == nullptr && !cpu.root->queued.empty())) schedule(cpu);
  }
}

void Machine::settle() {
  for (Cpu& cpu : cpus_) account(cpu);
  for (RunQueue& queue : queues_) {
    if (queue.stands_from < 0) continue;
    pool_of(queue).stood += now_ - queue.stands_from;
    queue.stands_from = now_;
  }
}

void Machine::reset() {
  settle();
  for (Thread& thread : threads_) thread.used = 0;
  for (Pool& pool : pools_) {
    pool.stood = 0;
    pool.periods = pool.throttled_periods = 0;
  }
}

// --- running -------------------------------------------------------------------------------------

/// Counts what ran since the last look.
void Machine::account(Cpu& cpu) {
  Thread* thread = cpu.running;
  const Time delta = now_ - cpu.since;
  if (thread == nullptr || delta <= 0) return;
  cpu.since = now_;
  cpu.busy += delta;
  thread->used += delta;
  thread->left -= delta;
  thread->ran = now_;
  for (Entity* member = &thread->self; member != nullptr; member = member->on->self) {
    RunQueue& queue = *member->on;
    member->vruntime += virtual_time(delta, member->weight);
    if (is_cfs()) {
      member->turn += delta;
      queue.follow();
    } else {
      // One that was alone gets another slice without being picked again: it is not guarded in that.
      if (member->vruntime >= member->deadline)
        member->deadline = member->vruntime + virtual_time(tuning_.slice, member->weight);
      if (member->vruntime >= member->guarded) cpu.looks = cpu.looks || queue.queued.size() > 1;
    }
    if (!limited(queue)) continue;
    queue.left -= delta;
    if (queue.left <= 0 && !take(queue, kBandwidthSlice)) cpu.looks = true;
  }
}

void Machine::stop(Cpu& cpu) {
  for (Entity* member = &cpu.running->self; member != nullptr; member = member->on->self)
    if (member->on->running == member) member->on->running = nullptr;
  cpu.running = nullptr;
}

Entity* Machine::pick(const RunQueue& queue) const {
  return is_cfs() ? queue.pick_least(tuning_.wakeup) : queue.pick();
}

/// Who is to run in the queue; threads of throttled groups leave as their turn comes.
Thread* Machine::pick_in(RunQueue& from) {
  RunQueue* queue = &from;
  while (!queue->queued.empty()) {
    Entity* member = pick(*queue);
    if (member->delayed) {  // owes nothing any more
      take_out(*queue, *member);
      climb(*queue);
      queue = &from;
    } else if (member->mine != nullptr) {
      queue = member->mine;
    } else if (queue->throttles == 0) {
      return member->thread;
    } else {
      leave(*member->thread);
      queue = &from;
    }
  }
  return nullptr;
}

void Machine::schedule(Cpu& cpu) {
  account(cpu);
  bool throttled = false;
  // Before 6.18 the queues of one who went to sleep count too; threads that leave by themselves have time.
  if (Thread* ran = throttles_threads() ? cpu.running : cpu.before; ran != nullptr)
    for (Entity* member = &ran->self; member != nullptr; member = member->on->self)
      if (limited(*member->on) && member->on->left <= 0) throttled |= throttle(*member->on);
  Thread* next = pick_in(*cpu.root);
  if (next == nullptr) {
    if (cpu.running != nullptr) stop(cpu);
    if (cpus_.size() > 1) balance(number_of(cpu), true, true);
    next = pick_in(*cpu.root);
  }
  cpu.looks = false;
  Thread* before = std::exchange(cpu.before, next);
  if (next == cpu.running) return;
  if (is_cfs() && next != nullptr) take_turns(before, *next, throttled);
  if (next != nullptr)
    for (Entity* member = &next->self; member != nullptr; member = member->on->self)
      if (member->on->running != member) member->guarded = member->deadline;
  if (cpu.running != nullptr) stop(cpu);
  cpu.running = next;
  cpu.since = now_;
  next->order = ++order_;
  for (Entity* member = &next->self; member != nullptr; member = member->on->self)
    member->on->running = member;
}

/// The thread has had what it wants of a slice.
void Machine::end_slice(Cpu& cpu) {
  Thread& thread = *cpu.running;
  account(cpu);
  thread.slice = std::max(thread.slice, now_ - kBacklog) + kLoadSlice;
  if (thread.slice <= now_) {
    thread.left += thread.each;
    return;
  }
  thread.wakes = thread.slice;
  dequeue(thread, true);
  stop(cpu);
  cpu.looks = true;
}

void Machine::wake(Thread& thread) {
  thread.wakes = kNever;
  thread.left = thread.each;
  if (!thread.self.delayed && cpus_[thread.cpu].running != nullptr) {
    for (const Cpu& cpu : cpus_) {
      if ((thread.cpus >> number_of(cpu) & 1U) == 0 || cpu.running != nullptr || !cpu.root->queued.empty())
        continue;
      rehome(thread, number_of(cpu));
      break;
    }
  }
  enqueue(thread);
  Cpu& cpu = cpus_[thread.cpu];
  if (!counts(thread)) return;  // its group stands still
  if (cpu.running == nullptr) {
    cpu.looks = true;
    return;
  }
  // The first queue that it shares with who runs decides.
  Entity* member = &thread.self;
  while (member != nullptr && member->on->running == nullptr) member = member->on->self;
  if (member == nullptr || member->on->running == member || cpu.looks) return;
  if (is_cfs()) {
    preempt(*member);
  } else if (member->on->pick() == member) {
    cpu.looks = true;
  }
}

void Machine::enqueue(Thread& thread) {
  account(cpus_[thread.cpu]);
  thread.order = ++order_;
  enter(&thread.self);
}

/// The member comes, and with it the groups around it that nobody was in.
void Machine::enter(Entity* member) {
  std::vector<RunQueue*> first;
  for (; member != nullptr && (!member->queued || member->delayed); member = member->on->self) {
    RunQueue& queue = *member->on;
    if (member->mine != nullptr) weigh(*member->mine);
    if (member->delayed) {
      queue.note_lag(*member, tuning_.slice);
      member->delayed = false;
      if (member->runnable_from < 0) member->runnable_from = now_;
      if (member->lag <= 0) continue;
      queue.erase(*member, now_);
      member->lag = 0;
    }
    put_in(queue, *member);
    if (queue.queued.size() == 1 && limited(queue)) first.push_back(&queue);
    if (throttles_threads()) continue;
    if (queue.queued.size() == 1 && limited(queue) && queue.left <= 0 && !queue.throttled &&
        !take(queue, kBandwidthSlice))
      throttle(queue);
    if (!queue.throttled) continue;
    if (queue.stands_from < 0) queue.stands_from = now_;
    return;
  }
  for (; member != nullptr; member = member->on->self)
    if (member->mine != nullptr) weigh(*member->mine);
  if (!throttles_threads()) return;
  for (RunQueue* queue : first)
    if (queue->left <= 0 && !take(*queue, kBandwidthSlice)) throttle(*queue);
}

void Machine::put_in(RunQueue& queue, Entity& member) {
  if (!is_cfs()) {
    queue.place(member, tuning_.slice);
    queue.insert(member, now_);
    return;
  }
  if (std::exchange(member.relative, false)) member.vruntime += queue.least;
  if (std::exchange(member.fresh, false)) {  // takes its place behind those who have theirs in this period
    member.vruntime = std::max(member.vruntime, queue.least + virtual_time(turn_of(member), member.weight));
  } else if (!std::exchange(member.awake, false)) {
    queue.place_after_sleep(member, tuning_.period / 2);
  }
  queue.insert(member, now_);
}

void Machine::take_out(RunQueue& queue, Entity& member) {
  if (is_cfs()) {
    queue.erase(member, now_);
    queue.follow();
    return;
  }
  queue.note_lag(member, tuning_.slice);
  if (member.delayed) member.lag = std::min<Time>(member.lag, 0);
  queue.erase(member, now_);
}

/// A member that goes to sleep while it owes others time stays until it does not.
bool Machine::stays(RunQueue& queue, Entity& member) {
  if (rules_ < SchedulerRules::delayed || queue.queued.size() == 1 || queue.eligible(member)) return false;
  member.delayed = true;
  if (queue.running == &member) queue.running = nullptr;
  rest(member, now_);
  return true;
}

void Machine::dequeue(Thread& thread, bool sleeps) {
  Entity& self = thread.self;
  if (sleeps && stays(*self.on, self)) return;
  if (is_cfs() && !sleeps) {
    self.vruntime -= self.on->least;
    self.relative = self.awake = true;
  }
  take_out(*self.on, self);
  climb(*self.on);
}

/// The queue lost a member: its group leaves too when nobody is left.
void Machine::climb(RunQueue& from) {
  RunQueue* queue = &from;
  while (queue->self != nullptr && queue->queued.empty()) {
    give_back(*queue);
    Entity& self = *queue->self;
    if (!self.queued || self.delayed || stays(*self.on, self)) return;
    take_out(*self.on, self);
    weigh(*queue);
    queue = self.on;
  }
  for (; queue->self != nullptr; queue = queue->self->on) weigh(*queue);
}

void Machine::rehome(Thread& thread, std::uint32_t cpu) {
  if (is_cfs() && !thread.self.relative) {
    thread.self.vruntime -= thread.self.on->least;
    thread.self.relative = true;
  }
  const std::int64_t load = thread.self.load();
  std::erase(thread.self.on->attached, &thread.self);
  thread.self.on->load -= load;
  thread.cpu = cpu;
  thread.self.on = &queue_of(thread.group, cpu);
  thread.self.on->attached.push_back(&thread.self);
  thread.self.on->load += load;
}

/// The group weighs on a CPU by the part of its load that lies there.
void Machine::weigh(RunQueue& queue) {
  if (!throttles_threads() && queue.throttles > 0) return;
  const std::int64_t here = std::max(queue.weight, queue.load), shares = weights_[queue.group];
  std::int64_t all = here;
  for (std::uint32_t cpu = 0; cpu < cpus_.size(); ++cpu)
    if (cpu != queue.cpu) all += queue_of(queue.group, cpu).load;
  std::int64_t weight = shares;
  if (all > 0) weight = static_cast<std::int64_t>(static_cast<Int128>(shares) * here / all);
  weight = std::clamp<std::int64_t>(weight, 2, shares);
  if (weight != queue.self->weight) queue.self->on->reweigh(*queue.self, weight, !is_cfs());
}

void Machine::averages(RunQueue& queue) {
  for (RunQueue* inner : queue.inner) averages(*inner);
  if (queue.frozen_from >= 0) {
    queue.frozen += now_ - queue.frozen_from;
    queue.frozen_from = now_;
  }
  queue.load = 0;
  for (Entity* member : queue.attached) {
    age(*member, queue.frozen, now_);
    queue.load += member->load();
  }
  queue.frozen = 0;
}

void Machine::tick(Cpu& cpu) {
  account(cpu);
  averages(*cpu.root);
  cpu.use = aged(cpu.use, cpu.busy, kTick);
  cpu.busy = 0;
  if (cpu.running == nullptr) return;
  for (const Entity* member = &cpu.running->self; member != nullptr; member = member->on->self) {
    if (member->mine != nullptr) weigh(*member->mine);
    if (is_cfs() && member->on->queued.size() > 1 && is_over(*member)) cpu.looks = true;
  }
}

}  // namespace twinhull::sim::play
