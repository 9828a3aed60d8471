// Bookkeeping of the disk model: what must hold, and what loaded state must look like.
#include <algorithm>

#include "backends/sim/io/io_tree.h"

namespace twinhull::sim {
namespace {

constexpr std::uint64_t kMostCount = std::uint64_t{1} << 62U;

/// Costs added to it stay in range.
constexpr Instant kFarthest{Duration(std::int64_t{1} << 62U)};

bool sane_request(const IoRequest& request, std::uint64_t next) {
  constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 40U;
  return request.id > 0 && request.id < next && request.direction <= IoDirection::write &&
         request.bytes <= kMostBytes && request.operations >= 1 &&
         request.operations <= kMostBytes && request.owner.pid >= 0 &&
         request.queued.time_since_epoch().count() >= 0;
}

bool sane_limit(const IoLimit& limit) {
  return (limit.bandwidth.value == kUnlimited ||
          (limit.bandwidth.value >= 1 && limit.bandwidth.value < kMostCount * 2)) &&
         limit.operations >= 1;
}

}  // namespace

Status IoTree::check() const {
  const auto broken = [](const char* what) {
    return fail(ErrorCode::corrupt, "io.check", "disk", what);
  };
  for (const auto& [id, group] : groups_) {
    std::uint64_t waiting = group.queue[0].size() + group.queue[1].size();
    for (const IoGroupId child : group.children) waiting += groups_.at(child).waiting;
    if (waiting != group.waiting) return broken("waiting requests do not add up");
    if (group.cleaned > group.sent || group.sent > group.dirtied) {
      return broken("more was written back than was dirty");
    }
    if (!group.waiters.empty() && group.unwritten() == 0) {
      return broken("somebody waits for data that is written");
    }
  }
  // Every request takes at least the time that the disk needs for it.
  const auto time = static_cast<UInt128>(busy_.count());
  if (static_cast<UInt128>(bytes_) * 1'000'000'000U > time * capacity_.bytes ||
      static_cast<UInt128>(operations_) * 1'000'000'000U > time * capacity_.operations) {
    return broken("more was delivered than the disk can");
  }
  return {};
}

bool IoTree::sane() const {
  const auto root = groups_.find(kRootIoGroup);
  if (root == groups_.end() || next_group_ > (1U << 30U) || next_request_ == 0 || next_request_ > kMostCount ||
      busy_.count() < 0 || serving_cost_ > kMostCount) {
    return false;
  }
  if (serving_ && !sane_request(*serving_, next_request_)) return false;
  for (const auto& [id, group] : groups_) {
    if (id >= next_group_ || (id != kRootIoGroup && group.parent >= id)) return false;
    const auto parent = groups_.find(group.parent);
    if (parent == groups_.end()) return false;
    if (id != kRootIoGroup && !parent->second.children.contains(id)) return false;
    for (const IoGroupId child : group.children) {
      const auto found = groups_.find(child);
      if (child == id || found == groups_.end() || found->second.parent != id) return false;
    }
    if (group.weight < 1 || group.weight > 1000 || !sane_limit(group.limit)) return false;
    if (group.finish > kMostCount || group.own_finish > kMostCount || group.clock > kMostCount ||
        group.dirtied > kMostCount || group.done.throttled->count() < 0 ||
        group.dirty_since.time_since_epoch().count() < 0) {
      return false;
    }
    for (const ThrottleBucket& bucket : group.bytes) {
      if (bucket.begun.time_since_epoch().count() < 0 || bucket.paid < bucket.begun ||
          bucket.last < bucket.begun || bucket.last > kFarthest || bucket.paid > kFarthest) {
        return false;
      }
    }
    for (const OperationSlices& slices : group.operations) {
      if (slices.begun.time_since_epoch().count() < 0 || slices.ended < slices.begun ||
          slices.last < slices.begun || slices.last > kFarthest || slices.ended > kFarthest ||
          slices.served > kMostCount) {
        return false;
      }
    }
    for (std::size_t direction = 0; direction < 2; ++direction) {
      for (const IoRequest& request : group.queue[direction]) {
        if (!sane_request(request, next_request_) || request.group != id ||
            static_cast<std::size_t>(request.direction) != direction) {
          return false;
        }
      }
    }
  }
  return check().has_value();
}

}  // namespace twinhull::sim
