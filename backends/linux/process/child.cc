#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cstring>

#include "backends/linux/process/child_parts.h"
#include "backends/linux/process/control.h"

namespace twinhull::linux_backend {
namespace {

constexpr int kChildFailed = 127;
constexpr int kKeyctlJoinSession = 1;

void join(const ChildReport& report, const UniqueFd& door, int index) {
  if (door && ::write(door.get(), "0", 1) < 0) report.fail(ChildStep::join_groups, errno, index);
}

void join_groups(const ChildPlan& plan, const ChildReport& report) {
  if (plan.doors == nullptr) return;
  int index = 0;
  for (const auto& door : plan.doors->tasks) join(report, door, index++);
}

void join_devices(const ChildPlan& plan, const ChildReport& report) {
  if (plan.doors == nullptr) return;
  join(report, plan.doors->devices_tasks, static_cast<int>(plan.doors->tasks.size()));
}

void become_root_inside(const ChildReport& report) {
  // System calls instead of the C library's functions, which would signal other threads.
  report.check(ChildStep::identity, static_cast<int>(::syscall(SYS_setgroups, 0, nullptr)));
  report.check(ChildStep::identity, static_cast<int>(::syscall(SYS_setresgid, 0, 0, 0)));
  report.check(ChildStep::identity, static_cast<int>(::syscall(SYS_setresuid, 0, 0, 0)));
}

int open_null(const ChildReport& report, int flags) {
  return report.check(ChildStep::streams, ::open("/dev/null", flags | O_NOCTTY | O_CLOEXEC));
}

/// Puts `streams` on 0, 1 and 2. Sources may themselves be 0…2: move them out of the way first.
void set_streams(const ChildReport& report, std::array<int, 3> streams) {
  for (int& stream : streams) {
    if (stream < 0) stream = open_null(report, O_RDWR);
    if (stream <= 2) {
      stream = report.check(ChildStep::streams, ::fcntl(stream, F_DUPFD_CLOEXEC, 3));
    }
  }
  for (int i = 0; i < 3; ++i) {
    report.check(ChildStep::streams, ::dup2(streams[static_cast<std::size_t>(i)], i));
  }
}

int open_terminal(const ChildPlan& plan, const ChildReport& report) {
  const int master =
      report.check(ChildStep::terminal, ::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
  const int unlock = 0;
  report.check(ChildStep::terminal, ::ioctl(master, TIOCSPTLCK, &unlock));
  const int slave =
      report.check(ChildStep::terminal, ::ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY));
  winsize size{};
  size.ws_row = plan.rows;
  size.ws_col = plan.columns;
  if (size.ws_row != 0) report.check(ChildStep::terminal, ::ioctl(master, TIOCSWINSZ, &size));
  report.check(ChildStep::terminal, ::ioctl(slave, TIOCSCTTY, 0));
  report.send_fd(ControlMessage::Kind::terminal, ChildStep::terminal, master);
  ::close(master);
  return slave;
}

void open_console(const ChildPlan& plan, const ChildReport& report) {
  if (plan.console_log.empty()) {
    set_streams(report, plan.streams);
    return;
  }
  const int log = report.check(
      ChildStep::console, ::open(plan.console_log.c_str(),
                                 O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC,
                                 0640));
  report.check(ChildStep::console,
               ::mount(plan.console_log.c_str(), "/dev/console", nullptr, MS_BIND, nullptr));
  set_streams(report, {-1, log, log});
}

/// Process 1 of a root that is used for one program: reaps what the program leaves behind and
/// passes the program's own status on.
[[noreturn]] void wait_as_init(int status_fd, pid_t program) {
  for (int fd = 0; fd < 3; ++fd) ::close(fd);
  for (;;) {
    int status = 0;
    const pid_t ended = ::wait4(-1, &status, __WALL, nullptr);
    if (ended == program) {
      const ssize_t written = ::write(status_fd, &status, sizeof status);
      ::_exit(written == sizeof status ? 0 : kChildFailed);
    }
    if (ended < 0 && errno != EINTR) ::_exit(kChildFailed);
  }
}

void become_inner_program(const ChildPlan& plan, const ChildReport& report, int control) {
  // Not clone3(2): the seccomp profile, which is on already, refuses that.
  const long program = ::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (program < 0) report.fail(ChildStep::inner_fork, errno);
  if (program > 0) {
    ::close(control);
    wait_as_init(plan.status_fd, static_cast<pid_t>(program));
  }
}

void make_own_root(const ChildPlan& plan, const ChildReport& report) {
  int mounted_root = -1;
  if (plan.user_namespace) {
    mounted_root = report.wait_for(ControlMessage::Kind::mapped, ChildStep::user_map);
    become_root_inside(report);
  }
  // Made by the child, inside its groups: their memory is charged to the container.
  report.check(ChildStep::namespaces,
               ::unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS));
  const int old_root = enter_root(plan, report, mounted_root);
  // The device nodes are made: from here on the container's own device rules act.
  join_devices(plan, report);
  report.check(ChildStep::cgroup_namespace, ::unshare(CLONE_NEWCGROUP));
  finish_root(plan, report, old_root);
  if (!plan.hostname.empty()) {
    report.check(ChildStep::hostname, ::sethostname(plan.hostname.data(), plan.hostname.size()));
  }
  raise_loopback(report);
}

}  // namespace

