// Who gets the disk next: groups with weights, limits and dirty data, as integers.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "backends/sim/cpu/rate.h"
#include "backends/sim/io/operation_slices.h"
#include "backends/sim/io/throttle_bucket.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/units.h"

namespace twinhull::sim {

using IoGroupId = std::uint32_t;
inline constexpr IoGroupId kRootIoGroup = 0;

enum class IoDirection : std::uint8_t { read, write };

/// What a disk can do; the scarcer of the two decides how long a request takes.
struct IoCapacity {
  std::uint64_t bytes = 1;       ///< a second, at least 1
  std::uint64_t operations = 1;  ///< a second, at least 1
};

/// One piece of work for the disk. It is served as a whole.
struct IoRequest {
  std::uint64_t id = 0;
  IoGroupId group = kRootIoGroup;
  IoDirection direction = IoDirection::read;
  std::uint64_t bytes = 0;
  std::uint64_t operations = 1;
  ProcessRef owner;  ///< pid 0 = writeback
  Instant queued{};
};

/// One disk with a hierarchy of groups (models 6.5). The disk serves one request at a time. Which
/// is decided by start-time fair queueing at each level: among siblings with a request that their
/// limits allow, disk time is shared by weight; what one cannot use, the others get. A group's own
/// processes count as one more sibling of weight 100 beside its child groups.
/// Limits hold a direction for bytes (ThrottleBucket) and for operations (OperationSlices); a request
/// waits for those of all groups above it.
/// Buffered writes make a group's data dirty; it is written back in the group's name after five
/// seconds, when it grows too much, or when somebody waits for it.
class IoTree {
 public:
  IoTree();
  explicit IoTree(IoCapacity capacity);

  IoGroupId add_group(IoGroupId parent);
  /// Dirty data goes to the parent. Precondition: no child groups, no requests of processes.
  void remove_group(IoGroupId group);
  [[nodiscard]] bool has_group(IoGroupId group) const { return groups_.contains(group); }
  void set_weight(IoGroupId group, std::uint64_t weight) { groups_.at(group).weight = weight; }
  [[nodiscard]] std::uint64_t weight(IoGroupId group) const { return groups_.at(group).weight; }
  [[nodiscard]] const IoLimit& limit(IoGroupId group) const { return groups_.at(group).limit; }
  /// Acts on what waits already.
  void set_limit(IoGroupId group, const IoLimit& limit, Instant now);
  /// Blocks that one request may hold so that a limit is met evenly: at least 1.
  [[nodiscard]] std::uint64_t blocks_at_once(IoGroupId group, std::uint64_t block) const;

  void submit(IoGroupId group, IoDirection direction, std::uint64_t bytes,
              std::uint64_t operations, ProcessRef owner, Instant now);
  /// The owner is gone: its queued requests and waits go, what is being served ends unseen.
  void cancel(ProcessRef owner);
  void add_dirty(IoGroupId group, std::uint64_t bytes, Instant now);
  [[nodiscard]] std::uint64_t dirty(IoGroupId group) const { return groups_.at(group).unwritten(); }
  /// The owner waits until at most `left` of what is dirty now is unwritten. False: it is so
  /// already, nobody waits.
  bool wait_clean(IoGroupId group, std::uint64_t left, ProcessRef owner, Instant now);
  /// Writes back without being asked from this much on.
  void start_writeback(IoGroupId group, Instant now);

  /// Picks the next request and takes it into service until the time that is returned. std::nullopt:
  /// none is allowed now. Precondition: nothing is in service.
  std::optional<Duration> serve(Instant now);
  [[nodiscard]] bool serving() const { return serving_.has_value(); }
  /// The request in service is done: who has to be told.
  std::vector<ProcessRef> complete(Instant now);
  /// When the next waiting request is allowed or dirty data gets old; std::nullopt = never.
  [[nodiscard]] std::optional<Instant> next_allowed() const;
  /// Begins to write back what has become old.
  void age(Instant now);

