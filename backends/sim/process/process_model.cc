#include "backends/sim/process/process_model.h"

#include <algorithm>
#include <charconv>

#include "backends/sim/net/net_model.h"

namespace twinhull::sim {
namespace {

constexpr std::int32_t kMostPid = 4'194'304;  // the kernel's pid_max on 64 bits
constexpr std::int32_t kFirstAfterWrap = 300;
/// What a process without further needs is charged: page tables, stack, kernel structures.
constexpr Bytes kProcessMemory{std::uint64_t{64} << 10};

}  // namespace

std::unique_ptr<ProcessTable> make_process_table(Node& node) {
  return std::make_unique<ProcessModel>(node);
}

ProcessModel::ProcessModel(Node& node) : node_(node), node_hostname_(node.spec.name) {
  ProcessModel::power_on();
}

CgroupModel& ProcessModel::cgroups() const { return cgroups_of(node_); }

void ProcessModel::power_on() {
  // The node's own init. It is outside of all accounting.
  auto init = std::make_unique<SimProcess>();
  init->ref = {1, next_generation_++};
  init->inner_pid = 1;
  init->argv = {"/sbin/init"};
  init->started = node_.engine.now();
  init->command = true;
  processes_[1] = std::move(init);
  last_pid_ = 1;
  node_hostname_ = node_.spec.name;
}

void ProcessModel::power_off() {
  for (auto& [pid, process] : processes_) node_.engine.cancel(process->timer);
  node_.engine.cancel(pump_timer_);
  for (const auto& [id, space] : spaces_) {
    if (space.boots) node_.world.record_life(node_, space.label, false);
  }
  for (auto& [pid, process] : processes_) graveyard_.push_back(std::move(process));
  processes_.clear();
  spaces_.clear();
  ready_.clear();
  cpu_owners_.clear();
  takers_.clear();
  changed_.wake_all();
  if (!pumping_) graveyard_.clear();
}

std::int32_t ProcessModel::new_pid() {
  do {
    last_pid_ = last_pid_ >= kMostPid ? kFirstAfterWrap : last_pid_ + 1;
  } while (processes_.contains(last_pid_));
  return last_pid_;
}

ProcessRef ProcessModel::begin_command(const std::string& command_line) {
  auto process = std::make_unique<SimProcess>();
  process->ref = {new_pid(), next_generation_++};
  process->inner_pid = process->ref.pid;
  process->argv = {command_line};
  process->started = node_.engine.now();
  process->command = true;
  const ProcessRef ref = process->ref;
  processes_[ref.pid] = std::move(process);
  return ref;
}

void ProcessModel::end_command(ProcessRef command) {
  SimProcess* process = find(command);
  if (process == nullptr || !process->command) return;
  processes_.erase(command.pid);
  changed_.wake_all();
}

bool ProcessModel::uses_mount(std::uint32_t mount) const {
  return std::any_of(processes_.begin(), processes_.end(), [&](const auto& entry) {
    return !entry.second->command && entry.second->root.mount == mount;
  });
}

std::uint32_t ProcessModel::add_space(Space space) {
  const std::uint32_t id = next_space_++;
  spaces_[id] = std::move(space);
  net_of(node_).add_namespace(id);
  return id;
}

void ProcessModel::abandon_space(std::uint32_t id) {
  const auto home = spaces_.find(id);
  if (home == spaces_.end()) return;
  if (find(home->second.init) != nullptr) return kill(home->second.init, 9);
  spaces_.erase(home);
  net_of(node_).remove_namespace(id);
}

SimProcess& ProcessModel::add(const RunSpec& spec, std::vector<std::string> argv,
                              std::unique_ptr<Program> program) {
  CgroupModel& groups = cgroups();
  auto made = std::make_unique<SimProcess>();
  SimProcess& process = *made;
  process.ref = {new_pid(), next_generation_++};
  process.parent = spec.parent;
  process.space = spec.space;
  process.cgroup = spec.cgroup;
  process.root = spec.root;
  process.directory = spec.directory;
  process.environment = spec.environment;
  process.argv = std::move(argv);
  process.streams = spec.streams;
  process.depth = spec.depth;
  process.started = node_.engine.now();
  process.program = std::move(program);
  process.memory = groups.memory().add_account(groups.find(spec.cgroup)->memory);
  groups.attach(spec.cgroup, process.ref.pid, 1);
  processes_[process.ref.pid] = std::move(made);
  const auto space = spaces_.find(spec.space);
  if (space != spaces_.end() && space->second.init == 0) space->second.init = process.ref.pid;
  return process;
}

Result<SimProcess*> ProcessModel::create(const RunSpec& spec, std::vector<std::string> argv,
                                         std::unique_ptr<Program> program) {
  CgroupModel& groups = cgroups();
  if (groups.find(spec.cgroup) == nullptr) {
    return fail(ErrorCode::not_found, "processes.fork", spec.cgroup, "no such control group");
  }
  TH_TRY(groups.may_fork(spec.cgroup, 1));
  SimProcess& process = add(spec, std::move(argv), std::move(program));
  const auto space = spaces_.find(spec.space);
  process.inner_pid = space == spaces_.end() ? process.ref.pid : space->second.next_inner++;
  if (const SimProcess* parent = find(spec.parent); parent != nullptr && parent->memory != 0) {
    groups.memory().set_oom_adjust(process.memory, groups.memory().oom_adjust(parent->memory));
  }
  if (spec.oom_adjust) groups.memory().set_oom_adjust(process.memory, *spec.oom_adjust);
  if (!charge(process, kProcessMemory)) {
    return fail(ErrorCode::no_memory, "processes.fork", spec.cgroup, "no memory for a new process");
  }
  post(process, {});
  return &process;
}

Result<SimProcess*> ProcessModel::revive(const RunSpec& spec, std::vector<std::string> argv,
                                         std::unique_ptr<Program> program, std::int32_t inner) {
  TH_TRY(cgroups().may_fork(spec.cgroup, 1));
  SimProcess& process = add(spec, std::move(argv), std::move(program));
  process.inner_pid = inner;
  if (spec.oom_adjust) cgroups().memory().set_oom_adjust(process.memory, *spec.oom_adjust);
  return &process;
}

void ProcessModel::replace(SimProcess& process, std::vector<std::string> argv,
                           const std::map<std::string, std::string>& environment,
                           const std::string& directory, std::unique_ptr<Program> program) {
  replaced_.push_back(std::move(process.program));  // its code may be running
  process.late.reset();                             // of an address space that is gone
  process.program = std::move(program);
  process.argv = std::move(argv);
  process.environment = environment;
  process.directory = directory;
  post(process, {});
}

void ProcessModel::finish(SimProcess& process, ExitStatus status) { remove(process, status); }

void ProcessModel::remove(SimProcess& process, ExitStatus status) {
  const std::int32_t pid = process.ref.pid;
  const auto entry = processes_.find(pid);
  if (entry == processes_.end() || entry->second.get() != &process) return;
  std::unique_ptr<SimProcess> own = std::move(entry->second);
  processes_.erase(entry);
  if (own->program) own->program->leave(*this, *own);
  node_.engine.cancel(own->timer);
  demand_cpu(*own, std::nullopt);
  CgroupModel& groups = cgroups();
  if (own->memory != 0) groups.memory().remove_account(own->memory);
  groups.detach(own->cgroup, pid, own->threads);
  std::erase(ready_, pid);
  if (const auto taker = takers_.find(pid); taker != takers_.end()) {
    *taker->second = status;
    takers_.erase(taker);
  }
  if (SimProcess* parent = find(own->parent); parent != nullptr && parent->program) {
    ProcessEvent event;
    event.kind = ProcessEvent::Kind::child;
    event.pid = pid;
    event.status = status;
    post(*parent, event);
  }
  const std::uint32_t space = own->space;
  graveyard_.push_back(std::move(own));
  const auto home = spaces_.find(space);
  if (home != spaces_.end() && home->second.init == pid) on_space_end(space);
  changed_.wake_all();
  if (!pumping_) graveyard_.clear();
}

/// The first process of a space is gone: all others go with it, then its namespaces.
void ProcessModel::on_space_end(std::uint32_t id) {
  const bool outer = std::exchange(pumping_, true);  // keeps the graveyard until the end
  for (SimProcess* member : members(id)) {
    if (find(member->ref) != nullptr) remove(*member, {true, 9});
  }
  pumping_ = outer;
  const Space space = spaces_.at(id);
  spaces_.erase(id);
  net_of(node_).remove_namespace(id);
  if (space.boots) node_.world.record_life(node_, space.label, false);
}

void ProcessModel::kill(std::int32_t pid, int signal_number) {
  SimProcess* process = find(pid);
  if (process == nullptr || process->command) return;
  remove(*process, {true, signal_number});
}

void ProcessModel::send(SimProcess& process, Signal signal) {
  static constexpr int kNumbers[] = {1, 2, 9, 15, 10, 12, 30, 19, 18};
  const int number = kNumbers[static_cast<std::size_t>(signal)];
  if (process.command) return;
  if (signal == Signal::kill) return kill(process.ref.pid, number);
  if (signal == Signal::stop || signal == Signal::resume) {
    process.stopped = signal == Signal::stop;
    hold_cpu(process);
    if (runnable(process) && !process.inbox.empty()) enqueue(process);
    return;
  }
  if (process.program->kind() == ProgramKind::init) {
    ProcessEvent event;
    event.kind = ProcessEvent::Kind::signal;
    event.signal = signal;
    return post(process, event);
  }
  const auto home = spaces_.find(process.space);
  // The first process of a pid namespace gets no signal that it has no handler for.
  if (home != spaces_.end() && home->second.init == process.ref.pid) return;
  kill(process.ref.pid, number);
}

bool ProcessModel::stop_space(std::uint32_t id, Signal how) {
  const auto home = spaces_.find(id);
  if (home == spaces_.end()) return false;
  SimProcess* init = find(home->second.init);
  if (init == nullptr || init->program->kind() != ProgramKind::init) return false;
  send(*init, how);
  return true;
}

bool ProcessModel::runnable(const SimProcess& process) const {
  return !process.stopped && !waits_for_memory(process) && !cgroups().frozen(process.cgroup);
}

void ProcessModel::post(SimProcess& process, ProcessEvent event) {
  process.inbox.push_back(event);
  if (runnable(process)) enqueue(process);
}

void ProcessModel::enqueue(SimProcess& process) {
  if (process.queued) return;
  process.queued = true;
  ready_.push_back(process.ref.pid);
  if (!pumping_) schedule_pump();
}

void ProcessModel::schedule_pump() {
  if (pump_timer_.pending()) return;
  pump_timer_ = node_.engine.schedule(node_.engine.now(), [this] {
    pump_timer_ = {};
    pump();
  });
}

void ProcessModel::pump() {
  if (pumping_) return;
  pumping_ = true;
  while (!ready_.empty()) {
    const std::int32_t pid = ready_.front();
    ready_.pop_front();
    SimProcess* process = find(pid);
    if (process == nullptr) continue;
    process->queued = false;
    if (!runnable(*process) || process->inbox.empty() || must_wait(*process)) continue;
    const ProcessEvent event = process->inbox.front();
    process->inbox.pop_front();
    if (!process->inbox.empty()) enqueue(*process);
    if (process->program) process->program->handle(*this, *process, event);
  }
  pumping_ = false;
  graveyard_.clear();
  replaced_.clear();
}

void ProcessModel::release(const std::string& cgroup) {
  for (std::int32_t pid : cgroups().members(cgroup)) {
    SimProcess* process = find(pid);
    if (process != nullptr && !process->inbox.empty() && runnable(*process)) enqueue(*process);
  }
}

void ProcessModel::arm(SimProcess& process, Instant at) {
  node_.engine.cancel(process.timer);
  const ProcessRef ref = process.ref;
  process.timer = node_.engine.schedule(std::max(at, node_.engine.now()), [this, ref] {
    SimProcess* target = find(ref);
    if (target == nullptr) return;
    target->timer = {};
    ProcessEvent event;
    event.kind = ProcessEvent::Kind::timer;
    post(*target, event);
    pump();
  });
}

void ProcessModel::demand_cpu(SimProcess& process, std::optional<CpuDemand> demand) {
  if (!demand && process.cpu == 0) return;
  CpuTree& cpu = cgroups().cpu();
  if (process.cpu != 0) {
    cpu_owners_.erase(process.cpu);
    process.cpu_before += cpu.remove_task(process.cpu);
    process.cpu = 0;
  }
  if (demand) {
    process.cpu = cpu.add_task(cgroups().find(process.cgroup)->cpu, *demand);
    if (process.stopped || waits_for_memory(process)) cpu.set_stopped(process.cpu, true);
    cpu_owners_[process.cpu] = process.ref.pid;
  }
  cgroups().touch_cpu();
}

Duration ProcessModel::cpu_used(const SimProcess& process) const {
  return process.cpu_before +
         (process.cpu == 0 ? Duration(0) : cgroups().cpu().task_usage(process.cpu));
}

void ProcessModel::cpu_done(CpuTaskId task) {
  const auto owner = cpu_owners_.find(task);
  if (owner == cpu_owners_.end()) return;
  SimProcess* process = find(owner->second);
  if (process == nullptr) return;
  ProcessEvent event;
  event.kind = ProcessEvent::Kind::cpu_done;
  post(*process, event);
}

bool ProcessModel::charge(SimProcess& process, Bytes bytes, Duration* slowed) {
  // A kernel charges page by page, so older pages make way for newer ones of the same growth. In
  // larger pieces, but smaller than any useful limit, comes to the same.
  // Below a soft bound it is the kernel's own batch, because the delay grows with each.
  constexpr Bytes kLarge{std::uint64_t{1} << 20}, kBatch{64 * kPageSize};
  MemoryTree& memory = cgroups().memory();
  const MemoryGroupId group = cgroups().find(process.cgroup)->memory;
  const Bytes at_once = memory.room_below_high(group) == kUnlimited ? kLarge : kBatch;
  const std::int32_t self = process.ref.pid;
  const ProcessRef ref = process.ref;
  const MemoryAccountId account = process.memory;
  Bytes swapped{0};
  while (bytes.value > 0) {
    const Bytes piece = std::min(bytes, at_once);
    bytes -= piece;
    while (const auto victim = memory.charge(account, piece)) {
      std::int32_t target = self;
      for (const auto& [pid, candidate] : processes_) {
        if (candidate->memory == *victim) target = pid;
      }
      memory.note_oom_kill(*victim);
      node_.engine.note("memory.oom_kill", {node_.index, static_cast<std::uint64_t>(target)});
      kill(target, 9);
      if (find(ref) == nullptr) return false;
    }
    if (slowed != nullptr) *slowed += memory.high_delay(group, piece);
    swapped += memory.last_swapped();
  }
  // At once: the disk would queue one piece behind the other, and each would wait for all before.
  if (slowed != nullptr && swapped.value > 0) *slowed += charge_disk(node_, swapped);
  return true;
}

void ProcessModel::read_cached(const SimProcess& process, std::string_view path) const {
  const auto file = view(process).shared_file(path);
  if (!file) return;
  cgroups().memory().read_shared(cgroups().find(process.cgroup)->memory, file->inode, file->size);
}

Status ProcessModel::write(const SimProcess& process, const OutputStream& stream,
                           std::string_view text) const {
  if (text.empty()) return {};
  if (stream.kind == OutputStream::Kind::buffer) {
    stream.buffer->append(text);
    return {};
  }
  if (stream.kind != OutputStream::Kind::file) return {};
  if (stream.path == kOomAdjustFile) return set_oom_adjust(process, text);
  TH_TRY(view(process).append(stream.path, text));
  cgroups().memory().add_cache(cgroups().find(process.cgroup)->memory, {text.size()});
  return {};
}

Status ProcessModel::set_oom_adjust(const SimProcess& process, std::string_view text) const {
  while (text.ends_with('\n') || text.ends_with(' ')) text.remove_suffix(1);
  std::int32_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size() || value < -1000 || value > 1000) {
    return fail(ErrorCode::invalid_argument, "files.write", std::string(kOomAdjustFile),
                "accepted: a number from -1000 to 1000");
  }
  MemoryTree& memory = cgroups().memory();
  // Lowering needs CAP_SYS_RESOURCE (proc(5)), which programs in containers do not have.
  if (process.space != kNodeSpace && value < memory.oom_adjust(process.memory)) {
    return fail(ErrorCode::not_permitted, "files.write", std::string(kOomAdjustFile),
                "lowering it needs CAP_SYS_RESOURCE");
  }
  memory.set_oom_adjust(process.memory, value);
  return {};
}

