#include "backends/sim/cpu/pool_race.h"

#include <algorithm>
#include <numeric>

#include "backends/sim/cpu/water_fill.h"

namespace twinhull::sim {
namespace {

constexpr std::uint64_t kLongest = 2'000'000'000;  // ns
constexpr std::uint64_t kMostWork = 5'000;      // steps × racers: a fraction of a millisecond

std::uint64_t horizon_of(const std::vector<Racer>& racers) {
  std::uint64_t common = 1;
  for (const Racer& racer : racers) {
    if (racer.quota == 0) continue;
    const UInt128 next = static_cast<UInt128>(common) / std::gcd(common, racer.period) * racer.period;
    if (next > kLongest) return kLongest;
    common = static_cast<std::uint64_t>(next);
  }
  return common;
}

}  // namespace

bool race_for_pools(std::uint64_t capacity, std::vector<Racer>& racers) {
  const std::uint64_t horizon = horizon_of(racers);
  std::uint64_t steps = 0;
  for (const Racer& racer : racers)
    if (racer.quota != 0) steps += 4 * (horizon / racer.period + 1);
  if (capacity == 0 || steps * racers.size() > kMostWork) return false;

  struct State {
    UInt128 pool = 0;          // billionths of a nanosecond of CPU time
    std::uint64_t refill = 0;  // when
    std::uint64_t stands = 0;  // ns, in the second half
  };
  std::vector<State> states(racers.size());
  for (std::size_t i = 0; i < racers.size(); ++i)
    if (racers[i].quota != 0) {
      states[i].pool = static_cast<UInt128>(racers[i].quota) * kOneCpu;
      states[i].refill = racers[i].phase % racers[i].period;
    }
  std::vector<Share> shares(racers.size());
  std::uint64_t now = 0;
  while (now < 2 * horizon) {
    for (std::size_t i = 0; i < racers.size(); ++i) {
      const Racer& racer = racers[i];
      State& state = states[i];
      if (racer.quota != 0 && state.refill <= now) {
        state.pool = static_cast<UInt128>(racer.quota) * kOneCpu;
        state.refill += racer.period;
      }
      shares[i] = {racer.weight, racer.quota != 0 && state.pool == 0 ? 0 : racer.wanted, 0};
    }
    water_fill(capacity, shares);
    std::uint64_t next = now < horizon ? horizon : 2 * horizon;
    for (std::size_t i = 0; i < racers.size(); ++i) {
      if (racers[i].quota == 0) continue;
      next = std::min(next, states[i].refill);
      if (states[i].pool == 0 || shares[i].given == 0) continue;
      const UInt128 lasts = (states[i].pool + shares[i].given - 1) / shares[i].given;
      if (lasts < next - now) next = now + static_cast<std::uint64_t>(lasts);
    }
    for (std::size_t i = 0; i < racers.size(); ++i) {
      if (racers[i].quota == 0) continue;
      State& state = states[i];
      if (state.pool == 0) {
        if (now >= horizon) state.stands += next - now;
        continue;
      }
      state.pool -= std::min(state.pool, static_cast<UInt128>(shares[i].given) * (next - now));
    }
    now = next;
  }
  for (std::size_t i = 0; i < racers.size(); ++i)
    racers[i].stands = static_cast<std::uint64_t>(static_cast<UInt128>(states[i].stands) * kOneCpu / horizon);
  return true;
}

}  // namespace twinhull::sim
