// The simulator's engine: virtual clock, event queue, fibers, waiting, random streams, digest.
//
// One thread runs one engine. Code runs in one of three places:
//  - in an event handler (a state machine's step): must not block;
//  - on a fiber (an operator's command, a service): blocks by Engine::wait;
//  - outside (a test, a tool): a blocking call runs the event loop inline until it is woken.
// Order is total: events run by (time, sequence), where the sequence counts schedule() calls.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/sim/engine/archive.h"
#include "backends/sim/engine/random.h"
#include "runtime/kernel/units.h"

namespace twinhull::sim {

class Engine;
class FiberPool;
class FiberStack;

/// A pending event. Saved by its owner (time and sequence) and restored with restore_timer(), so
/// that a loaded world goes on in exactly the same order. Default: none.
struct Timer {
  Instant at{};
  std::uint64_t sequence = 0;  ///< 0 = no timer
  [[nodiscard]] bool pending() const { return sequence != 0; }
  template <typename Archive>
  void serialize(Archive& archive) {
    archive(at, sequence);
  }
};

/// Where a world's clock stands still: 200 years after its beginning. Calendar times, and sums of
/// a time and a length that a clock can show, then stay inside 64 bits of nanoseconds.
inline constexpr Instant kClockEnd{std::chrono::hours(200 * 365 * 24)};

/// When a world begins: 2026-01-01 00:00:00 UTC.
inline constexpr WallTime kWorldBegins{seconds(1'767'225'600)};
static_assert(kWorldBegins.time_since_epoch() < Duration::max() - kClockEnd.time_since_epoch());

/// `at` moved by `length`, held inside the range of the type instead of overflowing. What lies
/// after kClockEnd never comes.
constexpr Instant later(Instant at, Duration length) {
  if (length > Duration::zero() && at > Instant::max() - length) return Instant::max();
  return at + length;
}

/// Why a wait ended.
enum class Wake : std::uint8_t {
  woken,        ///< somebody woke the queue
  timed_out,    ///< the deadline came
  interrupted,  ///< Ctrl-C for this command; reported once
  gone,     ///< the command was killed or its node lost power: return node_down, do nothing more
  stalled,  ///< nothing in the world can ever wake this (outside callers), or an event handler
            ///< tried to block
};

inline constexpr std::uint32_t kNoNode = ~std::uint32_t{0};

/// One running command or service: plain facts about it. Made by Engine::start_fiber.
struct Fiber {
  std::uint64_t id = 0;
  std::uint32_t node = kNoNode;  ///< index of the node that it runs on
  std::int32_t pid = 0;          ///< the process table's entry of the command; 0 = none
  bool killed = false;           ///< no effect of it counts any more
  bool interrupt_pending = false;

 private:
  friend class Engine;
  FiberStack* stack = nullptr;
  class Waiter* waiting = nullptr;
  std::uint64_t refused_calls = 0;
};

/// One blocked call; lives on the stack of the caller for the time of Engine::wait.
class Waiter : public boost::intrusive::list_base_hook<
                   boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 private:
  friend class Engine;
  friend class WaitQueue;
  Engine* engine_ = nullptr;
  Fiber* fiber_ = nullptr;  ///< nullptr = an outside caller
  std::uint32_t node_ = kNoNode;
  bool ready_ = false;
  Wake reason_ = Wake::woken;
};

/// What blocked calls wait on: "this process ended", "a message arrived". Not copyable, not saved
/// (nothing waits in a world at rest).
class WaitQueue {
 public:
  WaitQueue() = default;
  WaitQueue(const WaitQueue&) = delete;
  WaitQueue& operator=(const WaitQueue&) = delete;
  /// Wakes all; they run later, in the order in which they began to wait.
  void wake_all();
  /// Wakes the first, if any.
  void wake_one();
  [[nodiscard]] bool empty() const { return waiters_.empty(); }

 private:
  friend class Engine;
  boost::intrusive::list<Waiter, boost::intrusive::constant_time_size<false>> waiters_;
};

class Engine {
 public:
  using Action = std::move_only_function<void()>;

  explicit Engine(std::uint64_t seed);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // --- time and events ------------------------------------------------------------------------
  /// World time: 0 = the world's beginning. (A node's own clock counts from its boot.)
  [[nodiscard]] Instant now() const { return now_; }
  /// Runs `action` at `at` (not before now), as an event handler: it must not block.
  Timer schedule(Instant at, Action action);
  Timer schedule_in(Duration delay, Action action) {
    return schedule(later(now_, delay), std::move(action));
  }
  /// Takes back; harmless when it ran already or is none. Resets `timer`.
  void cancel(Timer& timer);
  /// Puts a saved timer back under its old time and sequence. Loading code only.
  /// Throws CorruptWorld when it lies in the past or its sequence is taken or was never given out.
  void restore_timer(const Timer& timer, Action action);
  /// Runs everything due until `until` and leaves the clock there, or at kClockEnd.
  void run_until(Instant until);
  /// Runs the next event if it is due not later than `latest` and kClockEnd. False = there is none.
  bool run_next(Instant latest);
  [[nodiscard]] bool idle() const { return events_.empty(); }

  // --- fibers and waiting ---------------------------------------------------------------------
  /// Starts `body` as a fiber of a node; it begins to run as an event at the present time.
  /// The Fiber stays valid until `body` has returned.
  Fiber* start_fiber(std::uint32_t node, std::int32_t pid, Action body);
  /// The fiber that runs now; nullptr in event handlers and outside.
  [[nodiscard]] Fiber* current() const { return current_; }
  [[nodiscard]] std::size_t fiber_count() const { return fibers_.size(); }
  /// Live fiber by id; nullptr when it ended.
  [[nodiscard]] Fiber* find_fiber(std::uint64_t id) const;
  /// Blocks the caller on `queue` (nullptr = only time and kills end it) until it is woken, or
  /// until `deadline`. `node` is the node whose power cut ends the wait. Never spurious: a wait
  /// ends as `woken` only by wake_*(). Check your condition again afterwards all the same.
  Wake wait(WaitQueue* queue, std::uint32_t node, std::optional<Instant> deadline);
  /// Ctrl-C: the fiber's present or next wait gives `interrupted`, once.
  void interrupt(Fiber& fiber);
  /// kill -9: the fiber's waits give `gone`, at once and for ever; it runs to its end without
  /// effect.
  void kill(Fiber& fiber);
  /// Power cut: kills all fibers of the node, ends outside waits on it with `gone`.
  void kill_node(std::uint32_t node);
  /// Runs killed fibers to their end (no effect, no time). Outside only; no-op on a fiber.
  void drain_killed();
  /// A killed fiber made one more call. After very many the fiber is unwound by an exception: a
  /// loop that ignores node_down must not hang the world.
  void count_refused_call();

  // --- chance and trace -----------------------------------------------------------------------
  [[nodiscard]] std::uint64_t seed() const { return seed_; }
  /// A stream of its own for each name ("net.loss.a-b"): adding one changes no other.
  [[nodiscard]] RandomStream stream(std::string_view name) const;
  /// Mixes something that happened into the digest, with the time. Cheap: call it for every effect.
  void note(std::string_view what, std::initializer_list<std::uint64_t> values = {});
  void note(std::string_view what, std::string_view object,
            std::initializer_list<std::uint64_t> values = {});
  [[nodiscard]] std::uint64_t digest() const { return digest_; }

  // --- saving ---------------------------------------------------------------------------------
  /// Clock, counters and digest; owners save their timers. Precondition: no fibers.
  void save(SaveArchive& archive) const;
  void load(LoadArchive& archive);
  /// Loading code only: drops what building the nodes noted and scheduled.
  void restart_from(std::uint64_t digest);
  /// Ends all fibers without effect, before what they refer to is destroyed.
  void shut_down();

 private:
  friend class WaitQueue;
  std::uint64_t loaded_sequence_ = 0;
  void wake(Waiter& waiter, Wake reason);
  void resume(Fiber& fiber);
  void finish_fiber(Fiber& fiber);

  std::uint64_t seed_;
  Instant now_{};
  std::uint64_t next_sequence_ = 1;
  std::uint64_t next_fiber_ = 1;
  std::uint64_t digest_;
  std::map<std::pair<Instant, std::uint64_t>, Action> events_;
  std::map<std::uint64_t, std::unique_ptr<Fiber>> fibers_;
  std::vector<Waiter*> outside_waiters_;
  Fiber* current_ = nullptr;
  bool in_handler_ = false;
  std::unique_ptr<FiberPool> pool_;
};

}  // namespace twinhull::sim