ProcessFacts ProcessModel::facts(const SimProcess& process) const {
  const auto name_of = [](const SimProcess& one) {
    constexpr std::size_t kLongest = 15;  // TASK_COMM_LEN with its end
    const std::string& program = one.argv[0];
    return program.substr(program.rfind('/') + 1, kLongest);  // npos + 1 = 0
  };
  ProcessFacts facts;
  facts.name = name_of(process);
  const SimProcess* parent = find(process.parent);
  const auto home = spaces_.find(process.space);
  // Who lost its parent is init's child.
  if (process.parent != 0 && parent == nullptr && home != spaces_.end()) {
    parent = find(home->second.init);
  }
  if (parent != nullptr && parent->space == process.space) facts.parent = name_of(*parent);
  if (process.memory != 0) facts.oom_adjust = cgroups().memory().oom_adjust(process.memory);
  return facts;
}

SimProcess* ProcessModel::find(std::int32_t pid) const {
  const auto found = processes_.find(pid);
  return found == processes_.end() ? nullptr : found->second.get();
}

SimProcess* ProcessModel::find(ProcessRef ref) const {
  SimProcess* process = find(ref.pid);
  return process != nullptr && process->ref == ref ? process : nullptr;
}

Space* ProcessModel::space(std::uint32_t id) {
  const auto found = spaces_.find(id);
  return found == spaces_.end() ? nullptr : &found->second;
}

std::optional<std::uint32_t> ProcessModel::find_label(const std::string& label) const {
  for (const auto& [id, space] : spaces_) {
    if (space.boots && space.label == label) return id;
  }
  return std::nullopt;
}

std::vector<SimProcess*> ProcessModel::members(std::uint32_t space) const {
  std::vector<SimProcess*> result;
  for (const auto& [pid, process] : processes_) {
    if (process->space == space) result.push_back(process.get());
  }
  std::sort(result.begin(), result.end(),
            [](const SimProcess* a, const SimProcess* b) { return a->inner_pid < b->inner_pid; });
  return result;
}

std::string ProcessModel::hostname(std::uint32_t id) const {
  const auto found = spaces_.find(id);
  return found == spaces_.end() ? node_hostname_ : found->second.hostname;
}

void ProcessModel::set_hostname(std::uint32_t id, std::string name) {
  const auto found = spaces_.find(id);
  (found == spaces_.end() ? node_hostname_ : found->second.hostname) = std::move(name);
}

}  // namespace twinhull::sim
