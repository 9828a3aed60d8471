#include "backends/linux/process/seccomp_filter.h"

#include <asm/unistd.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

using namespace twinhull;
using namespace twinhull::linux_backend;

namespace {

constexpr std::uint64_t bit(unsigned number) {
  return std::uint64_t{1} << number;
}

/// Runs a classic BPF program over a call as the kernel does (Documentation/networking/filter).
std::uint32_t interpret(const std::vector<sock_filter>& filter, const seccomp_data& call) {
  std::uint32_t accumulator = 0;
  for (std::size_t at = 0; at < filter.size(); ++at) {
    const auto& now = filter[at];
    const auto jump = [&](bool taken) { at += taken ? now.jt : now.jf; };
    switch (now.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        BOOST_REQUIRE(now.k + 4 <= sizeof call);
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&call) + now.k, 4);
        break;
      case BPF_ALU | BPF_AND | BPF_K: accumulator &= now.k; break;
      case BPF_JMP | BPF_JA: at += now.k; break;
      case BPF_JMP | BPF_JEQ | BPF_K: jump(accumulator == now.k); break;
      case BPF_JMP | BPF_JGT | BPF_K: jump(accumulator > now.k); break;
      case BPF_JMP | BPF_JGE | BPF_K: jump(accumulator >= now.k); break;
      case BPF_RET | BPF_K: return now.k;
      default: BOOST_FAIL("unexpected instruction " << now.code);
    }
  }
  BOOST_FAIL("the program has no end");
  return 0;
}

std::uint32_t ask(std::uint64_t capabilities, int number, std::uint64_t first = 0,
                  std::uint32_t architecture = AUDIT_ARCH_X86_64, std::uint64_t second = 0,
                  bool own_users = false) {
  static std::vector<sock_filter> filter;
  static std::pair<std::uint64_t, bool> made_for{~std::uint64_t{0}, false};
  if (made_for != std::pair(capabilities, own_users)) {
    auto made = make_seccomp_filter({capabilities}, own_users);
    BOOST_REQUIRE_MESSAGE(made, (made ? "" : made.error().message()));
    filter = *made;
    made_for = {capabilities, own_users};
  }
  seccomp_data call{};
  call.nr = number;
  call.arch = architecture;
  call.args[0] = first;
  call.args[1] = second;
  return interpret(filter, call);
}

constexpr std::uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr std::uint32_t errno_answer(std::uint32_t number) {
  return SECCOMP_RET_ERRNO | number;
}

}  // namespace

#if defined(__x86_64__)

BOOST_AUTO_TEST_SUITE(seccomp_profile)

BOOST_AUTO_TEST_CASE(ordinary_calls_pass) {
  for (const int call :
       {__NR_read, __NR_openat, __NR_execve, __NR_clone, __NR_reboot, __NR_sethostname, __NR_ptrace,
        __NR_mknod, __NR_chroot, __NR_capset, __NR_close_range, __NR_modify_ldt}) {
    BOOST_TEST(ask(0, call) == kAllow, call);
  }
}

BOOST_AUTO_TEST_CASE(calls_against_the_node_are_refused_whatever_the_capabilities) {
  for (const std::uint64_t mask : {std::uint64_t{0}, ~std::uint64_t{0} >> 1}) {
    for (const int call : {__NR_kexec_load, __NR_init_module, __NR_finit_module, __NR_swapon,
                           __NR_open_by_handle_at, __NR_bpf, __NR_perf_event_open, __NR_keyctl,
                           __NR_iopl, __NR_syslog, __NR_userfaultfd, __NR_acct}) {
      BOOST_TEST(ask(mask, call) == errno_answer(EPERM), call);
    }
  }
}

