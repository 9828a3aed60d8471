#include "backends/sim/cpu/run_queue.h"

namespace twinhull::sim::play {
namespace {

/// Weights below 2 do not count: the kernel's least.
std::int64_t counted(const Entity& member) {
  return std::max<std::int64_t>(2, member.weight / kUnit);
}

Time scaled(Time value, std::int64_t from, std::int64_t to) {
  return static_cast<Time>(static_cast<Int128>(value) * from / to);
}

}  // namespace

Time RunQueue::mean() const {
  if (queued.empty()) return last;
  const Time base = queued.front()->vruntime;
  Int128 sum = 0;
  std::int64_t weights = 0;
  for (const Entity* member : queued) {
    sum += static_cast<Int128>(member->vruntime - base) * counted(*member);
    weights += counted(*member);
  }
  if (sum < 0) sum -= weights - 1;  // rounded down
  return base + static_cast<Time>(sum / weights);
}

void RunQueue::note_lag(Entity& member, Time slice) const {
  const Time most = virtual_time(std::max<Time>(2 * slice, kTick), member.weight);
  member.lag = std::clamp(mean() - member.vruntime, -most, most);
}

void RunQueue::place(Entity& member, Time slice) const {
  Time behind = 0;
  if (!queued.empty() && member.lag != 0) {
    // It pulls the mean along: so much more that the lag is the same with it in the queue.
    std::int64_t weights = 0;
    for (const Entity* other : queued) weights += counted(*other);
    behind = scaled(member.lag, weights + counted(member), weights);
  }
  const Time relative = member.deadline - member.vruntime;
  member.vruntime = mean() - behind;
  member.deadline = member.vruntime + (member.keeps_deadline ? relative : virtual_time(slice, member.weight));
  member.keeps_deadline = false;
}

void RunQueue::insert(Entity& member, Time now) {
  queued.push_back(&member);
  member.queued = true;
  weight += member.weight / kUnit;
  if (member.runnable_from < 0) member.runnable_from = now;
}

void RunQueue::erase(Entity& member, Time now) {
  if (queued.size() == 1) last = member.vruntime;
  std::erase(queued, &member);
  member.queued = member.delayed = false;
  weight -= member.weight / kUnit;
  if (running == &member) running = nullptr;
  forget_next(member);
  if (queued.empty() && throttles > 0 && frozen_from < 0) frozen_from = now;
  rest(member, now);
}

Entity* RunQueue::pick() const {
  if (queued.size() == 1) return queued.front();
  const Time middle = mean();
  Entity* best = running != nullptr && running->vruntime <= middle ? running : nullptr;
  if (best != nullptr && best->vruntime < best->guarded) return best;  // its slice is not over
  for (Entity* member : queued)
    if (member->vruntime <= middle && (best == nullptr || member->deadline < best->deadline)) best = member;
  return best;
}

void RunQueue::reweigh(Entity& member, std::int64_t to, bool keeps_lag) {
  const std::int64_t from = member.weight;
  if (!keeps_lag) {
    if (member.queued) weight += to / kUnit - from / kUnit;
  } else if (member.queued) {
    const Time middle = mean();
    const Time ahead = scaled(member.deadline - member.vruntime, from, to);
    const Time guarded = scaled(member.guarded - member.vruntime, from, to);
    weight += to / kUnit - from / kUnit;
    member.vruntime = middle - scaled(middle - member.vruntime, from, to);
    member.deadline = member.vruntime + ahead;
    member.guarded = member.vruntime + guarded;
  } else {
    member.lag = scaled(member.lag, from, to);
  }
  member.weight = to;
}

void rest(Entity& member, Time now) {
  if (member.runnable_from < 0) return;
  member.runnable += now - member.runnable_from;
  member.runnable_from = -1;
}

std::int64_t aged(std::int64_t value, Time part, Time whole) {
  constexpr Int128 kPart = 811, kOf = 10'000;  // 1 - 2^(-4/32.8): a tick of the half-life
  const Int128 change = static_cast<Int128>(part) * kWhole - static_cast<Int128>(value) * whole;
  return value + static_cast<std::int64_t>(change * kPart / (kTick * kOf));
}

void age(Entity& member, Time frozen, Time now) {
  if (member.runnable_from >= 0) {
    member.runnable += now - member.runnable_from;
    member.runnable_from = now;
  }
  const Time open = std::max<Time>(0, kTick - frozen);
  member.average = aged(member.average, std::min(member.runnable, open), open);
  member.runnable = 0;
}

}  // namespace twinhull::sim::play
