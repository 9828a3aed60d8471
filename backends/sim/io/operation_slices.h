// A limit of the operations of one direction of a group's disk traffic.
#pragma once

#include <algorithm>
#include <cstdint>

#include "runtime/kernel/units.h"

namespace twinhull::sim {

/// The kernel's throttle for operations, played by its own rule (block/blk-throttle.c,
/// tg_within_iops_limit and throtl_trim_slice), because it counts in whole operations: until the end
/// of the present slice of 100 ms as many may have gone as fit into the time since the account was
/// opened, rounded down. Once two slices have passed, all but the latest are taken off the account,
/// rounded down again: of 15 a second half an operation is lost in each slice. An account is opened
/// anew by the first request after it ended: nothing is saved up.
struct OperationSlices {
  static constexpr Duration kSlice = milliseconds(100);
  static constexpr Duration kTick = milliseconds(4);  ///< a jiffy at 250 Hz: nobody waits for less

  Instant begun{};           ///< when the account was opened, moved on as it is trimmed
  Instant ended{};           ///< when it is closed unless something goes before
  Instant last{};            ///< when something went
  std::uint64_t served = 0;  ///< operations on the account

  /// When the last of `count` operations of a request that came at `queued` may go; `rate` ≥ 1 a
  /// second.
  [[nodiscard]] Instant allowed(Instant queued, std::uint64_t count, std::uint64_t rate) const {
    return played(queued, count, rate).last;
  }
  /// Lets them go at `when`, ≥ allowed().
  void take(Instant queued, Instant when, std::uint64_t count, std::uint64_t rate) {
    *this = played(queued, count, rate);
    last = when;
    settle(when, rate);
  }
  template <typename Archive>
  void serialize(Archive& archive) {
    archive(begun, ended, last, served);
  }

 private:
  static constexpr Duration kSecond = seconds(1);

  static std::uint64_t in(Duration time, std::uint64_t rate) {
    return static_cast<std::uint64_t>(static_cast<UInt128>(time.count()) * rate /
                                      static_cast<std::uint64_t>(kSecond.count()));
  }
  [[nodiscard]] std::int64_t slices_until(Instant at) const { return (at - begun) / kSlice; }

  [[nodiscard]] OperationSlices played(Instant queued, std::uint64_t count,
                                       std::uint64_t rate) const {
    OperationSlices now = *this;
    if (queued >= ended) now = {queued, queued + kSlice, queued, 0};
    Instant at = std::max(queued, now.last);
    while (true) {
      const Duration open = (now.slices_until(at) + 1) * kSlice;
      const std::uint64_t may = in(open, rate);
      if (may <= now.served) {
        at += std::max(open - (at - now.begun),
                       Duration(kSecond.count() / static_cast<std::int64_t>(rate)) + kTick);
        continue;
      }
      const std::uint64_t go = std::min(count, may - now.served);
      now.served += go;
      count -= go;
      now.settle(at, rate);
      if (count == 0) break;
    }
    now.last = at;
    return now;
  }

  /// What the kernel does to the account whenever something has gone.
  void settle(Instant at, std::uint64_t rate) {
    ended = std::max(ended, begun + (slices_until(at) + 2) * kSlice);
    const Duration passed = (slices_until(at) - 1) * kSlice;
    if (passed < kSlice) return;
    const std::uint64_t trimmed = in(passed, rate);
    if (trimmed == 0) return;
    served -= std::min(served, trimmed);
    begun += passed;
  }
};

}  // namespace twinhull::sim
