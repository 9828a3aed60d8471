// Saving and loading control groups with their models.
#include "backends/sim/cpu/cgroup_model.h"
#include "backends/sim/cpu/cpu_tree_archive.h"

namespace twinhull {
template <typename Archive>
void serialize(Archive& archive, DeviceRule& rule) {
  archive(rule.type, rule.major, rule.minor, rule.read, rule.write, rule.mknod);
}
}  // namespace twinhull

namespace twinhull::sim {

template <typename Archive>
void serialize(Archive& archive, Cgroup& group) {
  archive(group.cpu, group.memory, group.io, group.most_tasks, group.tasks, group.tasks_peak,
          group.task_hits, group.memory_nodes, group.frozen,
          group.restricts_devices, group.devices, group.processes, group.children);
}

void CgroupModel::save(SaveArchive& archive) const {
  archive(groups_, cpu_, memory_, cpu_timer_, load_, load_at_, load_threads_);
  io_.save(archive);
}

void CgroupModel::load(LoadArchive& archive) {
  archive(groups_, cpu_, memory_, cpu_timer_, load_, load_at_, load_threads_);
  io_.load(archive);
  std::set<IoGroupId> io_groups;
  require_sane(cpu_.sane() && cpu_.cpus() == node_.spec.cpus, "the CPU model is damaged");
  cpu_.relink();
  require_sane(memory_.sane(), "the memory model is damaged");
  require_sane(load_at_ <= node_.engine.now().time_since_epoch().count() && load_at_ >= 0,
               "the load average comes from the future");
  require_sane(groups_.contains(""), "the top control group is missing");
  for (const auto& [path, group] : groups_) {
    require_sane(cpu_.has_group(group.cpu) && memory_.has_group(group.memory),
                 "a control group has no model");
    for (const std::uint32_t number : group.memory_nodes.value_or(std::vector<std::uint32_t>{})) {
      require_sane(number < node_.spec.memory_nodes, "a control group has a node that is not there");
    }
    require_sane(io_.tree().has_group(group.io) && io_groups.insert(group.io).second &&
                     path.empty() == (group.io == kRootIoGroup),
                 "a control group has no place at the disk");
    if (path.empty()) continue;
    const Cgroup* parent = find(parent_of(path));
    require_sane(parent != nullptr && parent->children.contains(path),
                 "a control group has no parent");
  }
  if (cpu_timer_.pending()) node_.engine.restore_timer(cpu_timer_, [this] { on_cpu_timer(); });
}

}  // namespace twinhull::sim
