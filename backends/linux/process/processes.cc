#include "backends/linux/process/processes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <mutex>
#include <utility>

#include "backends/linux/cgroup/delegation.h"
#include "backends/linux/cgroup/doors.h"
#include "backends/linux/cgroup/group_base.h"
#include "backends/linux/cgroup/layout.h"
#include "backends/linux/errno_error.h"
#include "backends/linux/process/container_plan.h"
#include "backends/linux/process/control.h"
#include "backends/linux/process/identity.h"
#include "backends/linux/process/launch.h"
#include "backends/linux/process/oom_adjust.h"
#include "backends/linux/process/proc_view.h"
#include "backends/linux/process/records.h"
#include "backends/linux/process/seccomp_filter.h"
#include "backends/linux/process/small_file.h"
#include "backends/linux/process/streams.h"
#include "backends/linux/process/user_namespace.h"
#include "backends/linux/stop.h"

namespace twinhull::linux_backend {
namespace {

Instant boottime() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return Instant(seconds(now.tv_sec) + nanoseconds(now.tv_nsec));
}

std::string name_of(const ProcessRef& process) {
  return fmt::format("process {}", process.pid);
}

Error not_running(std::string_view operation, const ProcessRef& process) {
  return fail(ErrorCode::not_running, operation, name_of(process), "the process is gone");
}

/// What /proc/PID/status tells of an init's confinement.
struct Confinement {
  std::uint64_t bounding = 0;
  bool filtered = false;
};

Result<Confinement> confinement_of(const ProcessRef& init) {
  const auto status = read_small_file(fmt::format("/proc/{}/status", init.pid));
  if (!status) return not_running("processes.exec", init);
  const auto field = [&](std::string_view name) {
    const auto at = status->find(fmt::format("\n{}:\t", name));
    return at == std::string::npos ? std::string() : status->substr(at + name.size() + 3, 16);
  };
  const auto bounding = field("CapBnd");
  if (bounding.empty()) {
    return fail(ErrorCode::corrupt, "processes.exec", name_of(init),
                "its status shows no capability bounds");
  }
  return Confinement{.bounding = std::stoull(bounding, nullptr, 16),
                     .filtered = field("Seccomp").starts_with('2')};
}

bool same_namespace(const std::string& name, const ProcessRef& process) {
  struct stat own{}, other{};
  return ::stat(("/proc/self/ns/" + name).c_str(), &own) == 0 &&
         ::stat(fmt::format("/proc/{}/ns/{}", process.pid, name).c_str(), &other) == 0 &&
         own.st_ino == other.st_ino && own.st_dev == other.st_dev;
}

/// Makes children of the calling thread members of another PID namespace while it lives.
class PidNamespaceGuard {
 public:
  /// Returns errno.
  int enter(int init_pidfd) {
    own_.reset(::open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC));
    if (!own_) return errno;
    if (::setns(init_pidfd, CLONE_NEWPID) != 0) return errno;
    inside_ = true;
    return 0;
  }
  /// Returns errno. A failure leaves the thread unfit for further children.
  int leave() {
    if (!std::exchange(inside_, false)) return 0;
    return ::setns(own_.get(), CLONE_NEWPID) == 0 ? 0 : errno;
  }
  PidNamespaceGuard() = default;
  PidNamespaceGuard(const PidNamespaceGuard&) = delete;
  PidNamespaceGuard& operator=(const PidNamespaceGuard&) = delete;
  ~PidNamespaceGuard() { leave(); }

 private:
  UniqueFd own_;
  bool inside_ = false;
};

/// The init whose container a program is to run in.
struct Beside {
  ProcessRef init;
  int pidfd = -1;
  CgroupLayout layout;
  CgroupDoors doors;  ///< of the groups that the init is in
};

