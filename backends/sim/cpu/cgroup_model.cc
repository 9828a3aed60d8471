#include "backends/sim/cpu/cgroup_model.h"

#include <algorithm>

#include "backends/sim/files/file_store.h"
#include "backends/sim/process/process_model.h"

namespace twinhull::sim {

std::unique_ptr<CgroupTree> make_cgroup_tree(Node& node) {
  return std::make_unique<CgroupModel>(node);
}

CgroupModel::CgroupModel(Node& node) : node_(node), io_(node) {
  node_.files->on_nameless([this](std::uint32_t inode) { memory_.forget_shared(inode); });
  reset();
}

void CgroupModel::reset() {
  node_.engine.cancel(cpu_timer_);
  groups_.clear();
  groups_.try_emplace("");
  cpu_ = CpuTree(node_.spec.cpus, rules_of(node_.spec.kernel));
  cpu_.advance(node_.engine.now());
  memory_ = MemoryTree(node_.spec.memory, node_.spec.swap);
  io_.reset();
  load_ = {};
  load_at_ = node_.engine.now().time_since_epoch().count();
  load_threads_ = 0;
}

void CgroupModel::power_off() { reset(); }
void CgroupModel::power_on() { reset(); }

Cgroup* CgroupModel::find(const std::string& path) {
  const auto found = groups_.find(path);
  return found == groups_.end() ? nullptr : &found->second;
}
const Cgroup* CgroupModel::find(const std::string& path) const {
  const auto found = groups_.find(path);
  return found == groups_.end() ? nullptr : &found->second;
}

std::string CgroupModel::parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

Cgroup& CgroupModel::add(const std::string& path) {
  Cgroup& parent = groups_.at(parent_of(path));
  parent.children.insert(path);
  Cgroup made;
  made.cpu = cpu().add_group(parent.cpu);
  made.memory = memory_.add_group(parent.memory);
  made.io = io_.tree().add_group(parent.io);
  return groups_[path] = std::move(made);
}

void CgroupModel::remove(const std::string& path) {
  Cgroup& group = groups_.at(path);
  cpu().remove_group(group.cpu);
  memory_.remove_group(group.memory);
  io_.tree().remove_group(group.io);
  io_.touch();
  groups_.at(parent_of(path)).children.erase(path);
  groups_.erase(path);
  touch_cpu();
}

Status CgroupModel::may_fork(const std::string& path, std::uint64_t more) {
  for (std::string at = path;;) {
    Cgroup& group = groups_.at(at);
    if (group.most_tasks != kUnlimited && group.tasks + more > group.most_tasks) {
      ++group.task_hits;
      return fail(ErrorCode::limit_exceeded, "processes.fork", at, "the limit of tasks is reached")
          .with_amounts(more, group.tasks, group.most_tasks)
          .with_hint("raise the limit of processes, or end some");
    }
    if (at.empty()) return {};
    at = parent_of(at);
  }
}

void CgroupModel::attach(const std::string& path, std::int32_t pid, std::uint64_t tasks) {
  groups_.at(path).processes.insert(pid);
  change_tasks(path, static_cast<std::int64_t>(tasks));
}

void CgroupModel::detach(const std::string& path, std::int32_t pid, std::uint64_t tasks) {
  groups_.at(path).processes.erase(pid);
  change_tasks(path, -static_cast<std::int64_t>(tasks));
}

void CgroupModel::change_tasks(const std::string& path, std::int64_t by) {
  for (std::string at = path;;) {
    Cgroup& group = groups_.at(at);
    group.tasks += static_cast<std::uint64_t>(by);
    group.tasks_peak = std::max(group.tasks_peak, group.tasks);
    if (at.empty()) return;
    at = parent_of(at);
  }
}

bool CgroupModel::frozen(const std::string& path) const {
  for (std::string at = path;;) {
    const auto group = groups_.find(at);
    if (group == groups_.end()) return false;
    if (group->second.frozen) return true;
    if (at.empty()) return false;
    at = parent_of(at);
  }
}

void CgroupModel::set_frozen(const std::string& path, bool frozen) {
  Cgroup& group = groups_.at(path);
  if (group.frozen == frozen) return;
  group.frozen = frozen;
  cpu().set_frozen(group.cpu, frozen);
  touch_cpu();
  if (!frozen) processes_of(node_).release(path);
}

bool CgroupModel::device_allowed(const std::string& path, char type, std::uint32_t major,
                                 std::uint32_t minor, bool write) const {
  for (std::string at = path;;) {
    const Cgroup& group = groups_.at(at);
    if (group.restricts_devices &&
        std::none_of(group.devices.begin(), group.devices.end(), [&](const DeviceRule& rule) {
          return rule.type == type && rule.major.value_or(major) == major &&
                 rule.minor.value_or(minor) == minor && (write ? rule.write : rule.read);
        })) {
      return false;
    }
    if (at.empty()) return true;
    at = parent_of(at);
  }
}

std::vector<std::int32_t> CgroupModel::members(const std::string& path) const {
  std::vector<std::int32_t> pids;
  std::vector<std::string> open{path};
  while (!open.empty()) {
    const Cgroup& group = groups_.at(open.back());
    open.pop_back();
    pids.insert(pids.end(), group.processes.begin(), group.processes.end());
    open.insert(open.end(), group.children.begin(), group.children.end());
  }
  std::sort(pids.begin(), pids.end());
  return pids;
}

CpuTree& CgroupModel::cpu() {
  cpu_.advance(node_.engine.now());
  return cpu_;
}

void CgroupModel::touch_cpu() {
  sample_load();
  const Instant now = node_.engine.now();
  if (cpu_timer_.pending() && cpu_timer_.at == now) return;
  node_.engine.cancel(cpu_timer_);
  cpu_timer_ = node_.engine.schedule(now, [this] { on_cpu_timer(); });
}

void CgroupModel::on_cpu_timer() {
  cpu_timer_ = {};
  CpuTree& tree = cpu();
  for (CpuTaskId task : tree.take_done()) processes_of(node_).cpu_done(task);
  processes_of(node_).pump();
  sample_load();
  if (cpu_timer_.pending()) return;  // what the programs did asks for another look
  if (const auto next = tree.next_done()) {
    cpu_timer_ = node_.engine.schedule(std::max(*next, node_.engine.now()), [this] { on_cpu_timer(); });
  }
}

void CgroupModel::sample_load() {
  settle_load();
  load_threads_ = cpu_.runnable_threads();
}

void CgroupModel::settle_load() const {
  static constexpr std::uint64_t kFactors[] = {1884, 2014, 2037};  // kernel: EXP_1, EXP_5, EXP_15
  constexpr std::int64_t kStep = 5'000'000'000;
  const std::int64_t now = node_.engine.now().time_since_epoch().count();
  std::int64_t steps = (now - load_at_) / kStep;
  if (steps <= 0) return;
  load_at_ += steps * kStep;
  steps = std::min<std::int64_t>(steps, 3000);  // settled for long after four hours
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::int64_t s = 0; s < steps; ++s) {
      const std::uint64_t active = load_threads_ * 2048;
      const std::uint64_t next = load_[i] * kFactors[i] + active * (2048 - kFactors[i]) +
                                 (active >= load_[i] ? 2047 : 0);
      if (next / 2048 == load_[i]) break;
      load_[i] = next / 2048;
    }
  }
}

LoadAverage CgroupModel::load_average() const {
  settle_load();
  LoadAverage result;
  for (std::size_t i = 0; i < 3; ++i) result.hundredths[i] = load_[i] * 100 / 2048;
  return result;
}

Status CgroupModel::check() const {
  CpuTree cpu = cpu_;  // the check may have to solve first
  TH_TRY(cpu.check());
  TH_TRY(memory_.check());
  TH_TRY(io_.check());
  for (const auto& [path, group] : groups_) {
    std::uint64_t tasks = 0;
    for (std::int32_t pid : group.processes) {
      const SimProcess* process = processes_of(node_).find(pid);
      if (process == nullptr || process->cgroup != path) {
        return fail(ErrorCode::corrupt, "cgroups.check", path, "holds a process that is not there");
      }
      tasks += process->threads;
    }
    for (const std::string& child : group.children) {
      const Cgroup* found = find(child);
      if (found == nullptr) {
        return fail(ErrorCode::corrupt, "cgroups.check", child, "is listed but not there");
      }
      tasks += found->tasks;
    }
    if (tasks != group.tasks) {
      return fail(ErrorCode::corrupt, "cgroups.check", path, "tasks do not add up");
    }
  }
  return {};
}

}  // namespace twinhull::sim
