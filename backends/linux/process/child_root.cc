#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstring>

#include "backends/linux/process/child_parts.h"
#include "backends/linux/process/proc_view.h"

// The launcher rules that make a container checkpointable later: private mounts before pivot_root,
// streams opened inside the new root, a session of its own, no descriptor of ours left.

namespace twinhull::linux_backend {
namespace {

constexpr unsigned long kPlain = MS_NOSUID | MS_NODEV | MS_NOEXEC;

struct DeviceNode {
  const char* path;
  unsigned major, minor;
  const char* source;  ///< the node's own device, for a bind mount
  mode_t mode = 0666;
};
constexpr DeviceNode kNodes[] = {
    {"/dev/null", 1, 3, "/dev/null"},     {"/dev/zero", 1, 5, "/dev/zero"},
    {"/dev/full", 1, 7, "/dev/full"},     {"/dev/random", 1, 8, "/dev/random"},
    {"/dev/urandom", 1, 9, "/dev/urandom"}, {"/dev/tty", 5, 0, "/dev/tty"},
    // No monitor of ours keeps a terminal open for the console: what is written there is the
    // null device, or the console log that is put over it.
    {"/dev/console", 1, 3, "/dev/null", 0620},
};
constexpr int kNodeCount = sizeof kNodes / sizeof kNodes[0];

struct Link {
  const char* path;
  const char* target;
};
constexpr Link kLinks[] = {
    {"/dev/fd", "/proc/self/fd"},       {"/dev/stdin", "/proc/self/fd/0"},
    {"/dev/stdout", "/proc/self/fd/1"}, {"/dev/stderr", "/proc/self/fd/2"},
    {"/dev/ptmx", "pts/ptmx"},          {"/dev/core", "/proc/kcore"},
};

// What the OCI runtimes hide: facts and switches of the whole node.
constexpr const char* kMasked[] = {
    "/proc/acpi",        "/proc/asound",      "/proc/kcore",       "/proc/keys",
    "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
    "/proc/scsi",        "/proc/sysrq-trigger", "/sys/firmware",   "/sys/devices/virtual/powercap",
};
constexpr const char* kReadOnly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"};

/// A directory to mount on. A link there would lead the mount to another place of the root.
void mount_point(const ChildReport& report, ChildStep step, const char* path) {
  struct stat facts{};
  if (::lstat(path, &facts) != 0) {
    if (errno != ENOENT) report.fail(step, errno);
    report.check(step, ::mkdir(path, 0755));
    return;
  }
  if (!S_ISDIR(facts.st_mode)) report.fail(step, ENOTDIR);
}

void make_read_only(const ChildReport& report, ChildStep step, const char* path) {
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  report.check(step, ::mount_setattr(AT_FDCWD, path, AT_RECURSIVE, &attributes, sizeof attributes));
}

void make_devices(const ChildPlan& plan, const ChildReport& report, const int* sources) {
  mount_point(report, ChildStep::dev, "/dev");
  report.check(ChildStep::dev, ::mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_STRICTATIME,
                                       "mode=755,size=65536k"));
  for (int i = 0; i < kNodeCount; ++i) {
    const auto& node = kNodes[i];
    if (plan.bind_devices) {
      const int file = report.check(ChildStep::device_nodes,
                                    ::open(node.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0), i);
      ::close(file);
      report.check(ChildStep::device_nodes,
                   ::move_mount(sources[i], "", AT_FDCWD, node.path, MOVE_MOUNT_F_EMPTY_PATH), i);
      ::close(sources[i]);
    } else {
      report.check(ChildStep::device_nodes,
                   ::mknod(node.path, S_IFCHR | node.mode, ::makedev(node.major, node.minor)), i);
    }
  }
  for (const auto& link : kLinks) {
    report.check(ChildStep::dev, ::symlink(link.target, link.path));
  }
  report.check(ChildStep::pts, ::mkdir("/dev/pts", 0755));
  report.check(ChildStep::pts, ::mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
                                       "newinstance,ptmxmode=0666,mode=0620,gid=5"));
  report.check(ChildStep::shm, ::mkdir("/dev/shm", 0755));
  report.check(ChildStep::shm,
               ::mount("shm", "/dev/shm", "tmpfs", kPlain, "mode=1777,size=50%"));
  report.check(ChildStep::mqueue, ::mkdir("/dev/mqueue", 0755));
  if (::mount("mqueue", "/dev/mqueue", "mqueue", kPlain, nullptr) != 0 && errno != ENODEV) {
    report.fail(ChildStep::mqueue, errno);  // ENODEV: a kernel without message queues
  }
}

void mount_run(const ChildReport& report) {
  const auto is_directory = [](const char* path) {
    struct stat facts{};
    return ::lstat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
  };
  if (!is_directory("/run")) return;
  const bool lock = is_directory("/run/lock");
  report.check(ChildStep::run, ::mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV,
                                       "mode=755,size=20%"));
  if (!lock) return;
  // Debian's systemd gives up when this is no mount, and it may not mount it itself.
  report.check(ChildStep::run, ::mkdir("/run/lock", 01777));
  report.check(ChildStep::run,
               ::mount("tmpfs", "/run/lock", "tmpfs", kPlain, "mode=1777,size=5242880"));
}

