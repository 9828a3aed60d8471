#include "backends/linux/host/clock.h"

#include <time.h>

#include <algorithm>
#include <cerrno>

#include "backends/linux/errno_error.h"
#include "backends/linux/stop.h"

namespace twinhull::linux_backend {
namespace {

Duration read_clock(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);  // cannot fail for a clock that the kernel has
  return seconds(now.tv_sec) + nanoseconds(now.tv_nsec);
}

class LinuxClock final : public Clock {
 public:
  explicit LinuxClock(const NodeOptions& options) : options_(options) {}

  Instant now() override { return Instant(read_clock(CLOCK_BOOTTIME)); }
  WallTime wall() override { return WallTime(read_clock(CLOCK_REALTIME)); }

  Status sleep(Duration length) override {
    const Instant end = now() + length;
    for (;;) {
      if (take_stop(options_)) {
        return fail(ErrorCode::interrupted, "clock.sleep", "node " + options_.name,
                    "a signal asked this command to stop");
      }
      const Duration left = end - now();
      if (left <= Duration::zero()) return {};
      const Duration slice = std::min(left, kStopPoll);
      const timespec wait{.tv_sec = 0, .tv_nsec = static_cast<long>(slice.count())};
      const int error = ::clock_nanosleep(CLOCK_BOOTTIME, 0, &wait, nullptr);
      if (error != 0 && error != EINTR) {
        return system_error("clock.sleep", "node " + options_.name, error);
      }
    }
  }

 private:
  const NodeOptions& options_;
};

}  // namespace

std::unique_ptr<Clock> make_clock(const NodeOptions& options) {
  return std::make_unique<LinuxClock>(options);
}

}  // namespace twinhull::linux_backend
