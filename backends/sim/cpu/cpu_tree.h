// CPU scheduler of one node: groups with weight, quota and CPU set; tasks that want CPU time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "backends/sim/cpu/affinity_fill.h"
#include "backends/sim/cpu/cpu_mask.h"
#include "backends/sim/cpu/rate.h"
#include "backends/sim/cpu/scheduler_rules.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull::sim {

using CpuGroupId = std::uint32_t;
using CpuTaskId = std::uint64_t;
inline constexpr CpuGroupId kRootCpuGroup = 0;

/// What a task wants.
struct CpuDemand {
  std::uint32_t threads = 1;             ///< ≥ 1; one thread never gets more than one CPU
  CpuRate each{kOneCpu};                 ///< rate that each thread wants, ≤ one CPU
  std::optional<Duration> work;          ///< CPU time after which the task is done; empty = endless
};

/// Fluid model (models 6.1, 6.2): between events all rates are constant, so usage is exact.
/// A quota bounds the rate at quota/period; periods and throttling are counted as the kernel
/// would see a group that runs as fast as its competitors let it until its pool is empty. Weights follow the kernel:
/// a task thread counts as a group of weight 1024.
///
/// Rates are computed when somebody looks (`next_done`, `rate_of`): many changes at one instant
/// cost one solve. Where few groups compete and one has a limit, its queues are played (queue_play.h):
/// who stands still when is no matter of constant rates. Otherwise a solve visits what changed and, where members of a group compete, its members:
/// with CPU over, one change costs O(depth × log n); with none over it moves the rates of all that
/// compete, O(n log n). CPU sets anywhere in the tree cost a whole solve. Ordinary integers only.
class CpuTree {
 public:
  /// `rules`: of the kernel whose queues are played.
  explicit CpuTree(std::uint32_t cpus = 1, SchedulerRules rules = kNewestRules);
  CpuTree(const CpuTree& other);
  CpuTree& operator=(const CpuTree&) = delete;
  CpuTree(CpuTree&&) = default;
  CpuTree& operator=(CpuTree&&) = default;
  ~CpuTree() = default;

  // --- groups; precondition of all: the group exists -------------------------------------------
  CpuGroupId add_group(CpuGroupId parent);
  /// Precondition: no child groups, no tasks.
  void remove_group(CpuGroupId group);
  void set_weight(CpuGroupId group, std::uint64_t shares);
  void set_quota(CpuGroupId group, std::optional<CpuQuota> quota);
  /// std::nullopt = the parent's.
  void set_allowed(CpuGroupId group, std::optional<CpuMask> allowed);
  void set_frozen(CpuGroupId group, bool frozen);
  [[nodiscard]] std::uint64_t weight(CpuGroupId group) const { return at(group).weight; }
  [[nodiscard]] std::optional<CpuQuota> quota(CpuGroupId group) const { return at(group).quota; }
  /// CPUs that tasks inside may use.
  [[nodiscard]] CpuMask allowed(CpuGroupId group) const;
  [[nodiscard]] std::optional<CpuMask> own_allowed(CpuGroupId group) const { return at(group).allowed; }

  // --- tasks -----------------------------------------------------------------------------------
  CpuTaskId add_task(CpuGroupId group, const CpuDemand& demand);
  /// Changes what a task wants and keeps its usage; work, when given, counts from now.
  void set_demand(CpuTaskId task, const CpuDemand& demand);
  /// A stopped task wants nothing until it goes on.
  void set_stopped(CpuTaskId task, bool stopped);
  /// Returns the CPU time that it got.
  Duration remove_task(CpuTaskId task);
  [[nodiscard]] bool has_task(CpuTaskId task, CpuGroupId group) const {
    const auto found = tasks_.find(task);
    return found != tasks_.end() && found->second.group == group;
  }
  [[nodiscard]] bool has_group(CpuGroupId group) const { return groups_.contains(group); }
  /// All references inside lead somewhere: for state that was loaded.
  [[nodiscard]] bool sane() const;
  /// After loading, when it is sane(): before that nothing else may be called.
  void relink();
  [[nodiscard]] Duration task_usage(CpuTaskId task) const;
  /// What a task wants from now on.
  [[nodiscard]] CpuDemand demand(CpuTaskId task) const;
  /// CPU time that is left of a task's work; empty for an endless task.
  [[nodiscard]] std::optional<Duration> work_left(CpuTaskId task) const;