void mount_cgroups(const ChildPlan& plan, const ChildReport& report) {
  constexpr const char* kTop = "/sys/fs/cgroup";
  if (plan.cgroup_mounts.empty()) return;
  const bool unified_only = plan.cgroup_mounts.front().directory == kTop;
  if (!unified_only) {
    report.check(ChildStep::cgroup_mounts,
                 ::mount("tmpfs", kTop, "tmpfs", kPlain, "mode=755,size=64k"));
    for (const auto& mount : plan.cgroup_mounts) {
      report.check(ChildStep::cgroup_mounts, ::mkdir(mount.directory.c_str(), 0755));
      for (const auto& alias : mount.aliases) {
        report.check(ChildStep::cgroup_mounts,
                     ::symlink(mount.options.c_str(), alias.c_str()));
      }
    }
  }
  const auto mount_all = [&](bool writable) {
    int index = 0;
    for (const auto& mount : plan.cgroup_mounts) {
      if (mount.writable == writable) {
        report.check(ChildStep::cgroup_mounts,
                     ::mount("cgroup", mount.directory.c_str(), mount.type.c_str(), kPlain,
                             mount.options.empty() ? nullptr : mount.options.c_str()),
                     index);
      }
      ++index;
    }
  };
  mount_all(false);
  // Root inside owns the files of its group, its limits among them: controllers are to be looked
  // at, only what limits nothing is to be written.
  // A v2 tree with nsdelegate guards its limits itself, and nothing is mounted at the top yet.
  if (!unified_only || !plan.cgroup_mounts.front().writable) {
    make_read_only(report, ChildStep::cgroup_mounts, kTop);
  }
  mount_all(true);
}

void hide(const ChildReport& report) {
  int index = 0;
  for (const char* const path : kMasked) {
    if (::mount("/dev/null", path, nullptr, MS_BIND, nullptr) != 0 && errno != ENOENT) {
      if (errno != ENOTDIR) report.fail(ChildStep::masks, errno, index);
      report.check(ChildStep::masks,
                   ::mount("tmpfs", path, "tmpfs", kPlain | MS_RDONLY, "size=0k,mode=555"), index);
    }
    ++index;
  }
  index = 0;
  for (const char* const path : kReadOnly) {
    if (::mount(path, path, nullptr, MS_BIND | MS_REC, nullptr) != 0) {
      if (errno != ENOENT) report.fail(ChildStep::read_only, errno, index);
    } else {
      make_read_only(report, ChildStep::read_only, path);
    }
    ++index;
  }
}

}  // namespace

int enter_root(const ChildPlan& plan, const ChildReport& report, int mounted_root) {
  report.check(ChildStep::private_mounts,
               ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
  int sources[kNodeCount] = {};
  if (plan.bind_devices) {
    for (int i = 0; i < kNodeCount; ++i) {
      sources[i] = report.check(
          ChildStep::device_nodes,
          ::open_tree(AT_FDCWD, kNodes[i].source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC), i);
    }
  }
  int views[kProcViewCount] = {};
  const int view_count = static_cast<int>(plan.proc_view.size());
  for (int i = 0; i < view_count; ++i) {
    views[i] = report.check(ChildStep::proc_view,
                            ::open_tree(AT_FDCWD, plan.proc_view[static_cast<std::size_t>(i)].c_str(),
                                        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC),
                            i);
  }
  const int old_root =
      report.check(ChildStep::root, ::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const auto attach = [&](int mount) {
    report.check(ChildStep::root, ::move_mount(mount, "", AT_FDCWD, plan.root.c_str(),
                                               MOVE_MOUNT_F_EMPTY_PATH));
    report.check(ChildStep::root, ::fchdir(mount));
    ::close(mount);
  };
  if (mounted_root >= 0) {
    attach(mounted_root);
  } else {
    report.check(ChildStep::root, ::chdir(plan.root.c_str()));
  }
  if (::syscall(SYS_pivot_root, ".", ".") != 0) {
    // Only a mount point can become the root (else EINVAL, or EBUSY on the old root's own file
    // system): make the directory one.
    const bool plain = errno == EINVAL || errno == EBUSY;
    if (!plain || mounted_root >= 0) report.fail(ChildStep::pivot, errno);
    attach(report.check(ChildStep::root,
                        ::open_tree(AT_FDCWD, plan.root.c_str(),
                                    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE)));
    report.check(ChildStep::pivot, static_cast<int>(::syscall(SYS_pivot_root, ".", ".")));
  }
  report.check(ChildStep::pivot, ::chdir("/"));

  const mode_t mask = ::umask(0);
  mount_point(report, ChildStep::proc, "/proc");
  report.check(ChildStep::proc, ::mount("proc", "/proc", "proc", kPlain, nullptr));
  for (int i = 0; i < view_count; ++i) {
    char place[64] = "/proc/";
    std::strncat(place, kProcViewFiles[i], sizeof place - sizeof "/proc/");
    report.check(ChildStep::proc_view,
                 ::move_mount(views[i], "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH), i);
    ::close(views[i]);
  }
  mount_point(report, ChildStep::sys, "/sys");
  report.check(ChildStep::sys, ::mount("sysfs", "/sys", "sysfs", kPlain | MS_RDONLY, nullptr));
  make_devices(plan, report, sources);
  mount_run(report);
  ::umask(mask);
  return old_root;
}

void finish_root(const ChildPlan& plan, const ChildReport& report, int old_root) {
  mount_cgroups(plan, report);
  hide(report);
  // The old root lies over the new one at "/"; it is reached through its descriptor.
  report.check(ChildStep::old_root, ::fchdir(old_root));
  report.check(ChildStep::old_root, ::umount2(".", MNT_DETACH));
  report.check(ChildStep::old_root, ::chdir("/"));
  ::close(old_root);
}

void raise_loopback(const ChildReport& report) {
  const int socket =
      report.check(ChildStep::loopback, ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP;
  report.check(ChildStep::loopback, ::ioctl(socket, SIOCSIFFLAGS, &request));
  ::close(socket);
}

}  // namespace twinhull::linux_backend