/// Starts a process in the groups that the init is in. An init that makes groups of its own, as
/// systemd does, leaves the v2 group in which it was born, takes along who else is there, and hands
/// controllers down from it. From then on that group refuses members; and one that comes between
/// the last two steps makes the last one fail. So whoever comes must be there before the init
/// leaves, or follow it: the process has not run anything when this is looked at.
Result<Launched> launch_beside(ChildPlan& plan, Beside& beside, std::string_view operation,
                               const std::string& object) {
  constexpr int kRounds = 200;
  constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 10'000'000};
  for (int round = 1;; ++round) {
    plan.doors = &beside.doors;
    auto child = launch(plan, 0, operation, object);
    if (!beside.doors.unified || round == kRounds) return child;
    // EBUSY: it hands controllers down; ENODEV: it was removed.
    const int number = child ? 0 : child.error().sys_errno;
    if (!child && number != EBUSY && number != ENODEV) return child;
    auto doors = open_process_doors(beside.layout, beside.init.pid);
    const bool stayed = doors && doors->unified_directory == beside.doors.unified_directory;
    if (child && (stayed || !doors)) return child;  // without an init it ends by itself
    if (child) kill_and_reap(child->pidfd.get());
    if (!doors && doors.error().code == ErrorCode::not_running && !is_live(beside.init))
      return std::move(doors).error();
    if (doors) beside.doors = std::move(*doors);
    ::nanosleep(&kPause, nullptr);
  }
}

class LinuxProcesses final : public Processes {
 public:
  explicit LinuxProcesses(const NodeOptions& options)
      : options_(options), records_(options.run_directory) {}

  Result<ProcessRef> spawn(const SpawnSpec& spec) override;
  Result<std::optional<ProcessRef>> find(const std::string& label) override {
    if (!valid_label(label)) {
      return fail(ErrorCode::invalid_argument, "processes.find", label, "this is no label");
    }
    return records_.find(label);
  }
  Result<std::vector<LabeledProcess>> list() override { return records_.list(); }

  Result<ExecOutcome> exec(ProcessRef init, const ExecSpec& spec) override;
  Result<ExecOutcome> run(const ExecSpec& spec) override;
  Result<ExecOutcome> run_in_root(const std::string& root, const ExecSpec& spec) override;

  Result<Effect> signal(ProcessRef process, Signal signal) override;
  Status wait_gone(ProcessRef process, Duration timeout) override;
  Result<bool> alive(ProcessRef process) override { return is_live(process); }
  Result<ProcessRef> self() override;
  Result<std::optional<ProcessRef>> lookup(std::int32_t pid) override { return process_of(pid); }
  Result<std::string> command_line(ProcessRef process) override;
  Result<ProcessFacts> facts(ProcessRef process) override;
  Result<Effect> set_oom_adjust(ProcessRef process, std::int32_t adjust) override;
  Result<Instant> started_at(ProcessRef process) override {
    if (!is_live(process)) return not_running("processes.started_at", process);
    return instant_of_ticks(process.generation);
  }
  Status set_hostname(ProcessRef init, const std::string& name) override;

 private:
  Status check(const SpawnSpec& spec) const;
  Result<ProcessRef> born(const SpawnSpec& spec, const ChildPlan& plan);
  Result<CgroupLayout> layout();
  Result<std::vector<sock_filter>> filter(CapabilitySet capabilities, bool own_users);
  Result<ExecOutcome> run_plan(ChildPlan& plan, const ExecSpec& spec, std::uint64_t flags,
                               Beside* beside, std::string_view operation,
                               const std::string& object);

  const NodeOptions& options_;
  InitRecords records_;
  // Made when first needed: most commands start nothing.
  std::mutex mutex_;
  std::optional<CgroupLayout> layout_;
  std::map<std::pair<std::uint64_t, bool>, std::vector<sock_filter>> filters_;
};

Result<CgroupLayout> LinuxProcesses::layout() {
  const std::scoped_lock lock(mutex_);
  if (!layout_) {
    TH_ASSIGN(layout_, detect_cgroup_layout());
  }
  return *layout_;
}

