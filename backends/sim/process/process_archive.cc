// Saving, loading and checking the process table.
#include <cereal/types/deque.hpp>

#include "backends/sim/process/process_model.h"

namespace twinhull::sim {

void ProcessModel::save(SaveArchive& archive) const {
  archive(node_hostname_, last_pid_, next_generation_, next_space_, spaces_, ready_, pump_timer_,
          cpu_owners_);
  archive(static_cast<std::uint64_t>(processes_.size()));
  for (const auto& [pid, p] : processes_) {
    archive(p->ref, p->parent, p->space, p->inner_pid, p->cgroup, p->root, p->directory,
            p->environment, p->argv, p->started, p->threads, p->depth, p->stopped, p->command, p->cpu,
            p->cpu_before, p->memory, p->timer, p->queued, p->inbox, p->streams, p->watch, p->late,
            p->held_back);
    const bool runs = p->program != nullptr;
    archive(runs);
    if (!runs) continue;
    archive(p->program->kind());
    p->program->save(archive);
  }
}

void ProcessModel::load(LoadArchive& archive) {
  processes_.clear();
  archive(node_hostname_, last_pid_, next_generation_, next_space_, spaces_, ready_, pump_timer_,
          cpu_owners_);
  std::uint64_t count = 0;
  archive(count);
  require_sane(count <= archive.remaining(), "too many processes");
  for (std::uint64_t i = 0; i < count; ++i) {
    auto made = std::make_unique<SimProcess>();
    SimProcess* p = made.get();
    archive(p->ref, p->parent, p->space, p->inner_pid, p->cgroup, p->root, p->directory,
            p->environment, p->argv, p->started, p->threads, p->depth, p->stopped, p->command, p->cpu,
            p->cpu_before, p->memory, p->timer, p->queued, p->inbox, p->streams, p->watch, p->late,
            p->held_back);
    require_sane(p->ref.pid > 0 && !processes_.contains(p->ref.pid), "a pid is there twice");
    require_sane(p->ref.generation < next_generation_, "a process comes from the future");
    bool runs = false;
    archive(runs);
    require_sane(runs != p->command, "a process lacks its program");
    if (runs) {
      ProgramKind kind{};
      archive(kind);
      p->program = make_program(kind);
      require_sane(p->program != nullptr, "unknown program");
      p->program->load(archive);
    }
    require_sane(p->space == kNodeSpace || spaces_.contains(p->space), "a process has no space");
    require_sane(!p->late || (p->late->missing > 0 && !p->command), "no memory is missing");
    if (!p->command) {
      require_sane(cgroups().find(p->cgroup) != nullptr, "a process has no control group");
    }
    if (p->timer.pending()) {
      const ProcessRef ref = p->ref;
      node_.engine.restore_timer(p->timer, [this, ref] {
        SimProcess* target = find(ref);
        if (target == nullptr) return;
        target->timer = {};
        ProcessEvent event;
        event.kind = ProcessEvent::Kind::timer;
        post(*target, event);
        pump();
      });
    }
    processes_[p->ref.pid] = std::move(made);
  }
  for (const auto& [id, space] : spaces_) {
    require_sane(id < next_space_ && find(space.init) != nullptr && find(space.init)->space == id,
                 "a container has no init");
  }
  for (const auto& [task, pid] : cpu_owners_) {
    require_sane(find(pid) != nullptr && find(pid)->cpu == task, "CPU time has no owner");
  }
  if (pump_timer_.pending()) {
    node_.engine.restore_timer(pump_timer_, [this] {
      pump_timer_ = {};
      pump();
    });
  }
  const Status good = check();
  require_sane(good.has_value(), "the process table does not add up");
}

Status ProcessModel::check() const {
  const auto broken = [](const SimProcess& process, const char* what) {
    return fail(ErrorCode::corrupt, "processes.check", "process " + std::to_string(process.ref.pid),
                what);
  };
  for (const auto& [pid, process] : processes_) {
    if (process->ref.pid != pid) return broken(*process, "has another number than its entry");
    if (process->command) continue;
    const Cgroup* group = std::as_const(cgroups()).find(process->cgroup);
    if (group == nullptr) return broken(*process, "is in a control group that is gone");
    if (!group->processes.contains(pid)) return broken(*process, "is missing in its control group");
    if (process->space != kNodeSpace && !spaces_.contains(process->space)) {
      return broken(*process, "outlived its container");
    }
    if (process->memory == 0 || !cgroups().memory().has_account(process->memory, group->memory)) {
      return broken(*process, "has no memory account in its group");
    }
    if (process->held_back > cgroups().memory().held(process->memory).value / kPageSize) {
      return broken(*process, "holds back more memory than it has");
    }
    if (process->cpu != 0) {
      const auto owner = cpu_owners_.find(process->cpu);
      if (owner == cpu_owners_.end() || owner->second != pid) {
        return broken(*process, "does not own its CPU task");
      }
      if (!cgroups().cpu().has_task(process->cpu, group->cpu)) {
        return broken(*process, "has no CPU task in its group");
      }
    }
  }
  return {};
}

}  // namespace twinhull::sim
