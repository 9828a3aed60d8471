#include "backends/linux/process/launch.h"

#include <fmt/format.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "backends/linux/errno_error.h"
#include "backends/linux/process/control.h"

namespace twinhull::linux_backend {
namespace {

constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

ErrorCode code_of_step(const ControlMessage& message) {
  const int number = message.number;
  switch (message.step) {
    case ChildStep::exec:
      if (number == ENOENT || number == ENOTDIR) return ErrorCode::not_found;
      if (number == ENOEXEC) return ErrorCode::invalid_argument;
      break;
    case ChildStep::enter_namespaces:
      if (number == ESRCH || number == ENOENT) return ErrorCode::not_running;
      break;
    case ChildStep::proc: case ChildStep::sys: case ChildStep::dev: case ChildStep::pts:
    case ChildStep::shm: case ChildStep::mqueue: case ChildStep::cgroup_mounts:
      if (number == ENODEV) return ErrorCode::not_supported;
      break;
    case ChildStep::join_groups:
      // A cpuset without CPUs refuses its members with ENOSPC.
      if (number == ENODEV || number == ENOENT) return ErrorCode::not_found;
      if (number == ENOSPC) return ErrorCode::invalid_argument;
      break;
    case ChildStep::namespaces:
      // More namespaces than /proc/sys/user/max_*_namespaces allows.
      if (number == ENOSPC || number == EUSERS) return ErrorCode::limit_exceeded;
      break;
    default:
      break;
  }
  return code_of(number);
}

}  // namespace

Result<Launched> launch(const ChildPlan& plan, std::uint64_t flags, std::string_view operation,
                        const std::string& object) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return system_error(operation, object, errno, "cannot make the control socket");
  }
  UniqueFd ours(ends[0]);
  UniqueFd childs(ends[1]);
  int pidfd = -1;
  clone_args arguments{};
  arguments.flags = flags | CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
  arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
  if (plan.doors != nullptr && plan.doors->unified) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<std::uint64_t>(plan.doors->unified.get());
  }
  const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid == 0) {
    // Otherwise the child would keep its own control socket open when the parent dies.
    ::close(ours.release());
    run_child(plan, childs.get());
  }
  if (pid < 0) {
    const int number = errno;
    auto failure = system_error(operation, object, number, "cannot make a process");
    if (number == ENOSYS) {
      return std::move(failure).with_hint("this backend needs Linux 5.12 or later");
    }
    if (number == EAGAIN) {
      return std::move(failure).with_hint("the limit on processes is reached");
    }
    return failure;
  }
  return Launched{static_cast<pid_t>(pid), UniqueFd(pidfd), std::move(ours)};
}

Error child_error(const ControlMessage& message, const ChildPlan& plan, std::string_view operation,
                  const std::string& object) {
  std::string what = fmt::format("cannot {}", to_string(message.step));
  const auto index = static_cast<std::size_t>(message.index);
  std::string hint;
  switch (message.step) {
    case ChildStep::exec:
      what += " " + plan.program.argv_text.front();
      break;
    case ChildStep::join_groups:
      if (plan.doors != nullptr && index < plan.doors->names.size()) {
        what += " " + plan.doors->names[index];
      }
      break;
    case ChildStep::cgroup_mounts:
      if (index < plan.cgroup_mounts.size()) what += " at " + plan.cgroup_mounts[index].directory;
      break;
    case ChildStep::directory:
      what += " " + plan.program.directory;
      break;
    case ChildStep::console:
      what += " " + plan.console_log;
      break;
    case ChildStep::bounding_set:
      what += fmt::format(" (number {})", index);
      break;
    case ChildStep::limits:
      if (message.number == EPERM) {
        hint = "raising a hard limit needs CAP_SYS_RESOURCE, which this node's root lacks";
      }
      break;
    case ChildStep::terminal:
      hint = "the container needs /dev/ptmx and a device rule that allows it";
      break;
    default:
      break;
  }
  return system_error(code_of_step(message), operation, object, message.number, what)
      .with_hint(std::move(hint));
}

ExitStatus from_wait_status(int status) {
  if (WIFSIGNALED(status)) return {.signaled = true, .value = WTERMSIG(status)};
  return {.signaled = false, .value = WEXITSTATUS(status)};
}

std::optional<ExitStatus> reap(int pidfd) {
  siginfo_t info{};
  const int result = ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG | __WALL);
  if (result != 0 || info.si_pid == 0) return std::nullopt;
  return ExitStatus{.signaled = info.si_code != CLD_EXITED, .value = info.si_status};
}

void kill_and_reap(int pidfd) {
  // Both fail only when the process is gone and reaped already.
  ::syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0U);
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | __WALL) != 0 &&
         errno == EINTR) {
  }
}

void add_default(Program& program, const std::string& name, const std::string& value) {
  const auto start = name + '=';
  const bool there = std::ranges::any_of(program.environment_text, [&](const std::string& text) {
    return text.starts_with(start);
  });
  if (!there) program.environment_text.push_back(start + value);
}

Program make_program(const std::vector<std::string>& argv,
                     const std::vector<EnvironmentVariable>& environment,
                     const std::string& directory) {
  Program program;
  program.directory = directory;
  program.argv_text = argv;
  std::string path(kDefaultPath);
  for (const auto& variable : environment) {
    program.environment_text.push_back(variable.name + '=' + variable.value);
    if (variable.name == "PATH") path = variable.value;
  }
  const auto& name = argv.front();
  if (name.find('/') != std::string::npos || name.empty()) {
    program.candidates.push_back(name);
    return program;
  }
  for (std::size_t at = 0; at <= path.size();) {
    const auto end = std::min(path.find(':', at), path.size());
    const auto folder = path.substr(at, end - at);
    program.candidates.push_back((folder.empty() ? std::string(".") : folder) + '/' + name);
    at = end + 1;
  }
  return program;
}

}  // namespace twinhull::linux_backend
