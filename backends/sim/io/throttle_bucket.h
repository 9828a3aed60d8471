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

  /// What a limit of operations a second comes to: each slice allows whole ones, and what is over is
  /// lost (throtl_trim_slice): 15 act as 10. Below 10 the kernel strays to both sides.
  static std::uint64_t whole_operations(std::uint64_t limit) {
    constexpr std::uint64_t kSlices = seconds(1) / kSlice;
    return limit < kSlices ? limit : limit / kSlices * kSlices;
  }

  Instant begun{};  ///< of the first slice
  Instant paid{};   ///< when the limit has paid for everything that was let through
  Instant last{};   ///< when something was let through

  /// When a request that came at `queued` may go; `cost` is the time in which the limit pays for it.
  [[nodiscard]] Instant allowed(Instant queued, Duration cost) const {
    ThrottleBucket now = *this;
    if (queued >= end()) now = {queued, queued, queued};
    const Instant looked_at = std::max(queued, now.last);
    const Instant due = now.paid + cost;
    return due <= now.begun + whole(looked_at - now.begun) ? looked_at : due;
  }
  /// Lets it through at `when`, ≥ allowed().
  void take(Instant queued, Instant when, Duration cost) {
    if (queued >= end()) begun = paid = queued;
    paid += cost;
    last = when;
  }
  template <typename Archive>
  void serialize(Archive& archive) {
    archive(begun, paid, last);
  }

 private:
  /// Whole slices that hold `time`, one at least.
  static Duration whole(Duration time) {
    return std::max<std::int64_t>(1, (time + kSlice - Duration(1)) / kSlice) * kSlice;
  }
  [[nodiscard]] Instant end() const { return begun + whole(std::max(paid, last) - begun); }
};

}  // namespace twinhull::sim