  // --- time ------------------------------------------------------------------------------------
  /// Moves the clock; precondition: not beyond next_done().
  void advance(Instant now);
  /// When the next task has done its work, std::nullopt when none ever will.
  std::optional<Instant> next_done();
  /// Tasks whose work is done by now, ascending; they stay until removed, wanting nothing.
  std::vector<CpuTaskId> take_done();

  CpuSample sample(CpuGroupId group);
  CpuRate rate_of(CpuGroupId group);
  CpuRate task_rate(CpuTaskId task);
  [[nodiscard]] std::uint32_t cpus() const { return cpus_; }
  /// Threads that want CPU time now, waiting or running: what the load average counts.
  [[nodiscard]] std::uint64_t runnable_threads() const;
  /// CPU time delivered by the whole node.
  CpuMeter delivered();

  /// Forgets what is kept between solves: the next one visits everything. The result is the same.
  void forget() { mark_all(); }
  /// Error corrupt: more CPU than there is; a rate above its bound; sums that do not add up; an
  /// idle CPU beside a runnable task that nothing holds back.
  Status check();

  template <typename Archive>
  void serialize(Archive& archive);

 private:
  struct Task;
  /// What the members of a group want together.
  struct Sums {
    UInt128 bound = 0;   ///< with the members' own quotas
    UInt128 wanted = 0;  ///< without them
    std::uint64_t threads = 0;
    bool operator==(const Sums&) const = default;
  };
  /// What a play of the queues says that a group gets, see cpu_tree_play.cc.
  struct Aim {
    std::uint64_t rate = 0;
    std::uint64_t throttled = 0, throttle_rate = 0;  ///< as in the group
  };
  struct Group {
    CpuGroupId parent = 0;
    std::uint64_t weight = 1024;
    std::optional<CpuQuota> quota;
    std::optional<CpuMask> allowed;
    bool frozen = false;
    std::set<CpuGroupId> children;
    std::map<CpuGroupId, Group*> active;  ///< children with something runnable inside
    std::map<CpuTaskId, Task*> tasks;
    // Integrated up to `since`.
    std::int64_t since = 0;
    std::uint64_t rate = 0;
    CpuMeter used;
    std::int64_t anchor = 0;          ///< a period starts here
    bool counting = false;            ///< runnable under a quota: periods pass
    std::uint64_t throttled = 0;      ///< part of the periods at whose end somebody waits, billionths
    std::uint64_t throttle_rate = 0;  ///< queue time standing still per time, billionths
    std::uint64_t periods = 0;
    CpuMeter throttled_periods;
    CpuMeter throttled_time;
    std::uint64_t bound = 0;          ///< rate that it takes at most
    std::uint64_t wanted = 0;         ///< the same without its own quota
    // Kept between solves, not saved: a loaded tree is solved as a whole.
    CpuGroupId id = 0;
    Group* up = nullptr;
    std::uint64_t threads = 0;        ///< runnable ones inside
    Sums inside;                      ///< of `active`, as counted last
    Sums counted;                     ///< what `up->inside` holds of this group
    std::vector<CpuGroupId> changed;  ///< children with `stale`, and some that are gone
    std::set<CpuGroupId> restless;    ///< active children that are not `calm`
    bool stale = false;               ///< it, or something inside, changed since the last solve
    bool known = false;               ///< the rates inside are those of the last solve
    bool roomy = false;               ///< in it, members got all they want
    bool calm = false;                ///< their rates depend on nothing outside
    /// As `throttle_rate`, when limits inside tell when the pool is empty and who waits for it then.
    std::optional<std::uint64_t> played;
    std::uint64_t amount = 0, running = 0;  ///< distributed in it
    Aim aim;
    template <typename Archive>
    void save(Archive& archive) const;
    template <typename Archive>
    void load(Archive& archive);
  };
  struct Task {
    CpuGroupId group = 0;
    std::uint32_t threads = 1;
    std::uint64_t each = kOneCpu;
    bool finite = false, stopped = false, done = false;
    std::uint64_t goal = 0;           ///< usage at which the work is done
    std::int64_t since = 0;
    std::uint64_t rate = 0;
    CpuMeter used;
    std::int64_t due = -1;            ///< entry in due_, -1 = none
    [[nodiscard]] bool runnable() const { return !stopped && !done && each > 0; }
    [[nodiscard]] std::uint64_t bound() const { return runnable() ? each * threads : 0; }
    template <typename Archive>
    void serialize(Archive& archive) {
      archive(group, threads, each, finite, stopped, done, goal, since, rate, used, due);
    }
    Group* up = nullptr;              ///< of `group`; not saved
    std::uint64_t aim = 0;            ///< rate that a play gave it; not saved
  };
  struct Level;

