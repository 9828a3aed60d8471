#include "backends/sim/io/io_tree.h"

#include <algorithm>

#include "backends/sim/engine/engine.h"

namespace twinhull::sim {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr Duration kOld = seconds(5);              // kernel: dirty_writeback_centisecs
constexpr std::uint64_t kMostBytes = 1U << 20U;    // of one request
constexpr std::uint64_t kMostBlocks = 64;
constexpr std::uint64_t kWritebackBlock = 64U << 10U;
constexpr std::uint64_t kOwnWeight = 100;
/// Virtual time of one nanosecond at weight 1; finer than the weights, so that none rounds to zero.
constexpr std::uint64_t kScale = 1000;
/// Virtual times are set back before they come near the end of their range.
constexpr std::uint64_t kFar = std::uint64_t{1} << 60U;

std::uint64_t time_for(std::uint64_t amount, std::uint64_t rate) {
  const UInt128 time = (static_cast<UInt128>(amount) * kSecond + rate - 1) / rate;
  constexpr std::uint64_t kMost = std::uint64_t{1} << 61U;
  return time > kMost ? kMost : static_cast<std::uint64_t>(time);
}

std::size_t index(IoDirection direction) { return static_cast<std::size_t>(direction); }

}  // namespace

IoTree::IoTree() : IoTree(IoCapacity{}) {}

IoTree::IoTree(IoCapacity capacity) : capacity_(capacity) {
  groups_[kRootIoGroup].done.throttled = Duration(0);
}

IoGroupId IoTree::add_group(IoGroupId parent) {
  const IoGroupId id = next_group_++;
  Group& group = groups_[id];
  group.parent = parent;
  group.done.throttled = Duration(0);
  groups_.at(parent).children.insert(id);
  return id;
}

void IoTree::remove_group(IoGroupId id) {
  Group& group = groups_.at(id);
  Group& parent = groups_.at(group.parent);
  change_waiting(id, -static_cast<std::int64_t>(group.queue[0].size() + group.queue[1].size()));
  // What waits in its name is writeback: the parent writes it.
  std::uint64_t left = group.unsent();
  for (const IoRequest& request : group.queue[index(IoDirection::write)]) left += request.bytes;
  if (left > 0) {
    if (parent.unsent() == 0) parent.dirty_since = group.dirty_since;
    parent.dirtied += left;
  }
  parent.children.erase(id);
  groups_.erase(id);
}

void IoTree::set_limit(IoGroupId id, const IoLimit& limit, Instant now) {
  Group& group = groups_.at(id);
  if (group.limit == limit) return;
  group.limit = limit;
  group.bytes.fill({now, now, now});  // no debts of another limit
  group.operations.fill({now, now, now, 0});
}

std::uint64_t IoTree::blocks_at_once(IoGroupId id, std::uint64_t block) const {
  std::uint64_t blocks = std::min(kMostBlocks, std::max<std::uint64_t>(1, kMostBytes / block));
  blocks = std::min(blocks, std::max<std::uint64_t>(1, capacity_.bytes / 100 / block));
  // A twentieth of a second's worth of the tightest limit.
  constexpr std::uint64_t kParts = 20;
  for (IoGroupId at = id;; at = groups_.at(at).parent) {
    const IoLimit& limit = groups_.at(at).limit;
    if (limit.bandwidth.value != kUnlimited) {
      blocks = std::min(blocks, limit.bandwidth.value / kParts / block);
    }
    if (limit.operations != kUnlimited) blocks = std::min(blocks, limit.operations / kParts);
    if (at == kRootIoGroup) break;
  }
  return std::max<std::uint64_t>(1, blocks);
}

void IoTree::change_waiting(IoGroupId id, std::int64_t by) {
  for (IoGroupId at = id;; at = groups_.at(at).parent) {
    groups_.at(at).waiting += static_cast<std::uint64_t>(by);
    if (at == kRootIoGroup) return;
  }
}

void IoTree::queue(IoRequest request) {
  request.id = next_request_++;
  change_waiting(request.group, 1);
  groups_.at(request.group).queue[index(request.direction)].push_back(request);
}

void IoTree::submit(IoGroupId group, IoDirection direction, std::uint64_t bytes,
                    std::uint64_t operations, ProcessRef owner, Instant now) {
  queue({0, group, direction, bytes, operations, owner, now});
}

