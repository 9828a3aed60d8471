// One limit of one direction of a group's disk traffic.
#pragma once

#include <algorithm>
#include <cstdint>

#include "runtime/kernel/units.h"

namespace twinhull::sim {

/// The kernel's throttle (block/blk-throttle.c): time is cut into slices of 100 ms from the first
/// request on, and what was let through may never exceed what the limit allows until the end of the
/// present slice. A request that is too much waits until all of it is paid for. A group that was
/// idle to the end of its slice begins a new one: nothing is saved up.
struct ThrottleBucket {
  static constexpr Duration kSlice = milliseconds(100);

  Instant begun{};  ///< of the first slice
  Instant paid{};   ///< when the limit has paid for everything that was let through
  Instant last{};   ///< when something was let through

  /// When a request that came at `queued` may go; `cost` is the time in which the limit pays for it.
  [[nodiscard]] Instant allowed(Instant queued, Duration cost) const {
    const ThrottleBucket now = met_by(queued);
    const Instant looked_at = std::max(queued, now.last);
    const Instant due = now.paid + cost;
    return due <= now.begun + whole(looked_at - now.begun) ? looked_at : due;
  }
  /// Lets it through at `when`, ≥ allowed().
  void take(Instant queued, Instant when, Duration cost) {
    *this = met_by(queued);
    paid += cost;
    last = when;
  }
  template <typename Archive>
  void serialize(Archive& archive) {
    archive(begun, paid, last);
  }

 private:
  /// As a request finds it that came at `queued`.
  [[nodiscard]] ThrottleBucket met_by(Instant queued) const {
    return queued >= end() ? ThrottleBucket{queued, queued, queued} : *this;
  }
  /// Whole slices that hold `time`, one at least.
  static Duration whole(Duration time) {
    return std::max<std::int64_t>(1, (time + kSlice - Duration(1)) / kSlice) * kSlice;
  }
  [[nodiscard]] Instant end() const { return begun + whole(std::max(paid, last) - begun); }
};

}  // namespace twinhull::sim