Result<std::vector<sock_filter>> LinuxProcesses::filter(CapabilitySet capabilities,
                                                        bool own_users) {
  const std::scoped_lock lock(mutex_);
  auto& known = filters_[{capabilities.mask, own_users}];
  if (known.empty()) {
    TH_ASSIGN(known, make_seccomp_filter(capabilities, own_users));
  }
  return known;
}

Status LinuxProcesses::check(const SpawnSpec& spec) const {
  constexpr auto kCall = "processes.spawn";
  if (!valid_label(spec.label)) {
    return fail(ErrorCode::invalid_argument, kCall, spec.label,
                "a label is 1 to 64 letters, digits, '.', '_', '-'");
  }
  if (spec.argv.empty() || spec.argv.front().empty()) {
    return fail(ErrorCode::invalid_argument, kCall, spec.label, "no program is named");
  }
  if (!valid_group_path(spec.cgroup.text)) {
    return fail(ErrorCode::invalid_argument, kCall, spec.label,
                "\"" + spec.cgroup.text + "\" is no control group");
  }
  if (spec.oom_adjust) TH_TRY(check_oom_adjust(kCall, spec.label, *spec.oom_adjust));
  struct stat facts{};
  if (::stat(spec.root.c_str(), &facts) != 0) {
    return system_error(kCall, spec.label, errno, "the root directory " + spec.root);
  }
  if (!S_ISDIR(facts.st_mode)) {
    return fail(ErrorCode::not_directory, kCall, spec.label, spec.root + " is no directory");
  }
  return {};
}

/// Brings a child up to its program. On an error nothing of it is left.
Result<ProcessRef> LinuxProcesses::born(const SpawnSpec& spec, const ChildPlan& plan) {
  constexpr auto kCall = "processes.spawn";
  std::uint64_t flags = CLONE_NEWPID;
  if (spec.user_namespace) flags |= CLONE_NEWUSER;
  TH_ASSIGN(Launched child, launch(plan, flags, kCall, spec.label));
  const auto undo = [&](Error failure) {
    kill_and_reap(child.pidfd.get());
    return failure;
  };
  UniqueFd mapped_root;
  if (spec.user_namespace) {
    auto status = write_id_maps(child.pid, *spec.user_namespace, spec.label);
    if (status) {
      auto mount = map_root(spec.root, *spec.user_namespace, child.pid, spec.label);
      if (mount) {
        mapped_root = std::move(*mount);
      } else {
        status = std::move(mount).error();
      }
    }
    if (!status) return undo(std::move(status).error());
    const ControlMessage mapped{.kind = ControlMessage::Kind::mapped};
    // A child that is gone has said why; that is read below.
    send_control(child.control.get(), mapped, mapped_root.get());
  }
  if (spec.oom_adjust) {
    // By the parent: in a user namespace of its own the child has no right to lower it.
    const auto set = OomAdjustFile(child.pid).write(kCall, spec.label, *spec.oom_adjust);
    if (!set) return undo(set.error());
  }
  const auto identity = process_of(child.pid);
  if (identity) {
    if (auto status = records_.add(spec.label, *identity); !status) {
      return undo(std::move(status).error());
    }
  }
  send_control(child.control.get(), {.kind = ControlMessage::Kind::go}, -1);
  ControlMessage message;
  int fd = -1;
  // The socket closes when the program is executed.
  const int number = receive_control(child.control.get(), message, fd);
  const UniqueFd unexpected(fd);
  if (number == EPIPE && identity) {
    // A program may end as soon as it ran. Before it runs the child says why it ends, unless it is
    // killed.
    const auto ended = reap(child.pidfd.get());
    if (!ended || !ended->signaled) return *identity;
  }
  kill_and_reap(child.pidfd.get());
  if (identity) TH_TRY(records_.remove(*identity));
  if (number == 0) return child_error(message, plan, kCall, spec.label);
  if (number == EPIPE || number == ECONNRESET) {
    return fail(ErrorCode::failed, kCall, spec.label,
                "the init was killed before or just after it ran")
        .with_hint("its memory limit may be too low to start");
  }
  return system_error(kCall, spec.label, number, "cannot hear the child");
}

