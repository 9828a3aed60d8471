#include "backends/sim/cpu/queue_play.h"

#include "backends/sim/cpu/queue_machine.h"

namespace twinhull::sim {

void play_queues(PlayPlan& plan, const PlayLength& length) {
  std::vector<UInt128> used(plan.threads.size(), 0), stood(plan.groups.size(), 0);
  std::vector<std::uint64_t> periods(plan.groups.size(), 0), throttled(plan.groups.size(), 0);
  for (std::uint32_t draw = 0; draw < length.draws; ++draw) {
    play::Machine machine(plan, draw);
    machine.run(static_cast<play::Time>(length.settle));
    machine.reset();
    machine.run(static_cast<play::Time>(length.settle + length.time));
    machine.settle();
    for (std::size_t i = 0; i < used.size(); ++i)
      used[i] += static_cast<std::uint64_t>(machine.threads()[i].used);
    for (std::size_t i = 0; i < stood.size(); ++i) {
      const play::Pool& pool = machine.pools()[i];
      stood[i] += static_cast<std::uint64_t>(pool.stood);
      periods[i] += pool.periods;
      throttled[i] += pool.throttled_periods;
    }
  }
  const UInt128 all = static_cast<UInt128>(length.time) * length.draws;
  if (all == 0) return;
  for (std::size_t i = 0; i < used.size(); ++i)
    plan.threads[i].rate = static_cast<std::uint64_t>(used[i] * kOneCpu / all);
  for (std::size_t i = 0; i < stood.size(); ++i) {
    plan.groups[i].stands = static_cast<std::uint64_t>(stood[i] * kOneCpu / all);
    if (periods[i] != 0) plan.groups[i].throttled_periods = kOneCpu * throttled[i] / periods[i];
  }
}

}  // namespace twinhull::sim
