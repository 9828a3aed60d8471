// A physical machine for the tests, on the standard streams: a tree that is the root of a machine
// of its own, with its own mounts and host name, or the container of a process as if it were one.
//   th_machine_peer DIRECTORY | PID
// Root only.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>

#include "backends/linux/channel/channels.h"
#include "backends/linux/linux_kernel.h"
#include "runtime/physical/service.h"

namespace {

/// Whether the calling process is in the machine now.
bool become_machine(const std::string& top) {
  const std::string name = "machine7";
  return ::unshare(CLONE_NEWNS | CLONE_NEWUTS) == 0 &&
         ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::sethostname(name.c_str(), name.size()) == 0 &&
         ::mount(top.c_str(), top.c_str(), nullptr, MS_BIND, nullptr) == 0 &&
         ::mount("/dev", (top + "/dev").c_str(), nullptr, MS_BIND, nullptr) == 0 &&
         ::mount("/sys", (top + "/sys").c_str(), nullptr, MS_BIND, nullptr) == 0 &&
         ::mount("proc", (top + "/proc").c_str(), "proc", 0, nullptr) == 0 &&
         ::mount("tmpfs", (top + "/mnt").c_str(), "tmpfs", 0, nullptr) == 0 &&
         ::chroot(top.c_str()) == 0 && ::chdir("/") == 0;
}

/// The same for the container of process `pid`. Its numbers of processes are those of children
/// only: a child goes on, and the parent ends as it does.
bool enter_container(const std::string& pid) {
  const std::string proc = "/proc/" + pid;
  const int root = ::open((proc + "/root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  std::array<int, 4> spaces{};
  constexpr std::array kNames = {"/ns/pid", "/ns/uts", "/ns/net", "/ns/mnt"};
  for (std::size_t i = 0; i < spaces.size(); ++i) {
    spaces[i] = ::open((proc + kNames[i]).c_str(), O_RDONLY | O_CLOEXEC);
    if (spaces[i] < 0) return false;
  }
  for (const int space : spaces)
    if (::setns(space, 0) != 0) return false;
  if (::fchdir(root) != 0 || ::chroot(".") != 0 || ::chdir("/") != 0) return false;
  const pid_t child = ::fork();
  if (child <= 0) return child == 0;
  // The streams are the child's alone.
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::close(stream);
  int status = 0;
  ::waitpid(child, &status, 0);
  ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

int fail_with(const twinhull::Error& error) {
  std::fprintf(stderr, "%s\n", error.message().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace twinhull;
  if (argc != 2) return 2;
  const std::string where = argv[1];
  const bool is_tree = where.starts_with('/');
  const auto complain = [] {
    std::perror("machine_peer: cannot become a machine");
    return 1;
  };
  if (!is_tree && !enter_container(where)) return complain();
  linux_backend::NodeOptions options;
  options.run_directory = "/run/th-machine";
  auto kernel = linux_backend::open_kernel(options);
  if (!kernel) return fail_with(kernel.error());
  auto channel = linux_backend::serve_standard_streams({kMachineService});
  if (!channel) return fail_with(channel.error());
  if (is_tree && !become_machine(where)) return complain();
  const Status served = serve_machine(**kernel, **channel);
  return served ? 0 : fail_with(served.error());
}
