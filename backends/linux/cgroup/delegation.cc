#include "backends/linux/cgroup/delegation.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <utility>
#include <vector>

#include "backends/linux/errno_error.h"

namespace twinhull::linux_backend {
namespace {

constexpr auto kOperation = "cgroups.delegation";
constexpr const char* kOwnNamespace = "/proc/thread-self/ns/cgroup";
/// Inode of the machine's first cgroup namespace (PROC_CGROUP_INIT_INO).
constexpr ino_t kFirstNamespace = 0xEFFFFFFBU;
/// As systemd mounts the tree.
constexpr std::array<const char*, 2> kWanted = {"nsdelegate", "memory_recursiveprot"};

/// Whether a mount of this process changes the options of the tree.
bool decides(const CgroupLayout& layout) {
  struct stat facts{};
  return layout.kind == CgroupLayoutKind::v2 && layout.unified_root == "/" &&
         ::stat(kOwnNamespace, &facts) == 0 && facts.st_ino == kFirstNamespace;
}

Error refused(const CgroupLayout& layout, std::string_view what) {
  return system_error(kOperation, layout.unified, errno, what);
}

/// A new cgroup namespace whose top is the top of the tree. A namespace's top is the group of
/// whoever makes it, so a child that is born there makes it: moving there and back would take the
/// kernel's lock over all forks of the machine twice.
Result<UniqueFd> make_namespace(const CgroupLayout& layout) {
  const UniqueFd top(::open(layout.unified.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!top) return refused(layout, "cannot open the tree");
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return refused(layout, "cannot make a pipe");
  const UniqueFd in(ends[0]);
  UniqueFd out(ends[1]);
  int pidfd = -1;
  clone_args arguments{};
  arguments.flags = CLONE_INTO_CGROUP | CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
  arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
  arguments.cgroup = static_cast<std::uint64_t>(top.get());
  const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid == 0) {
    ::close(ends[0]);  // or it would keep the pipe open itself when the parent dies
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const std::int32_t number = ::unshare(CLONE_NEWCGROUP) == 0 ? 0 : errno;
    if (::write(out.get(), &number, sizeof number) != sizeof number) ::_exit(1);
    // Until it is killed: what it holds is opened meanwhile.
    for (;;) ::pause();
  }
  if (pid < 0) return refused(layout, "cannot make a process at the top of the tree");
  const UniqueFd child(pidfd);
  out.reset();
  std::int32_t number = EIO;
  if (::read(in.get(), &number, sizeof number) != sizeof number) number = EIO;
  UniqueFd made;
  if (number == 0) {
    made.reset(::open(("/proc/" + std::to_string(pid) + "/ns/cgroup").c_str(),
                      O_RDONLY | O_CLOEXEC));
    if (!made) number = errno;
  }
  ::syscall(SYS_pidfd_send_signal, child.get(), SIGKILL, nullptr, 0U);
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(child.get()), &info, WEXITED | __WALL) != 0 &&
         errno == EINTR) {
  }
  if (number != 0)
    return system_error(kOperation, layout.unified, number, "cannot make a cgroup namespace");
  return made;
}

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

/// Sets the options of the tree: those that are not named end. Not by mount(2), which would also
/// replace the flags of the mount point. False when the kernel refuses.
bool reconfigure(const CgroupLayout& layout, const std::vector<std::string>& options) {
  const UniqueFd context(::fspick(AT_FDCWD, layout.unified.c_str(), FSPICK_CLOEXEC));
  if (!context) return false;
  for (const auto& option : options) {
    if (::fsconfig(context.get(), FSCONFIG_SET_FLAG, option.c_str(), nullptr, 0) != 0) return false;
  }
  return ::fsconfig(context.get(), FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr, 0) == 0;
}

}  // namespace

Result<CgroupMountGuard> CgroupMountGuard::enter(const CgroupLayout& layout) {
  CgroupMountGuard guard;
  if (!decides(layout)) return guard;
  TH_ASSIGN(const UniqueFd made, make_namespace(layout));
  UniqueFd own(::open(kOwnNamespace, O_RDONLY | O_CLOEXEC));
  if (!own) return refused(layout, "cannot open the node's cgroup namespace");
  if (::setns(made.get(), CLONE_NEWCGROUP) != 0)
    return refused(layout, "cannot enter a cgroup namespace");
  guard.own_ = std::move(own);
  return guard;
}

CgroupMountGuard::~CgroupMountGuard() {
  // Going back to a namespace that this process has open needs nothing that could be missing.
  if (own_) static_cast<void>(::setns(own_.get(), CLONE_NEWCGROUP));
}

Result<bool> ensure_delegation(const CgroupLayout& known) {
  if (known.kind != CgroupLayoutKind::v2) return false;
  TH_ASSIGN(const CgroupLayout layout, detect_cgroup_layout());
  if (layout.delegates) return true;
  if (!decides(layout)) return false;
  auto options = layout.unified_options;
  for (const char* const wanted : kWanted)
    if (!contains(options, wanted)) options.emplace_back(wanted);
  return reconfigure(layout, options);
}

}  // namespace twinhull::linux_backend
