// Control groups of one node: one tree for all controllers, with the models behind it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backends/sim/cpu/cgroup_tree.h"
#include "backends/sim/cpu/cpu_tree.h"
#include "backends/sim/io/io_model.h"
#include "backends/sim/memory/memory_tree.h"
#include "backends/sim/node.h"

namespace twinhull::sim {

/// One group. The empty path is the node's prefix: all that runs outside containers.
struct Cgroup {
  CpuGroupId cpu = 0;
  MemoryGroupId memory = 0;
  IoGroupId io = 0;
  std::uint64_t most_tasks = kUnlimited;
  std::uint64_t tasks = 0;        ///< of the subtree, threads included
  std::uint64_t tasks_peak = 0;
  std::uint64_t task_hits = 0;
  std::optional<std::vector<std::uint32_t>> memory_nodes;  ///< std::nullopt = the parent's
  bool frozen = false;
  bool restricts_devices = false;
  std::vector<DeviceRule> devices;
  std::set<std::int32_t> processes;
  std::set<std::string> children;  ///< full paths
};

class CgroupModel final : public CgroupTree {
 public:
  explicit CgroupModel(Node& node);

  void power_off() override;
  void power_on() override;
  void save(SaveArchive& archive) const override;
  void load(LoadArchive& archive) override;
  [[nodiscard]] Status check() const override;
  [[nodiscard]] LoadAverage load_average() const override;

  // --- groups -----------------------------------------------------------------------------------
  [[nodiscard]] Cgroup* find(const std::string& path);
  [[nodiscard]] const Cgroup* find(const std::string& path) const;
  /// Precondition: valid path, parent there, group not.
  Cgroup& add(const std::string& path);
  /// Precondition: no processes, no children.
  void remove(const std::string& path);
  /// "101/build" -> "101", "101" -> "".
  static std::string parent_of(const std::string& path);

  // --- processes --------------------------------------------------------------------------------
  /// Whether `more` tasks fit; counts the hit when not. Error: limit_exceeded.
  Status may_fork(const std::string& path, std::uint64_t more);
  void attach(const std::string& path, std::int32_t pid, std::uint64_t tasks);
  void detach(const std::string& path, std::int32_t pid, std::uint64_t tasks);
  void change_tasks(const std::string& path, std::int64_t by);
  [[nodiscard]] bool frozen(const std::string& path) const;
  void set_frozen(const std::string& path, bool frozen);
  [[nodiscard]] bool device_allowed(const std::string& path, char type, std::uint32_t major,
                                    std::uint32_t minor, bool write) const;
  [[nodiscard]] std::vector<std::int32_t> members(const std::string& path) const;

  // --- models -----------------------------------------------------------------------------------
  /// The CPU model at the present time. After a change call touch_cpu().
  CpuTree& cpu();
  /// Something changed: completions are computed anew once at this instant.
  void touch_cpu();
  MemoryTree& memory() { return memory_; }
  [[nodiscard]] const MemoryTree& memory() const { return memory_; }

  IoModel& io() { return io_; }

  [[nodiscard]] Node& node() const { return node_; }

 private:
  void reset();
  void on_cpu_timer();
  void sample_load();
  void settle_load() const;

  Node& node_;
  std::map<std::string, Cgroup> groups_;
  CpuTree cpu_;
  MemoryTree memory_;
  IoModel io_;
  Timer cpu_timer_;
  // Load average: exponentially damped as the kernel does it, in 1/2048, every 5 s; advanced when
  // somebody looks or the number of runnable threads changes.
  mutable std::array<std::uint64_t, 3> load_{};
  mutable std::int64_t load_at_ = 0;
  std::uint64_t load_threads_ = 0;
};

inline CgroupModel& cgroups_of(const Node& node) {
  return static_cast<CgroupModel&>(*node.cgroups);
}

}  // namespace twinhull::sim
