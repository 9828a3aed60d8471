#include "backends/linux/process/identity.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backends/linux/cgroup/proc_stat.h"

namespace twinhull::linux_backend {

std::optional<ProcessRef> process_of(std::int32_t pid) {
  const auto stat = read_proc_stat(pid);
  if (!stat || stat->dead()) return std::nullopt;
  return ProcessRef{.pid = pid, .generation = stat->start_time};
}

bool is_live(const ProcessRef& process) { return process_of(process.pid) == process; }

UniqueFd open_process(const ProcessRef& process) {
  if (process.pid <= 0) return {};
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0U)));
  // The number may have been recycled before it was opened: the descriptor holds it now, so one
  // look decides.
  if (!fd || !is_live(process)) return {};
  return fd;
}

int signal_number(Signal signal) {
  switch (signal) {
    case Signal::hangup: return SIGHUP;
    case Signal::interrupt: return SIGINT;
    case Signal::kill: return SIGKILL;
    case Signal::terminate: return SIGTERM;
    case Signal::user1: return SIGUSR1;
    case Signal::user2: return SIGUSR2;
    case Signal::power_fail: return SIGPWR;
    case Signal::stop: return SIGSTOP;
    case Signal::resume: return SIGCONT;
  }
  return 0;
}

Instant instant_of_ticks(std::uint64_t ticks) {
  const auto per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  constexpr std::uint64_t kNanoseconds = 1000000000;
  const auto rest = ticks % per_second * kNanoseconds / per_second;
  return Instant(seconds(static_cast<std::int64_t>(ticks / per_second)) +
                 nanoseconds(static_cast<std::int64_t>(rest)));
}

}  // namespace twinhull::linux_backend