void IoTree::cancel(ProcessRef owner) {
  for (auto& [id, group] : groups_) {
    for (auto& requests : group.queue) {
      const auto gone =
          std::erase_if(requests, [&](const IoRequest& request) { return request.owner == owner; });
      if (gone > 0) change_waiting(id, -static_cast<std::int64_t>(gone));
    }
    std::erase_if(group.waiters, [&](const Waiter& waiter) { return waiter.owner == owner; });
  }
}

void IoTree::add_dirty(IoGroupId id, std::uint64_t bytes, Instant now) {
  Group& group = groups_.at(id);
  if (group.unsent() == 0) group.dirty_since = now;
  group.dirtied += bytes;
}

bool IoTree::wait_clean(IoGroupId id, std::uint64_t left, ProcessRef owner, Instant now) {
  Group& group = groups_.at(id);
  if (group.unwritten() <= left) return false;
  group.waiters.push_back({group.dirtied - left, owner});
  start_writeback(id, now);
  return true;
}

void IoTree::start_writeback(IoGroupId id, Instant now) {
  groups_.at(id).writing_back = true;
  refill(id, now);
}

/// At most one request of writeback waits for each group: it competes as one writer.
void IoTree::refill(IoGroupId id, Instant now) {
  Group& group = groups_.at(id);
  if (!group.writing_back) return;
  if (group.unsent() == 0) {
    group.writing_back = false;
    return;
  }
  for (const IoRequest& request : group.queue[index(IoDirection::write)]) {
    if (request.owner.pid == 0) return;
  }
  const std::uint64_t bytes =
      std::min(group.unsent(), blocks_at_once(id, kWritebackBlock) * kWritebackBlock);
  group.sent += bytes;
  queue({0, id, IoDirection::write, bytes, (bytes + kWritebackBlock - 1) / kWritebackBlock, {},
         now});
}

/// Calls visit(bucket, amount, rate) for each limit that the request meets.
template <typename Visit>
void IoTree::each_limit(auto& groups, const IoRequest& request, const Visit& visit) {
  const std::size_t direction = index(request.direction);
  for (IoGroupId at = request.group;; at = groups.at(at).parent) {
    auto& group = groups.at(at);
    if (const std::uint64_t rate = group.limit.bandwidth.value; rate != kUnlimited) {
      visit(group.bytes[direction],
            Duration(static_cast<std::int64_t>(time_for(request.bytes, rate))));
    }
    if (const std::uint64_t rate = group.limit.operations; rate != kUnlimited)
      visit(group.operations[direction], request.operations, rate);
    if (at == kRootIoGroup) return;
  }
}

Instant IoTree::allowed_at(const IoRequest& request) const {
  Instant at = request.queued;
  each_limit(groups_, request, [&](const auto& bucket, auto... amount) {
    at = std::max(at, bucket.allowed(request.queued, amount...));
  });
  return at;
}

std::optional<IoTree::Pick> IoTree::pick(IoGroupId id, Instant now) const {
  const Group& group = groups_.at(id);
  if (group.waiting == 0) return std::nullopt;
  std::optional<Pick> best;
  std::uint64_t best_start = 0;
  // Its own processes: first come, first served.
  std::uint64_t first = ~std::uint64_t{0};
  for (const IoDirection direction : {IoDirection::read, IoDirection::write}) {
    const auto& waiting = group.queue[index(direction)];
    if (waiting.empty() || waiting.front().id >= first || allowed_at(waiting.front()) > now) continue;
    first = waiting.front().id;
    best = Pick{id, direction};
    best_start = std::max(group.clock, group.own_finish);
  }
  for (const IoGroupId child : group.children) {
    const std::uint64_t start = std::max(group.clock, groups_.at(child).finish);
    if (best && start >= best_start) continue;
    if (const auto found = pick(child, now)) {
      best = found;
      best_start = start;
    }
  }
  return best;
}

