// What this kernel offers to processes.
#include <fmt/format.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "backends/linux/process/processes.h"
#include "backends/linux/process/small_file.h"

namespace twinhull::linux_backend {
namespace {

bool has_effective(unsigned bit) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[2] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return false;
  return (data[bit / 32].effective >> (bit % 32) & 1U) != 0;
}

Support containers() {
  for (const char* const name : {"pid", "mnt", "net", "ipc", "uts", "cgroup"}) {
    if (::access(fmt::format("/proc/self/ns/{}", name).c_str(), F_OK) != 0) {
      return {false, fmt::format("this kernel has no {} namespaces", name)};
    }
  }
  if (!has_effective(CAP_SYS_ADMIN)) return {false, "root lacks CAP_SYS_ADMIN here"};
  // mount_setattr came with 5.12, the youngest call that the launcher needs.
  if (::syscall(SYS_mount_setattr, -1, nullptr, 0U, nullptr, std::size_t{0}) != 0 &&
      errno == ENOSYS) {
    return {false, "this kernel is older than Linux 5.12 (no mount_setattr)"};
  }
  return {true, "clone3, pidfd, pivot_root and cgroup namespaces"};
}

Support seccomp() {
  // A filter without a program: a kernel that has filters says EFAULT.
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, nullptr, 0, 0) != 0 && errno == EFAULT) {
    return {true, "seccomp filters"};
  }
  return {false, "this kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)"};
}

Support user_namespace() {
  if (::access("/proc/self/ns/user", F_OK) != 0) {
    return {false, "this kernel has no user namespaces (CONFIG_USER_NS)"};
  }
  const auto most = read_small_file("/proc/sys/user/max_user_namespaces");
  if (most && most->starts_with("0\n")) {
    return {false, "/proc/sys/user/max_user_namespaces is 0"};
  }
  return {true, "user namespaces; the root must belong to the mapped users or be on a file system "
                "with idmapped mounts"};
}

}  // namespace

Support process_support(Feature feature) {
  switch (feature) {
    case Feature::containers: return containers();
    case Feature::seccomp: return seccomp();
    case Feature::user_namespace: return user_namespace();
    default: break;
  }
  if (has_effective(CAP_SYS_RESOURCE)) return {true, "CAP_SYS_RESOURCE"};
  return {false, "root lacks CAP_SYS_RESOURCE here: hard limits cannot be raised"};
}

}  // namespace twinhull::linux_backend
