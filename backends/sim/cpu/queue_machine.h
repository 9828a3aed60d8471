// The machine that play_queues() runs: CPUs, their queues, threads and pools.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "backends/sim/cpu/queue_play.h"
#include "backends/sim/cpu/run_queue.h"

namespace twinhull::sim::play {

inline constexpr Time kNever = std::numeric_limits<Time>::max();

struct Thread {
  Entity self;
  std::uint32_t group = 0, cpu = 0;
  std::uint64_t cpus = 0;
  Time each = 0;   ///< CPU time that it wants of each slice of its own; 0 = it is always busy
  Time left = 0;   ///< of the present slice
  Time slice = 0;  ///< when that began
  Time wakes = kNever;
  Time used = 0;
  Time ran = -kTick;        ///< last
  std::uint64_t order = 0;  ///< the balancer begins with the least
  bool out = false;         ///< left because its group is throttled
};

/// CPU times, ns.
struct Tuning {
  Time slice = 0;        ///< EEVDF: after it another may run
  Time period = 0;       ///< CFS: in which all take turns, if they are few
  Time granularity = 0;  ///< CFS: the shortest turn
  Time wakeup = 0;       ///< CFS: who wakes runs when it is behind by more
};

inline constexpr Time kBandwidthSlice = 5'000'000;  ///< ns that a queue takes from the pool at a time

struct Pool {
  Time quota = 0, period = 0, left = 0;
  Time refill = kNever;            ///< never = no quota
  Time look = kNever;              ///< when what queues gave back is handed out
  std::vector<RunQueue*> waiting;  ///< throttled queues
  Time stood = 0;
  std::uint64_t periods = 0, throttled_periods = 0;
};

struct Cpu {
  RunQueue* root = nullptr;
  Thread* running = nullptr;
  Thread* before = nullptr;  ///< who was picked last; none when nobody could be
  Time since = 0;         ///< accounted up to here
  bool looks = false;     ///< who runs is to be picked anew
  std::int64_t use = 0;   ///< average, of kWhole
  Time busy = 0;          ///< since the last tick
  Time next_balance = 0;  ///< tick
  Time interval = 0;      ///< of balancing, ms
  unsigned failed = 0;    ///< times that balancing found nobody to move
};

class Machine {
 public:
  Machine(const PlayPlan& plan, std::uint64_t draw);
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;
  ~Machine() = default;
  void run(Time until);
  /// Counts from here.
  void reset();
  /// All is counted up to here.
  void settle();
  [[nodiscard]] const std::vector<Thread>& threads() const { return threads_; }
  [[nodiscard]] const std::vector<Pool>& pools() const { return pools_; }  ///< by group

 private:
  RunQueue& queue_of(std::uint32_t group, std::uint32_t cpu) { return queues_[group * cpus_.size() + cpu]; }
  [[nodiscard]] std::uint32_t number_of(const Cpu& cpu) const {
    return static_cast<std::uint32_t>(&cpu - cpus_.data());
  }
  void add_thread(const PlayThread& plan, std::uint64_t draw, std::size_t number);

  // Running.
  void account(Cpu& cpu);
  void schedule(Cpu& cpu);
  Thread* pick_in(RunQueue& from);
  [[nodiscard]] Entity* pick(const RunQueue& queue) const;
  static void stop(Cpu& cpu);
  void end_slice(Cpu& cpu);
  void wake(Thread& thread);
  void enqueue(Thread& thread);
  void enter(Entity* member);
  void put_in(RunQueue& queue, Entity& member);
  void take_out(RunQueue& queue, Entity& member);
  void dequeue(Thread& thread, bool sleeps);
  void climb(RunQueue& queue);
  bool stays(RunQueue& queue, Entity& member);
  void rehome(Thread& thread, std::uint32_t cpu);
  void weigh(RunQueue& queue);
  void tick(Cpu& cpu);
  void averages(RunQueue& queue);

  // CFS.
  [[nodiscard]] bool is_cfs() const { return rules_ < SchedulerRules::eevdf; }
  [[nodiscard]] Time turn_of(const Entity& member) const;
  [[nodiscard]] bool is_over(const Entity& member) const;
  void preempt(Entity& woken);
  static void take_turns(Thread* before, Thread& next, bool all);

  // Bandwidth.
  /// By itself, each of a throttled queue's; otherwise the queue leaves as a whole.
  [[nodiscard]] bool throttles_threads() const { return rules_ >= SchedulerRules::task_throttle; }
  /// It takes part where it is queued; it does not while its whole queue stands still.
  [[nodiscard]] bool counts(const Thread& thread) const {
    return throttles_threads() || thread.self.on->throttles == 0;
  }
  Pool& pool_of(const RunQueue& queue) { return pools_[queue.group]; }
  [[nodiscard]] bool limited(const RunQueue& queue) const { return pools_[queue.group].quota != 0; }
  bool take(RunQueue& queue, Time wanted);
  void give_back(RunQueue& queue);
  void refill(Pool& pool);
  void hand_out(Pool& pool);
  bool throttle(RunQueue& queue);
  void count_throttle(RunQueue& queue);
  void leave(Thread& thread);
  bool thaw(RunQueue& queue);
  void thaw_all(RunQueue& queue);
  void bring_back(RunQueue& queue);

  // Balancing.
  enum class Busy : std::uint8_t { spare, full, overloaded };
  enum class Balance : std::uint8_t { fine, pinned, failed, moved };
  /// What a CPU pulls, from where; `cpu` is itself when there is nothing to do.
  struct Pull {
    std::uint32_t cpu = 0;
    std::int64_t amount = 0;  ///< of load, or of threads
    bool by_load = false;
  };
  [[nodiscard]] unsigned runnable(std::uint32_t cpu) const;
  [[nodiscard]] Busy busy(std::uint32_t cpu, unsigned threads) const;
  [[nodiscard]] Pull find_pull(std::uint32_t to, bool idle) const;
  static std::int64_t load_of(const Thread& thread);
  Balance balance(std::uint32_t to, bool idle, bool once);
  void balance_by_clock(Cpu& cpu);
  void move(Thread& thread, std::uint32_t to);

  SchedulerRules rules_;
  Tuning tuning_;
  Time now_ = 0;
  std::uint64_t order_ = 0;
  std::vector<Pool> pools_;
  std::vector<std::int64_t> weights_;  ///< by group
  std::vector<Thread> threads_;
  std::vector<Cpu> cpus_;
  std::vector<RunQueue> queues_;
  std::vector<Entity> entities_;
};

}  // namespace twinhull::sim::play