/// Moves the virtual times of the request's group and of all above it.
void IoTree::charge_share(IoGroupId id, std::uint64_t cost) {
  const auto move = [](std::uint64_t& clock, std::uint64_t& finish, std::uint64_t by) {
    clock = std::max(clock, finish);  // the start of this service
    finish = clock + by;
  };
  const auto step = [&](std::uint64_t weight) {
    const UInt128 by = static_cast<UInt128>(cost) * kScale / weight;
    return by > kFar ? kFar : static_cast<std::uint64_t>(by);
  };
  move(groups_.at(id).clock, groups_.at(id).own_finish, step(kOwnWeight));
  for (IoGroupId at = id; at != kRootIoGroup; at = groups_.at(at).parent) {
    Group& group = groups_.at(at);
    move(groups_.at(group.parent).clock, group.finish, step(group.weight));
  }
  for (auto& [key, group] : groups_) {
    if (group.clock < kFar) continue;
    const std::uint64_t back = group.clock;
    const auto set_back = [&](std::uint64_t& time) { time -= std::min(time, back); };
    for (const IoGroupId child : group.children) set_back(groups_.at(child).finish);
    set_back(group.own_finish);
    group.clock = 0;
  }
}

void IoTree::charge_limits(const IoRequest& request, Instant now) {
  const Duration waited = std::max(Duration(0), std::min(allowed_at(request), now) - request.queued);
  each_limit(groups_, request, [&](auto& bucket, auto... amount) {
    bucket.take(request.queued, now, amount...);
  });
  for (IoGroupId at = request.group;; at = groups_.at(at).parent) {
    *groups_.at(at).done.throttled += waited;
    if (at == kRootIoGroup) return;
  }
}

std::uint64_t IoTree::cost_of(const IoRequest& request) const {
  return std::max({time_for(request.bytes, capacity_.bytes),
                   time_for(request.operations, capacity_.operations), std::uint64_t{1}});
}

std::optional<Duration> IoTree::serve(Instant now) {
  const auto next = pick(kRootIoGroup, now);
  if (!next) return std::nullopt;
  auto& waiting = groups_.at(next->group).queue[index(next->direction)];
  serving_ = waiting.front();
  waiting.pop_front();
  change_waiting(next->group, -1);
  serving_cost_ = cost_of(*serving_);
  charge_limits(*serving_, now);
  charge_share(next->group, serving_cost_);
  // The next piece stands in line at once, or a lone writer would lose its turn.
  if (serving_->owner.pid == 0) refill(next->group, now);
  return Duration(static_cast<std::int64_t>(serving_cost_));
}

std::vector<ProcessRef> IoTree::complete(Instant now) {
  const IoRequest request = *serving_;
  serving_.reset();
  busy_ += Duration(static_cast<std::int64_t>(serving_cost_));
  bytes_ += request.bytes;
  operations_ += request.operations;
  std::vector<ProcessRef> told;
  if (request.owner.pid != 0) told.push_back(request.owner);
  if (!has_group(request.group)) return told;  // removed meanwhile
  for (IoGroupId at = request.group;; at = groups_.at(at).parent) {
    IoSample& done = groups_.at(at).done;
    const bool reads = request.direction == IoDirection::read;
    (reads ? done.read : done.written).value += request.bytes;
    (reads ? done.reads : done.writes) += request.operations;
    if (at == kRootIoGroup) break;
  }
  if (request.owner.pid != 0) return told;
  Group& group = groups_.at(request.group);
  group.cleaned = std::min(group.cleaned + request.bytes, group.dirtied);
  std::erase_if(group.waiters, [&](const Waiter& waiter) {
    if (waiter.mark > group.cleaned) return false;
    told.push_back(waiter.owner);
    return true;
  });
  refill(request.group, now);
  return told;
}

std::optional<Instant> IoTree::next_allowed() const {
  std::optional<Instant> next;
  const auto consider = [&](Instant at) { next = next ? std::min(*next, at) : at; };
  for (const auto& [id, group] : groups_) {
    if (group.unsent() > 0 && !group.writing_back) consider(later(group.dirty_since, kOld));
    for (const IoDirection direction : {IoDirection::read, IoDirection::write}) {
      if (const auto& waiting = group.queue[index(direction)]; !waiting.empty())
        consider(allowed_at(waiting.front()));
    }
  }
  return next;
}

void IoTree::age(Instant now) {
  for (auto& [id, group] : groups_) {
    if (group.unsent() > 0 && !group.writing_back && later(group.dirty_since, kOld) <= now) {
      start_writeback(id, now);
    }
  }
}

IoSample IoTree::sample(IoGroupId group) const { return groups_.at(group).done; }

}  // namespace twinhull::sim