  [[nodiscard]] const Group& at(CpuGroupId group) const { return groups_.at(group); }
  void settle(Group& group) const;
  void settle(Task& task) const;
  void set_rate(Group& group, std::uint64_t rate);
  void set_rate(CpuTaskId id, Task& task, std::uint64_t rate);
  void rest(Group& group);
  void update_active(Group& group);
  void mark(Group& group);
  void link();
  /// The whole tree: for changes that reach beyond what mark() tells.
  void mark_all() { dirty_ = all_stale_ = true; }

  void update() {
    if (dirty_ || loaded_) solve();
  }
  void sharpen();
  void solve();
  void hand_down(bool all);
  static Sums sums_of(const Group& group) { return {group.bound, group.wanted, group.threads}; }
  static void count(Group& group, const CpuMask& mask);
  static void recount(Group& parent, Group& child, const Sums& now);
  static void refresh(Group& group, const CpuMask& all);
  static void refresh_all(Group& group, const CpuMask& outer);
  void distribute(Group& group, std::uint64_t amount, std::uint64_t running, const CpuMask& outer,
                  bool all);
  static void share(Level& level, std::uint64_t amount, std::uint64_t running);
  static bool share_by_race(const Group& group, Level& level, std::uint64_t amount, std::uint64_t running,
                            const CpuMask& mask);
  static bool share_ticks(const Group& group, Level& level, std::uint64_t amount, std::uint64_t running,
                          std::uint64_t cpus);
  void give_all(Group& group, const Level& level, std::uint64_t running,
                const std::vector<std::uint64_t>& room, const CpuMask& mask, bool all);
  void give(Group& parent, Group& group, std::uint64_t given, std::uint64_t still, std::uint64_t spare,
            const CpuMask& mask, std::uint64_t cpus, bool all);
  void close(Group& group);
  void fill_holes(Group& root, const CpuMask& all_cpus, const std::vector<std::uint64_t>& capacity);
  static bool is_throttled(const Group& group, std::uint64_t given);
  [[nodiscard]] std::vector<std::uint64_t> standing(const Level& level, std::uint64_t running,
                                                    const std::vector<std::uint64_t>& room) const;
  [[nodiscard]] bool should_play() const;
  void play();
  static CpuMask used_mask(const Group& group, const CpuMask& outer);
  static bool mixed_masks(const Group& group, const CpuMask& outer);
  [[nodiscard]] Status check_sums() const;

  std::uint32_t cpus_ = 1;
  SchedulerRules rules_ = kNewestRules;  ///< not saved: the node tells
  std::int64_t now_ = 0;
  bool dirty_ = false;
  bool all_stale_ = true;
  // Not saved: a loaded tree is solved anew.
  bool loaded_ = false;
  bool playing_ = false;   ///< the rates follow a play of the queues
  bool play_due_ = false;  ///< they will, as soon as time goes on
  std::size_t masked_ = 0;  ///< groups with CPUs of their own
  std::map<CpuGroupId, Group> groups_;
  std::map<CpuTaskId, Task> tasks_;
  std::set<std::pair<std::int64_t, CpuTaskId>> due_;
  CpuGroupId next_group_ = 1;
  CpuTaskId next_task_ = 1;
};

}  // namespace twinhull::sim