Result<ProcessRef> LinuxProcesses::spawn(const SpawnSpec& spec) {
  TH_TRY(check(spec));
  TH_ASSIGN(const auto former, records_.find(spec.label));
  if (former) {
    return fail(ErrorCode::already_running, "processes.spawn", spec.label,
                fmt::format("process {} is its init already", former->pid));
  }
  TH_ASSIGN(CgroupLayout layout, this->layout());
  // Another program may have taken it away since: then the container's tree would be read-only, or
  // its limits its own to set.
  TH_ASSIGN(layout.delegates, ensure_delegation(layout));
  TH_ASSIGN(const CgroupDoors doors, open_group_doors(layout, options_.cgroup_prefix, spec.cgroup));
  ChildPlan plan = plan_container(spec, layout);
  plan.doors = &doors;
  if (proc_view_support(options_).available) {
    TH_ASSIGN(const std::string view, open_proc_view(options_));
    for (const char* const name : kProcViewFiles) {
      plan.proc_view.push_back(view + "/proc/" + name);
    }
  }
  if (spec.seccomp) {
    TH_ASSIGN(plan.filter, filter(spec.capabilities, spec.user_namespace.has_value()));
  }
  return born(spec, plan);
}

Result<ExecOutcome> LinuxProcesses::run_plan(ChildPlan& plan, const ExecSpec& spec,
                                             std::uint64_t flags, Beside* beside,
                                             std::string_view operation,
                                             const std::string& object) {
  CapturePipes pipes;
  if (spec.streams == Streams::capture) {
    TH_ASSIGN(pipes, make_capture_pipes(operation, object));
    for (std::size_t i = 0; i < plan.streams.size(); ++i) plan.streams[i] = pipes.childs[i].get();
  } else if (spec.streams == Streams::inherit) {
    plan.streams = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
  } else {
    plan.terminal = true;
    const auto size = terminal_size();
    plan.rows = size.rows;
    plan.columns = size.columns;
    add_default(plan.program, "TERM", "linux");
  }
  plan.program.seal();
  UniqueFd status_read, status_write;
  if (plan.inner_init) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error(operation, object, errno);
    status_read.reset(ends[0]);
    status_write.reset(ends[1]);
    plan.status_fd = status_write.get();
  }
  PidNamespaceGuard guard;
  if (beside != nullptr) {
    if (const int number = guard.enter(beside->pidfd); number != 0) {
      const auto code = number == ESRCH ? ErrorCode::not_running : code_of(number);
      return system_error(code, operation, object, number, "cannot enter its PID namespace");
    }
  }
  auto child = beside != nullptr ? launch_beside(plan, *beside, operation, object)
                                 : launch(plan, flags, operation, object);
  if (const int number = guard.leave(); number != 0) {
    if (child) kill_and_reap(child->pidfd.get());
    return system_error(operation, object, number, "cannot return to the node's PID namespace");
  }
  if (!child) return std::move(child).error();
  if (spec.oom_adjust) {
    // The child waits for its go; where it has an inner init, that hands it down.
    const auto set = OomAdjustFile(child->pid).write(operation, object, *spec.oom_adjust);
    if (!set) {
      kill_and_reap(child->pidfd.get());
      return set.error();
    }
  }
  for (auto& end : pipes.childs) end.reset();
  status_write.reset();
  ProgramRun run(options_, spec, plan, *child, pipes, std::move(status_read));
  return run.run(operation, object);
}

Status check_exec(std::string_view operation, const ExecSpec& spec, const std::string& object) {
  if (spec.argv.empty() || spec.argv.front().empty()) {
    return fail(ErrorCode::invalid_argument, operation, object, "no program is named");
  }
  if (spec.oom_adjust) TH_TRY(check_oom_adjust(operation, object, *spec.oom_adjust));
  return {};
}

