#include "backends/sim/cpu/pool_share.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

namespace twinhull::sim {
namespace {

/// Credit is rate × time, time in billionths of the period. What one unit of weight gets is shifted
/// left, so that rounding stays small. Weights, rates and times are below 2³³, 2⁴² and 2³⁰: products fit.
constexpr unsigned kShift = 32;

using Entry = std::pair<UInt128, std::size_t>;  // when, whose

/// Members in the order of what they wait for, each once.
class Order {
 public:
  void add(UInt128 when, std::size_t member) { entries_.emplace_back(when, member); }
  void sort() { std::sort(entries_.begin(), entries_.end()); }
  /// The first that is still `waiting`, or none.
  template <typename Waiting>
  const Entry* first(const Waiting& waiting) {
    while (next_ < entries_.size() && !waiting(entries_[next_].second)) ++next_;
    return next_ < entries_.size() ? &entries_[next_] : nullptr;
  }

 private:
  std::vector<Entry> entries_;
  std::size_t next_ = 0;
};

class Period {
 public:
  Period(std::uint64_t running, std::span<PoolMember> members)
      : members_(members), runners_(members.size()), shared_(running) {
    for (std::size_t i = 0; i < members.size(); ++i) {
      PoolMember& member = members[i];
      member.until = kOneCpu;
      if (member.speed == 0 || member.bound == 0) continue;
      runners_[i].state = State::by_weight;
      weights_ += member.weight;
      caps_.add(rounded_up(static_cast<UInt128>(member.speed) << kShift, member.weight), i);
      if (member.bound < member.speed)
        goals_.add(rounded_up(goal(i) << kShift, member.weight), i);
    }
    caps_.sort();
    goals_.sort();
  }

  std::uint64_t play(std::uint64_t amount) {
    const auto by_weight = [&](std::size_t i) { return runners_[i].state == State::by_weight; };
    UInt128 pool = static_cast<UInt128>(amount) * kOneCpu;
    while (now_ < kOneCpu) {
      // The level rises as others leave it; whose own speed lies below stays behind.
      for (const Entry* cap = caps_.first(by_weight);
           cap != nullptr && cap->first * weights_ <= static_cast<UInt128>(shared_) << kShift;
           cap = caps_.first(by_weight))
        keep_at_cap(cap->second);
      const UInt128 speed = capped_ + (weights_ > 0 ? shared_ : 0);
      if (speed == 0) break;
      const UInt128 each = weights_ > 0 ? (static_cast<UInt128>(shared_) << kShift) / weights_ : 0;
      UInt128 step = kOneCpu - now_;
      const Entry* goal = goals_.first(by_weight);
      if (goal != nullptr && each > 0) step = std::min(step, rounded_up(goal->first - level_, each));
      if (!due_.empty()) step = std::min<UInt128>(step, due_.top().first - now_);
      const bool last = pool / speed < step;
      if (last) step = pool / speed;
      now_ += static_cast<std::uint64_t>(step);
      level_ += each * step;
      pool -= speed * step;
      if (last) break;
      while (!due_.empty() && due_.top().first <= now_) {
        const std::size_t i = due_.top().second;
        due_.pop();
        capped_ -= members_[i].speed;
        shared_ += members_[i].speed;
        stop(i);
      }
      for (goal = goals_.first(by_weight); goal != nullptr && goal->first <= level_;
           goal = goals_.first(by_weight)) {
        weights_ -= members_[goal->second].weight;
        stop(goal->second);
      }
    }
    for (std::size_t i = 0; i < members_.size(); ++i)
      members_[i].given = static_cast<std::uint64_t>(std::min(had(i), goal(i)) / kOneCpu);
    return now_;
  }

 private:
  enum class State : std::uint8_t { still, by_weight, at_cap };
  struct Runner {
    State state = State::still;
    UInt128 had = 0;          ///< credit at `since`; not of those that run by weight
    std::uint64_t since = 0;
  };

  static UInt128 rounded_up(UInt128 part, UInt128 whole) { return (part + whole - 1) / whole; }
  [[nodiscard]] UInt128 goal(std::size_t i) const { return static_cast<UInt128>(members_[i].bound) * kOneCpu; }
  [[nodiscard]] UInt128 had(std::size_t i) const {
    const Runner& runner = runners_[i];
    if (runner.state == State::by_weight) return members_[i].weight * level_ >> kShift;
    const std::uint64_t speed = runner.state == State::at_cap ? members_[i].speed : 0;
    return runner.had + static_cast<UInt128>(speed) * (now_ - runner.since);
  }
  void keep_at_cap(std::size_t i) {
    const PoolMember& member = members_[i];
    runners_[i] = {State::at_cap, had(i), now_};
    weights_ -= member.weight;
    shared_ -= member.speed;
    capped_ += member.speed;
    if (member.bound < member.speed)
      due_.emplace(now_ + rounded_up(goal(i) - std::min(goal(i), runners_[i].had), member.speed), i);
  }
  void stop(std::size_t i) {
    runners_[i] = {State::still, goal(i), now_};
    members_[i].until = now_;
  }

  std::span<PoolMember> members_;
  std::vector<Runner> runners_;
  std::uint64_t shared_;   ///< rate of all that run by weight
  UInt128 weights_ = 0;    ///< of these
  UInt128 capped_ = 0;     ///< rate of all that run at their own speed
  UInt128 level_ = 0;      ///< shifted credit of one unit of weight so far
  std::uint64_t now_ = 0;
  Order caps_, goals_;     ///< by level per time, by level
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> due_;  ///< by time
};

}  // namespace

std::uint64_t share_pool(std::uint64_t amount, std::uint64_t running, std::span<PoolMember> members) {
  return Period(running, members).play(amount);
}

std::uint64_t stands_inside(std::uint64_t until, std::uint64_t emptied) {
  const auto product = [](std::uint64_t a, std::uint64_t b) { return static_cast<UInt128>(a) * b / kOneCpu; };
  // Refilled while all stand still: it stands from its run-out to there.
  const UInt128 later = product(kOneCpu - emptied, (kOneCpu + emptied) / 2 - until);
  // Refilled so late that it takes a part of its quota over into the next period of the group.
  const UInt128 over = product(until, emptied - until);
  // Refilled early enough to use all of it at once.
  const UInt128 early = product(emptied - until, kOneCpu - until);
  return static_cast<std::uint64_t>(later + over + early);
}

}  // namespace twinhull::sim
