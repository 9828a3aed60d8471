#include "backends/linux/process/seccomp_filter.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>

#include "backends/linux/errno_error.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

constexpr const char* kOperation = "processes.seccomp";

using Context = std::unique_ptr<void, decltype(&seccomp_release)>;

// Calls that act on the whole node, or whose namespaces do not exist. A capability alone does not
// guard them well enough, or guards what a container may have (CAP_DAC_READ_SEARCH opens any file
// of the disk by handle).
constexpr std::array kAlways = {
    SCMP_SYS(acct),            SCMP_SYS(add_key),          SCMP_SYS(bpf),
    SCMP_SYS(create_module),   SCMP_SYS(delete_module),    SCMP_SYS(finit_module),
    SCMP_SYS(get_kernel_syms), SCMP_SYS(init_module),      SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register), SCMP_SYS(io_uring_setup), SCMP_SYS(ioperm),
    SCMP_SYS(iopl),            SCMP_SYS(kexec_file_load),  SCMP_SYS(kexec_load),
    SCMP_SYS(keyctl),          SCMP_SYS(lookup_dcookie),   SCMP_SYS(nfsservctl),
    SCMP_SYS(open_by_handle_at), SCMP_SYS(perf_event_open), SCMP_SYS(query_module),
    SCMP_SYS(quotactl),        SCMP_SYS(quotactl_fd),      SCMP_SYS(request_key),
    SCMP_SYS(swapoff),         SCMP_SYS(swapon),           SCMP_SYS(syslog),
    SCMP_SYS(uselib),          SCMP_SYS(userfaultfd),      SCMP_SYS(vm86),
    SCMP_SYS(vm86old),
};

// Doors to kernel code that a container without CAP_SYS_ADMIN could reach through a user
// namespace of its own.
constexpr std::array kWithoutAdmin = {
    SCMP_SYS(fsconfig),   SCMP_SYS(fsmount),   SCMP_SYS(fsopen),        SCMP_SYS(fspick),
    SCMP_SYS(mount),      SCMP_SYS(move_mount), SCMP_SYS(mount_setattr), SCMP_SYS(open_tree),
    SCMP_SYS(pivot_root), SCMP_SYS(setns),     SCMP_SYS(umount),        SCMP_SYS(umount2),
};

constexpr std::array kClock = {
    SCMP_SYS(clock_settime), SCMP_SYS(clock_settime64), SCMP_SYS(settimeofday), SCMP_SYS(stime),
};

bool has(CapabilitySet capabilities, unsigned bit) {
  return (capabilities.mask >> bit & 1U) != 0;
}

/// libseccomp's functions answer with a negative errno.
class Rules {
 public:
  explicit Rules(scmp_filter_ctx context) : context_(context) {}

  void refuse(int call, int number = EPERM) {
    note(seccomp_rule_add(context_, SCMP_ACT_ERRNO(static_cast<std::uint32_t>(number)), call, 0));
  }
  void refuse_flags(int call, unsigned argument, std::uint64_t flags) {
    const scmp_arg_cmp test{.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = flags,
                            .datum_b = flags};
    note(seccomp_rule_add_array(context_, SCMP_ACT_ERRNO(EPERM), call, 1, &test));
  }
  /// The kernel looks at the low half of a request only.
  void refuse_ioctl(std::uint64_t request, int number) {
    const scmp_arg_cmp test{.arg = 1, .op = SCMP_CMP_MASKED_EQ, .datum_a = 0xffffffff,
                            .datum_b = request};
    note(seccomp_rule_add_array(context_, SCMP_ACT_ERRNO(static_cast<std::uint32_t>(number)),
                                SCMP_SYS(ioctl), 1, &test));
  }
  void note(int result) {
    // A call that an architecture does not have needs no rule there.
    if (result < 0 && result != -EDOM && first_ == 0) first_ = -result;
  }
  [[nodiscard]] int error() const { return first_; }

 private:
  scmp_filter_ctx context_;
  int first_ = 0;
};

/// Numbers above the last call that this release was built with: as if the kernel had none.
/// libseccomp cannot compare numbers, so these instructions are put before its program.
std::vector<sock_filter> unknown_calls_prologue() {
#ifdef __NR_set_mempolicy_home_node
  constexpr std::uint32_t kLastKnown = __NR_set_mempolicy_home_node;
#else
  constexpr std::uint32_t kLastKnown = __NR_futex_waitv;
#endif
  constexpr std::uint32_t kX32 = 0x40000000;
  return {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32, 2, 0),  // left to libseccomp's own check
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, kLastKnown, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
  };
}

Result<std::vector<sock_filter>> exported(scmp_filter_ctx context) {
  const UniqueFd file(::memfd_create("seccomp", MFD_CLOEXEC));
  if (!file) return system_error(kOperation, "seccomp filter", errno);
  if (const int result = seccomp_export_bpf(context, file.get()); result < 0) {
    return system_error(kOperation, "seccomp filter", -result, "libseccomp cannot make it");
  }
  const off_t size = ::lseek(file.get(), 0, SEEK_END);
  auto filter = unknown_calls_prologue();
  const std::size_t own = filter.size();
  const auto bytes = static_cast<std::size_t>(size);
  filter.resize(own + bytes / sizeof(sock_filter));
  if (::pread(file.get(), filter.data() + own, bytes, 0) != size) {
    return system_error(kOperation, "seccomp filter", errno, "cannot read it back");
  }
  return filter;
}

}  // namespace

Result<std::vector<sock_filter>> make_seccomp_filter(CapabilitySet capabilities, bool own_users) {
  const Context context(seccomp_init(SCMP_ACT_ALLOW), &seccomp_release);
  if (!context) {
    return fail(ErrorCode::no_memory, kOperation, "seccomp filter", "libseccomp has no memory");
  }
  Rules rules(context.get());
#if defined(__x86_64__)
  rules.note(seccomp_arch_add(context.get(), SCMP_ARCH_X86));
#endif
  rules.note(seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)));
  for (const int call : kAlways) rules.refuse(call);
  if (!has(capabilities, CAP_SYS_TIME)) {
    for (const int call : kClock) rules.refuse(call);
  }
  if (!has(capabilities, CAP_SYS_ADMIN)) {
    for (const int call : kWithoutAdmin) rules.refuse(call);
    rules.refuse_flags(SCMP_SYS(unshare), 0, CLONE_NEWUSER);
#if defined(__s390__)
    constexpr unsigned kCloneFlags = 1;
#else
    constexpr unsigned kCloneFlags = 0;
#endif
    rules.refuse_flags(SCMP_SYS(clone), kCloneFlags, CLONE_NEWUSER);
    rules.refuse(SCMP_SYS(clone3), ENOSYS);
  }
  // Pushing characters into a terminal that is shared with the node (TIOCSTI, TIOCLINUX).
  for (const unsigned long request : {0x5412UL, 0x541cUL}) rules.refuse_ioctl(request, EPERM);
  if (!own_users) {
    for (const unsigned long request : {FS_IOC_FSSETXATTR, FS_IOC_SETFLAGS, FS_IOC32_SETFLAGS}) {
      rules.refuse_ioctl(request, EOPNOTSUPP);
    }
  }
  if (rules.error() != 0) {
    return system_error(kOperation, "seccomp filter", rules.error(), "libseccomp refuses a rule");
  }
  return exported(context.get());
}

}  // namespace twinhull::linux_backend