BOOST_AUTO_TEST_CASE(mounts_and_namespaces_need_sys_admin) {
  const auto admin = bit(CAP_SYS_ADMIN);
  for (const int call : {__NR_mount, __NR_umount2, __NR_pivot_root, __NR_setns, __NR_fsopen,
                         __NR_move_mount, __NR_open_tree}) {
    BOOST_TEST(ask(0, call) == errno_answer(EPERM), call);
    BOOST_TEST(ask(admin, call) == kAllow, call);
  }
  BOOST_TEST(ask(0, __NR_unshare, CLONE_NEWUSER | CLONE_NEWNS) == errno_answer(EPERM));
  BOOST_TEST(ask(0, __NR_unshare, CLONE_NEWNS) == kAllow);  // the capability decides that one
  BOOST_TEST(ask(0, __NR_clone, CLONE_NEWUSER | 17) == errno_answer(EPERM));
  BOOST_TEST(ask(0, __NR_clone, 17) == kAllow);
  BOOST_TEST(ask(0, __NR_clone3) == errno_answer(ENOSYS));  // C libraries fall back to clone
  BOOST_TEST(ask(admin, __NR_clone3) == kAllow);
  BOOST_TEST(ask(admin, __NR_unshare, CLONE_NEWUSER) == kAllow);
}

BOOST_AUTO_TEST_CASE(the_clock_needs_sys_time) {
  BOOST_TEST(ask(0, __NR_clock_settime) == errno_answer(EPERM));
  BOOST_TEST(ask(bit(CAP_SYS_TIME), __NR_clock_settime) == kAllow);
  BOOST_TEST(ask(0, __NR_clock_gettime) == kAllow);
}

BOOST_AUTO_TEST_CASE(characters_cannot_be_pushed_into_a_terminal) {
  BOOST_TEST(ask(0, __NR_ioctl, 0, AUDIT_ARCH_X86_64, 0x5412) == errno_answer(EPERM));
  // The kernel looks at the low half of a request only.
  BOOST_TEST(ask(0, __NR_ioctl, 0, AUDIT_ARCH_X86_64, 0x100005412) == errno_answer(EPERM));
  BOOST_TEST(ask(0, __NR_ioctl, 0, AUDIT_ARCH_X86_64, 0x5413) == kAllow);
}

BOOST_AUTO_TEST_CASE(projects_of_files_stay_where_root_is_the_nodes) {
  const auto ioctl = [](std::uint64_t request, bool own_users) {
    return ask(~std::uint64_t{0} >> 1, __NR_ioctl, 0, AUDIT_ARCH_X86_64, request, own_users);
  };
  for (const std::uint64_t request :
       {std::uint64_t{FS_IOC_FSSETXATTR}, std::uint64_t{FS_IOC_SETFLAGS},
        std::uint64_t{FS_IOC32_SETFLAGS}}) {
    BOOST_TEST(ioctl(request, false) == errno_answer(EOPNOTSUPP), request);
    BOOST_TEST(ioctl(request | std::uint64_t{1} << 32U, false) == errno_answer(EOPNOTSUPP));
    BOOST_TEST(ioctl(request, true) == kAllow, request);
  }
  for (const std::uint64_t request :
       {std::uint64_t{FS_IOC_FSGETXATTR}, std::uint64_t{FS_IOC_GETFLAGS}}) {
    BOOST_TEST(ioctl(request, false) == kAllow, request);
  }
  BOOST_TEST(ask(0, __NR_quotactl_fd) == errno_answer(EPERM));
}

BOOST_AUTO_TEST_CASE(numbers_and_architectures_that_are_not_known_do_not_exist) {
  BOOST_TEST(ask(0, 1000) == errno_answer(ENOSYS));
  BOOST_TEST(ask(0, __NR_read, 0, AUDIT_ARCH_ARM) == errno_answer(ENOSYS));
  BOOST_TEST(ask(0, __NR_read | 0x40000000) != kAllow);  // x32
  constexpr int kI386Mount = 21, kI386Read = 3;
  BOOST_TEST(ask(0, kI386Mount, 0, AUDIT_ARCH_I386) == errno_answer(EPERM));
  BOOST_TEST(ask(0, kI386Read, 0, AUDIT_ARCH_I386) == kAllow);
}

BOOST_AUTO_TEST_SUITE_END()

#endif