void ChildReport::fail(ChildStep step, int number, int index) const {
  const ControlMessage message{.kind = ControlMessage::Kind::failed,
                               .step = step,
                               .number = number,
                               .index = index};
  send_control(control_, message, -1);  // a parent that is gone needs no report
  ::_exit(kChildFailed);
}

void ChildReport::send_fd(ControlMessage::Kind kind, ChildStep step, int fd) const {
  if (const int number = send_control(control_, {.kind = kind}, fd); number != 0) {
    fail(step, number);
  }
}

int ChildReport::wait_for(ControlMessage::Kind kind, ChildStep step) const {
  ControlMessage message;
  int fd = -1;
  const int number = receive_control(control_, message, fd);
  if (number != 0 || message.kind != kind) fail(step, number != 0 ? number : EPROTO);
  return fd;
}

void run_child(const ChildPlan& plan, int control) {
  const ChildReport report(control);
  // A parent that dies before this line is seen at the control socket.
  report.check(ChildStep::parent, ::prctl(PR_SET_PDEATHSIG, SIGKILL));
  reset_signals();
  join_groups(plan, report);
  // A keyring of its own instead of the caller's; kernels without keyrings need none.
  ::syscall(SYS_keyctl, kKeyctlJoinSession, nullptr);
  report.check(ChildStep::session, ::setsid());

  if (plan.own_root) {
    make_own_root(plan, report);
  } else {
    join_devices(plan, report);
    if (plan.init_pidfd >= 0) {
      report.check(ChildStep::enter_namespaces, ::setns(plan.init_pidfd, plan.entered_namespaces));
      if ((plan.entered_namespaces & CLONE_NEWUSER) != 0) become_root_inside(report);
    }
  }

  if (plan.terminal) {
    const int slave = open_terminal(plan, report);
    set_streams(report, {slave, slave, slave});
  } else {
    open_console(plan, report);
  }
  ::umask(022);
  report.check(ChildStep::directory, ::chdir(plan.program.directory.c_str()));
  set_limits(plan, report);
  // From here until exec nothing of the node is needed; the parent has recorded us when it says go.
  report.wait_for(ControlMessage::Kind::go, ChildStep::parent);
  drop_privileges(plan, report);
  report.check(ChildStep::descriptors,
               static_cast<int>(::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC)));
  if (plan.inner_init) {
    become_inner_program(plan, report, control);
  } else {
    report.check(ChildStep::parent, ::prctl(PR_SET_PDEATHSIG, 0));
  }
  int number = ENOENT;
  for (const auto& candidate : plan.program.candidates) {
    ::execve(candidate.c_str(), plan.program.argv.data(), plan.program.environment.data());
    // As a shell looks along PATH: a later directory may hold what this one lacks or refuses.
    if (errno != ENOENT && errno != ENOTDIR) number = errno;
    if (number != ENOENT && number != EACCES) break;
  }
  report.fail(ChildStep::exec, number);
}

}  // namespace twinhull::linux_backend
