#include <linux/capability.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backends/linux/process/child_parts.h"

namespace twinhull::linux_backend {

void set_limits(const ChildPlan& plan, const ChildReport& report) {
  for (const auto& limit : plan.limits) {
    report.check(ChildStep::limits, static_cast<int>(::syscall(SYS_prlimit64, 0, limit.resource,
                                                               &limit.value, nullptr)),
                 limit.resource);
  }
}

void drop_privileges(const ChildPlan& plan, const ChildReport& report) {
  if (plan.restrict_capabilities) {
    for (int bit = 0; bit <= plan.last_capability; ++bit) {
      if ((plan.capabilities >> bit & 1U) != 0) continue;
      report.check(ChildStep::bounding_set, ::prctl(PR_CAPBSET_DROP, bit, 0, 0, 0), bit);
    }
    report.check(ChildStep::bounding_set,
                 ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
  }
  // Before CAP_SYS_ADMIN goes: without it a filter needs no_new_privs, and then no setuid program
  // (su, sudo, passwd) would work inside.
  if (!plan.filter.empty()) {
    const sock_fprog program{.len = static_cast<unsigned short>(plan.filter.size()),
                             .filter = const_cast<sock_filter*>(plan.filter.data())};
    report.check(ChildStep::seccomp, static_cast<int>(::syscall(SYS_seccomp,
                                                                SECCOMP_SET_MODE_FILTER, 0,
                                                                &program)));
  }
  if (plan.restrict_capabilities) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct now[2] = {};
    report.check(ChildStep::capabilities,
                 static_cast<int>(::syscall(SYS_capget, &header, now)));
    // Inheritable stays empty: root does not need it, and a set that survives a change of user
    // would give programs with inheritable file capabilities to everybody (CVE-2022-24769).
    __user_cap_data_struct wanted[2] = {};
    const auto low = static_cast<__u32>(plan.capabilities);
    const auto high = static_cast<__u32>(plan.capabilities >> 32);
    wanted[0].permitted = wanted[0].effective = low & now[0].permitted;
    wanted[1].permitted = wanted[1].effective = high & now[1].permitted;
    report.check(ChildStep::capabilities,
                 static_cast<int>(::syscall(SYS_capset, &header, wanted)));
  }
}

void reset_signals() {
  struct sigaction plain{};
  plain.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) {
    if (number == SIGKILL || number == SIGSTOP) continue;
    // The C library keeps two numbers for itself and refuses them; that is no failure.
    ::sigaction(number, &plain, nullptr);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace twinhull::linux_backend