/// v1 lets a process into a full pids group and refuses its first fork only: refuse it here.
Status check_pids(const CgroupDoors& doors, const std::string& object) {
  if (doors.pids_directory.empty()) return {};
  const auto most = read_small_file(doors.pids_directory + "/pids.max");
  const auto now = read_small_file(doors.pids_directory + "/pids.current");
  if (!most || !now || most->starts_with("max")) return {};
  const auto limit = std::stoull(*most);
  const auto current = std::stoull(*now);
  if (current < limit) return {};
  return fail(ErrorCode::limit_exceeded, "processes.exec", object,
              "the container has as many processes as it may")
      .with_amounts(1, current, limit)
      .with_hint("raise its limit on processes, or end some");
}

Result<ExecOutcome> LinuxProcesses::exec(ProcessRef init, const ExecSpec& spec) {
  constexpr auto kCall = "processes.exec";
  const auto object = name_of(init);
  TH_TRY(check_exec(kCall, spec, object));
  const UniqueFd init_pidfd = open_process(init);
  if (!init_pidfd) return not_running(kCall, init);
  Beside beside{.init = init, .pidfd = init_pidfd.get(), .layout = {}, .doors = {}};
  TH_ASSIGN(beside.layout, layout());
  TH_ASSIGN(beside.doors, open_process_doors(beside.layout, init.pid));
  TH_TRY(check_pids(beside.doors, object));
  TH_ASSIGN(const Confinement confinement, confinement_of(init));
  ChildPlan plan;
  plan.program = make_program(spec.argv, spec.environment, spec.directory);
  plan.init_pidfd = init_pidfd.get();
  plan.entered_namespaces =
      CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  const bool own_users = !same_namespace("user", init);
  if (own_users) plan.entered_namespaces |= CLONE_NEWUSER;
  plan.limits = limits_of(init.pid);
  plan.restrict_capabilities = true;
  plan.capabilities = confinement.bounding;
  plan.last_capability = last_capability();
  if (confinement.filtered) {
    TH_ASSIGN(plan.filter, filter(CapabilitySet{confinement.bounding}, own_users));
  }
  return run_plan(plan, spec, 0, &beside, kCall, object);
}

Result<ExecOutcome> LinuxProcesses::run(const ExecSpec& spec) {
  constexpr auto kCall = "processes.run";
  const auto object = spec.argv.empty() ? std::string("program") : spec.argv.front();
  TH_TRY(check_exec(kCall, spec, object));
  ChildPlan plan;
  plan.program = make_program(spec.argv, spec.environment, spec.directory);
  return run_plan(plan, spec, 0, nullptr, kCall, object);
}

Result<ExecOutcome> LinuxProcesses::run_in_root(const std::string& root, const ExecSpec& spec) {
  constexpr auto kCall = "processes.run_in_root";
  TH_TRY(check_exec(kCall, spec, root));
  struct stat facts{};
  if (::stat(root.c_str(), &facts) != 0) return system_error(kCall, root, errno);
  if (!S_ISDIR(facts.st_mode)) return system_error(kCall, root, ENOTDIR);
  ChildPlan plan = plan_in_root(root, spec);
  TH_ASSIGN(plan.filter, filter(maintenance_capabilities(), /*own_users=*/false));
  return run_plan(plan, spec, CLONE_NEWPID, nullptr, kCall, root);
}

Result<ProcessFacts> LinuxProcesses::facts(ProcessRef process) {
  auto facts = read_process_facts(process);
  if (!facts) return not_running("processes.facts", process);
  return std::move(*facts);
}

Result<Effect> LinuxProcesses::set_oom_adjust(ProcessRef process, std::int32_t adjust) {
  constexpr auto kCall = "processes.set_oom_adjust";
  TH_TRY(check_oom_adjust(kCall, name_of(process), adjust));
  const OomAdjustFile file(process.pid);
  // After the open: the descriptor then belongs to the process that was meant.
  if (!is_live(process)) return Effect::none;
  return file.write(kCall, name_of(process), adjust);
}

