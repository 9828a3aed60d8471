#include "backends/linux/channel/child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "backends/linux/channel/wire.h"
#include "backends/linux/errno_error.h"

namespace twinhull::linux_backend {
namespace {

/// Fewer turns for bulk data; the kernel may refuse, then 64 KiB stay.
constexpr int kPipeSize = 1 << 20;

struct Pipe {
  UniqueFd in, out;
  int open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return errno;
    in.reset(ends[0]);
    out.reset(ends[1]);
    ::fcntl(out.get(), F_SETPIPE_SZ, kPipeSize);
    return 0;
  }
};

int spawn(pid_t& pid, const std::vector<std::string>& argv, int input, int output, int errors) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_adddup2(&actions, input, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output, 1);
  ::posix_spawn_file_actions_adddup2(&actions, errors, 2);
  sigset_t usual;
  sigset_t none;
  ::sigemptyset(&none);
  ::sigemptyset(&usual);
  ::sigaddset(&usual, SIGPIPE);
  ::posix_spawnattr_setsigdefault(&attributes, &usual);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  std::vector<std::string> copies = argv;
  std::vector<char*> arguments;
  for (std::string& argument : copies) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  const int error =
      ::posix_spawnp(&pid, arguments.front(), &actions, &attributes, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  return error;
}

void pause_briefly() {
  const timespec wait{.tv_sec = 0, .tv_nsec = 2'000'000};
  ::nanosleep(&wait, nullptr);
}

}  // namespace

Result<Child> Child::start(const std::vector<std::string>& argv, std::string_view operation) {
  Pipe input;
  Pipe output;
  Pipe errors;
  for (Pipe* pipe : {&input, &output, &errors})
    if (const int error = pipe->open(); error != 0)
      return system_error(operation, argv.front(), error, "cannot make a pipe");
  pid_t pid = 0;
  if (const int error = spawn(pid, argv, input.in.get(), output.out.get(), errors.out.get());
      error != 0)
    return system_error(operation, argv.front(), error, "cannot start the program");
  Child child(pid);
  child.to_child = std::move(input.out);
  child.from_child = std::move(output.in);
  child.complaints = std::move(errors.in);
  return child;
}

Child::Child(Child&& other) noexcept
    : to_child(std::move(other.to_child)),
      from_child(std::move(other.from_child)),
      complaints(std::move(other.complaints)),
      pid_(std::exchange(other.pid_, 0)),
      exit_code_(other.exit_code_) {}

Child::~Child() {
  to_child.reset();
  from_child.reset();
  finish(steady_now());
}

bool Child::ended() {
  if (pid_ == 0) return true;
  int status = 0;
  const pid_t found = ::waitpid(pid_, &status, WNOHANG);
  if (found == 0 || (found < 0 && errno == EINTR)) return false;
  // ECHILD: the program ignores SIGCHLD, the kernel reaped it.
  if (found > 0) exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  pid_ = 0;
  return true;
}

bool Child::wait(Duration deadline) {
  while (!ended()) {
    if (steady_now() >= deadline) return false;
    pause_briefly();
  }
  return true;
}

int Child::finish(Duration deadline) {
  constexpr Duration kGrace = seconds(1);
  if (!wait(deadline)) ::kill(-pid_, SIGTERM);
  if (!wait(steady_now() + kGrace)) ::kill(-pid_, SIGKILL);
  while (!ended()) pause_briefly();
  return exit_code_;
}

}  // namespace twinhull::linux_backend
