#include "backends/linux/process/proc_view.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "backends/linux/cgroup/delegation.h"
#include "backends/linux/errno_error.h"
#include "backends/linux/run_tool.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

constexpr auto kOperation = "processes.proc_view";

/// lxcfs where the system's packages put it; nullptr = not installed.
const char* program() {
  for (const char* const path : {"/usr/bin/lxcfs", "/usr/local/bin/lxcfs", "/usr/sbin/lxcfs"}) {
    if (::access(path, X_OK) == 0) return path;
  }
  return nullptr;
}

/// errno of reading a file of the view: 0 = it answers, ENOENT = nothing is mounted, ENOTCONN = its
/// daemon died.
int probe(const std::string& directory) {
  const UniqueFd file(::open((directory + "/proc/meminfo").c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return errno;
  std::array<char, 16> bytes{};
  return ::read(file.get(), bytes.data(), bytes.size()) > 0 ? 0 : EIO;
}

int make_directory(const std::string& path) {
  return ::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST ? 0 : errno;
}

}  // namespace

Support proc_view_support(const NodeOptions& options) {
  if (!options.proc_view) return {false, "the limited view of /proc is off for this node"};
  if (::access("/dev/fuse", R_OK | W_OK) != 0) {
    return {false, "this kernel has no FUSE (/dev/fuse), which lxcfs needs"};
  }
  if (program() == nullptr) return {false, "lxcfs is not installed (Debian package lxcfs)"};
  return {true, "lxcfs: " + fmt::format("{}", fmt::join(kProcViewFiles, ", "))};
}

Result<std::string> open_proc_view(const NodeOptions& options) {
  const std::string directory = options.run_directory + "/lxcfs";
  if (probe(directory) == 0) return directory;
  for (const std::string& path : {options.run_directory, directory}) {
    if (const int number = make_directory(path); number != 0 && number != ENOTCONN) {
      return system_error(kOperation, path, number, "cannot make the directory");
    }
  }
  // Two starts at a time must not make two daemons.
  const std::string lock_file = directory + ".lock";
  const UniqueFd lock(::open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return system_error(kOperation, lock_file, errno);
  if (::flock(lock.get(), LOCK_EX) != 0) return system_error(kOperation, lock_file, errno);
  const int state = probe(directory);
  if (state == 0) return directory;
  if (state == ENOTCONN && ::umount2(directory.c_str(), MNT_DETACH) != 0) {
    return system_error(kOperation, directory, errno, "cannot unmount a dead lxcfs");
  }
  TH_ASSIGN(const CgroupLayout layout, detect_cgroup_layout());
  TH_ASSIGN(const CgroupMountGuard guard, CgroupMountGuard::enter(layout));
  // Its own way to the background keeps our streams, and the command would never end.
  TH_TRY(run_tool_well({"/bin/sh", "-c",
                        "setsid \"$0\" -f --enable-cfs \"--pidfile=$1.pid\" \"$1\" "
                        "</dev/null >/dev/null 2>\"$1.log\" &",
                        program(), directory},
                       kOperation, directory));
  constexpr int kRounds = 200;
  for (int round = 0; round < kRounds; ++round) {
    if (probe(directory) == 0) return directory;
    ::usleep(10'000);
  }
  return fail(ErrorCode::failed, kOperation, directory, "lxcfs was started and does not answer")
      .with_hint("see " + directory + ".log");
}

}  // namespace twinhull::linux_backend