Result<Effect> LinuxProcesses::signal(ProcessRef process, Signal signal) {
  const UniqueFd pidfd = open_process(process);
  if (!pidfd) return Effect::none;
  if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal_number(signal), nullptr, 0U) != 0) {
    if (errno == ESRCH) return Effect::none;
    return system_error("processes.signal", name_of(process), errno);
  }
  return Effect::changed;
}

Status LinuxProcesses::set_hostname(ProcessRef init, const std::string& name) {
  constexpr auto kCall = "processes.set_hostname";
  if (name.empty() || name.size() > 64)
    return fail(ErrorCode::invalid_argument, kCall, name, "a host name has 1 to 64 bytes");
  const UniqueFd theirs(
      ::open(fmt::format("/proc/{}/ns/uts", init.pid).c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd own(::open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC));
  // After the open: the descriptor then belongs to the process that was meant.
  if (!theirs || !is_live(init)) return not_running(kCall, init);
  if (!own) return system_error(kCall, name, errno);
  // A namespace of this kind is entered by the calling thread alone.
  if (::setns(theirs.get(), CLONE_NEWUTS) != 0) return system_error(kCall, name, errno);
  const int number = ::sethostname(name.data(), name.size()) == 0 ? 0 : errno;
  if (::setns(own.get(), CLONE_NEWUTS) != 0) return system_error(kCall, name, errno);
  return number == 0 ? Status() : system_error(kCall, name, number);
}

Status LinuxProcesses::wait_gone(ProcessRef process, Duration timeout) {
  constexpr auto kCall = "processes.wait_gone";
  const UniqueFd pidfd(
      process.pid > 0 ? static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0U)) : -1);
  const Instant end = boottime() + timeout;
  // A pidfd becomes readable when the process has ended: for the init of a PID namespace that is
  // after everything else in it.
  while (pidfd && is_live(process)) {
    if (take_stop(options_)) {
      return fail(ErrorCode::interrupted, kCall, name_of(process),
                  "a signal asked this command to stop");
    }
    const Duration left = end - boottime();
    if (left <= Duration::zero()) {
      return fail(ErrorCode::timed_out, kCall, name_of(process),
                  fmt::format("it is still alive after {} ms",
                              std::chrono::duration_cast<milliseconds>(timeout).count()));
    }
    const auto slice = std::min(left, kStopPoll);
    const timespec wait{.tv_sec = 0, .tv_nsec = static_cast<long>(slice.count())};
    pollfd ended{pidfd.get(), POLLIN, 0};
    if (::ppoll(&ended, 1, &wait, nullptr) < 0 && errno != EINTR) {
      return system_error(kCall, name_of(process), errno);
    }
  }
  // A child of this program stays a zombie until it is asked for; others are not ours to reap.
  if (pidfd) reap(pidfd.get());
  return records_.remove(process);
}

Result<ProcessRef> LinuxProcesses::self() {
  if (const auto own = process_of(::getpid())) return *own;
  return fail(ErrorCode::not_supported, "processes.self", "this process",
              "/proc does not show it: it is mounted for another PID namespace");
}

Result<std::string> LinuxProcesses::command_line(ProcessRef process) {
  auto text = read_small_file(fmt::format("/proc/{}/cmdline", process.pid));
  if (!text || !is_live(process)) return std::string();
  while (text->ends_with('\0')) text->pop_back();
  for (char& c : *text) {
    if (c == '\0') c = ' ';
  }
  return std::move(*text);
}

}  // namespace

Result<std::unique_ptr<Processes>> make_processes(const NodeOptions& options, Cgroups&) {
  return std::make_unique<LinuxProcesses>(options);
}

}  // namespace twinhull::linux_backend
