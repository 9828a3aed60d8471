#include "backends/sim/engine/engine.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

#include "backends/sim/engine/fiber_stack.h"

namespace twinhull::sim {
namespace {

// A killed command that still calls after so many refusals loops: it is unwound.
constexpr std::uint64_t kRefusalsBeforeUnwinding = 10'000;

// Thrown through the body of a killed fiber; caught at its root only.
struct UnwindKilledFiber {};

}  // namespace

std::uint64_t hash_text(std::string_view text) {
  return XXH3_64bits(text.data(), text.size());
}

void WaitQueue::wake_all() {
  while (!waiters_.empty()) wake_one();
}

void WaitQueue::wake_one() {
  if (waiters_.empty()) return;
  Waiter& waiter = waiters_.front();
  waiter.engine_->wake(waiter, Wake::woken);  // unlinks it
}

Engine::Engine(std::uint64_t seed)
    : seed_(seed), digest_(mix(0x74776e68756c6cU, seed)), pool_(std::make_unique<FiberPool>()) {}

Engine::~Engine() {
  shut_down();
}

void Engine::shut_down() {
  // Suspended bodies own memory: they run to their end, without effect.
  for (auto& [id, fiber] : fibers_) kill(*fiber);
  drain_killed();
  events_.clear();
}

Timer Engine::schedule(Instant at, Action action) {
  const Timer timer{std::max(at, now_), next_sequence_++};
  events_.emplace_hint(events_.end(), std::pair{timer.at, timer.sequence}, std::move(action));
  return timer;
}

void Engine::cancel(Timer& timer) {
  if (timer.pending()) events_.erase({timer.at, timer.sequence});
  timer = Timer{};
}

void Engine::restore_timer(const Timer& timer, Action action) {
  require_sane(timer.at >= now_, "a timer lies in the past");
  require_sane(timer.sequence != 0 && timer.sequence < next_sequence_,
               "a timer has a number that was never given out");
  const bool fresh =
      events_.try_emplace(std::pair{timer.at, timer.sequence}, std::move(action)).second;
  require_sane(fresh, "two timers have one number");
}

bool Engine::run_next(Instant latest) {
  const auto first = events_.begin();
  if (first == events_.end() || first->first.first > std::min(latest, kClockEnd)) return false;
  now_ = first->first.first;
  Action action = std::move(first->second);
  events_.erase(first);
  const bool outer = std::exchange(in_handler_, true);
  action();
  in_handler_ = outer;
  return true;
}

void Engine::run_until(Instant until) {
  while (run_next(until)) {
  }
  now_ = std::max(now_, std::min(until, kClockEnd));
}

Fiber* Engine::start_fiber(std::uint32_t node, std::int32_t pid, Action body) {
  auto owned = std::make_unique<Fiber>();
  Fiber* fiber = owned.get();
  fiber->id = next_fiber_++;
  fiber->node = node;
  fiber->pid = pid;
  fiber->stack = pool_->take();
  fiber->stack->assign([body = std::move(body)]() mutable {
    try {
      body();
    } catch (const UnwindKilledFiber&) {  // the command was killed: nothing is left to do
    }
  });
  fibers_.emplace(fiber->id, std::move(owned));
  schedule(now_, [this, id = fiber->id] {
    if (Fiber* found = find_fiber(id)) resume(*found);
  });
  return fiber;
}

Fiber* Engine::find_fiber(std::uint64_t id) const {
  const auto found = fibers_.find(id);
  return found == fibers_.end() ? nullptr : found->second.get();
}

void Engine::resume(Fiber& fiber) {
  const bool outer = std::exchange(in_handler_, false);
  current_ = &fiber;
  const bool ended = fiber.stack->enter();
  current_ = nullptr;
  in_handler_ = outer;
  if (ended) finish_fiber(fiber);
}

void Engine::finish_fiber(Fiber& fiber) {
  pool_->give_back(fiber.stack);
  fibers_.erase(fiber.id);
}

Wake Engine::wait(WaitQueue* queue, std::uint32_t node, std::optional<Instant> deadline) {
  if (in_handler_) return Wake::stalled;
  Fiber* fiber = current_;
  if (fiber != nullptr) {
    if (fiber->killed) {
      count_refused_call();
      return Wake::gone;
    }
    if (std::exchange(fiber->interrupt_pending, false)) return Wake::interrupted;
  }
  if (deadline && *deadline <= now_) return Wake::timed_out;

  Waiter waiter;
  waiter.engine_ = this;
  waiter.fiber_ = fiber;
  waiter.node_ = node;
  if (queue != nullptr) queue->waiters_.push_back(waiter);
  Timer timer;
  if (deadline) timer = schedule(*deadline, [this, &waiter] { wake(waiter, Wake::timed_out); });

  if (fiber != nullptr) {
    fiber->waiting = &waiter;
    fiber->stack->leave();
    fiber->waiting = nullptr;
    if (fiber->killed) waiter.reason_ = Wake::gone;
  } else {
    outside_waiters_.push_back(&waiter);
    while (!waiter.ready_) {
      if (!run_next(Instant::max())) {
        waiter.ready_ = true;
        waiter.reason_ = Wake::stalled;
      }
    }
    std::erase(outside_waiters_, &waiter);
  }
  cancel(timer);
  if (waiter.is_linked()) waiter.unlink();
  return waiter.reason_;
}

void Engine::wake(Waiter& waiter, Wake reason) {
  if (waiter.is_linked()) waiter.unlink();
  if (waiter.ready_) return;
  waiter.ready_ = true;
  waiter.reason_ = reason;
  if (waiter.fiber_ == nullptr) return;  // the inline loop looks after each event
  schedule(now_, [this, id = waiter.fiber_->id] {
    if (Fiber* fiber = find_fiber(id)) resume(*fiber);
  });
}

void Engine::interrupt(Fiber& fiber) {
  if (fiber.killed) return;
  if (fiber.waiting != nullptr && !fiber.waiting->ready_) {
    wake(*fiber.waiting, Wake::interrupted);
  } else {
    fiber.interrupt_pending = true;
  }
}

void Engine::kill(Fiber& fiber) {
  if (fiber.killed) return;
  fiber.killed = true;
  if (fiber.waiting != nullptr) wake(*fiber.waiting, Wake::gone);
}

void Engine::kill_node(std::uint32_t node) {
  for (auto& [id, fiber] : fibers_) {
    if (fiber->node == node) kill(*fiber);
  }
  // Commands of other nodes that wait on this one, and outside callers. A wait on a fiber is found
  // through the fiber.
  for (auto& [id, fiber] : fibers_) {
    if (fiber->waiting != nullptr && fiber->waiting->node_ == node)
      wake(*fiber->waiting, Wake::gone);
  }
  for (Waiter* waiter : outside_waiters_) {
    if (waiter->node_ == node) wake(*waiter, Wake::gone);
  }
}

void Engine::drain_killed() {
  if (current_ != nullptr || in_handler_) return;
  for (;;) {
    const auto found = std::find_if(fibers_.begin(), fibers_.end(),
                                    [](const auto& entry) { return entry.second->killed; });
    if (found == fibers_.end()) return;
    resume(*found->second);
  }
}

void Engine::count_refused_call() {
  if (current_ == nullptr || !current_->killed) return;
  if (++current_->refused_calls < kRefusalsBeforeUnwinding) return;
  current_->refused_calls = 0;
  throw UnwindKilledFiber{};
}

RandomStream Engine::stream(std::string_view name) const {
  return RandomStream(mix(seed_, hash_text(name)));
}

void Engine::note(std::string_view what, std::initializer_list<std::uint64_t> values) {
  note(what, {}, values);
}

void Engine::note(std::string_view what, std::string_view object,
                  std::initializer_list<std::uint64_t> values) {
  digest_ = mix(digest_, static_cast<std::uint64_t>(now_.time_since_epoch().count()));
  digest_ = mix(digest_, hash_text(what));
  if (!object.empty()) digest_ = mix(digest_, hash_text(object));
  for (const std::uint64_t value : values) digest_ = mix(digest_, value);
}

void Engine::save(SaveArchive& archive) const {
  archive(seed_, now_, next_sequence_, next_fiber_, digest_);
}

void Engine::load(LoadArchive& archive) {
  archive(seed_, now_, next_sequence_, next_fiber_, digest_);
  require_sane(now_ >= Instant{} && now_ <= kClockEnd, "the clock is out of its range");
  require_sane(next_sequence_ != 0 && next_fiber_ != 0, "a counter is zero");
  loaded_sequence_ = next_sequence_;
}

void Engine::restart_from(std::uint64_t digest) {
  digest_ = digest;
  next_sequence_ = loaded_sequence_;
  events_.clear();
}

}  // namespace twinhull::sim
