#include <cerrno>
#include <ctime>

#include <algorithm>
#include <utility>

#include "load.h"

namespace twinhull::load {
namespace {

std::int64_t nanoseconds_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

double steady_seconds() { return static_cast<double>(nanoseconds_of(CLOCK_MONOTONIC)) / 1e9; }

void pace(std::uint64_t done, std::uint64_t rate, double started) {
  if (rate == 0) return;
  const double ahead =
      static_cast<double>(done) / static_cast<double>(rate) - (steady_seconds() - started);
  if (ahead <= 0) return;
  timespec wait{};
  wait.tv_sec = static_cast<time_t>(ahead);
  wait.tv_nsec = static_cast<long>((ahead - static_cast<double>(wait.tv_sec)) * 1e9);
  // Interrupted when the process is restored from a checkpoint.
  while (nanosleep(&wait, &wait) != 0 && errno == EINTR) {}
}

Report finish(std::string kind, std::uint64_t bytes, double started) {
  return {std::move(kind), nanoseconds_of(CLOCK_PROCESS_CPUTIME_ID), bytes,
          0, static_cast<std::int64_t>((steady_seconds() - started) * 1e9)};
}

std::string Report::json() const {
  return "{\"kind\":\"" + kind + "\",\"cpu_ns\":" + std::to_string(cpu_ns) +
         ",\"bytes\":" + std::to_string(bytes) + ",\"operations\":" + std::to_string(operations) +
         ",\"elapsed_ns\":" + std::to_string(elapsed_ns) +
         "}";
}

}  // namespace twinhull::load