  [[nodiscard]] IoSample sample(IoGroupId group) const;
  [[nodiscard]] Duration busy() const { return busy_; }
  /// Error corrupt: counts do not add up, or more was delivered than the disk can.
  [[nodiscard]] Status check() const;
  /// All values and references are in range: for state that was loaded.
  [[nodiscard]] bool sane() const;

  template <typename Archive>
  void serialize(Archive& archive) {
    archive(groups_, next_group_, next_request_, serving_, serving_cost_, busy_, bytes_,
            operations_);
  }

 private:
  struct Waiter {
    std::uint64_t mark = 0;  ///< until so much of all that ever became dirty is written
    ProcessRef owner;
    template <typename Archive>
    void serialize(Archive& archive) {
      archive(mark, owner);
    }
  };
  struct Group {
    IoGroupId parent = kRootIoGroup;
    std::set<IoGroupId> children;
    std::uint64_t weight = 100;
    IoLimit limit;
    std::array<ThrottleBucket, 2> bytes{};        ///< by direction
    std::array<OperationSlices, 2> operations{};  ///< by direction
    std::uint64_t finish = 0;      ///< virtual time among its siblings
    std::uint64_t own_finish = 0;  ///< the same of its own requests among its children
    std::uint64_t clock = 0;       ///< virtual time of its children
    std::array<std::deque<IoRequest>, 2> queue;
    std::uint64_t waiting = 0;  ///< queued requests in the subtree
    // Bytes that ever became dirty, that were given to the disk, and that it wrote.
    std::uint64_t dirtied = 0, sent = 0, cleaned = 0;
    bool writing_back = false;
    Instant dirty_since{};
    std::vector<Waiter> waiters;
    IoSample done;  ///< with the subtree
    [[nodiscard]] std::uint64_t unsent() const { return dirtied - sent; }
    [[nodiscard]] std::uint64_t unwritten() const { return dirtied - cleaned; }
    template <typename Archive>
    void serialize(Archive& archive);
  };
  struct Pick {
    IoGroupId group = kRootIoGroup;
    IoDirection direction = IoDirection::read;
  };

  template <typename Visit>
  static void each_limit(auto& groups, const IoRequest& request, const Visit& visit);
  void queue(IoRequest request);
  void change_waiting(IoGroupId group, std::int64_t by);
  void refill(IoGroupId group, Instant now);
  [[nodiscard]] Instant allowed_at(const IoRequest& request) const;
  [[nodiscard]] std::optional<Pick> pick(IoGroupId id, Instant now) const;
  void charge_share(IoGroupId group, std::uint64_t cost);
  void charge_limits(const IoRequest& request, Instant now);
  [[nodiscard]] std::uint64_t cost_of(const IoRequest& request) const;

  IoCapacity capacity_;
  std::map<IoGroupId, Group> groups_;
  IoGroupId next_group_ = 1;
  std::uint64_t next_request_ = 1;
  std::optional<IoRequest> serving_;
  std::uint64_t serving_cost_ = 0;
  Duration busy_{0};
  std::uint64_t bytes_ = 0, operations_ = 0;  ///< delivered since the boot
};

template <typename Archive>
void serialize(Archive& archive, IoRequest& request) {
  archive(request.id, request.group, request.direction, request.bytes, request.operations,
          request.owner, request.queued);
}

template <typename Archive>
void IoTree::Group::serialize(Archive& archive) {
  std::int64_t throttled = done.throttled.value_or(Duration(0)).count();
  archive(parent, children, weight, limit.bandwidth, limit.operations, bytes, operations, finish, own_finish,
          clock, queue, waiting, dirtied, sent, cleaned, writing_back, dirty_since, waiters,
          done.read, done.written, done.reads, done.writes, throttled);
  done.throttled = Duration(throttled);
}

}  // namespace twinhull::sim
