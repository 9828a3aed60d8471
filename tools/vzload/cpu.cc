// CPU demand: each worker burns its part of every slice and sleeps the rest.
#include <ctime>
#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "load.h"

namespace twinhull::load {
namespace {

constexpr double kSlice = 0.01;  // seconds; short against a 100 ms quota period

struct Worker {
  const std::vector<unsigned>* percents = nullptr;  ///< of one CPU, one a step
  double step_seconds = 0;                          ///< 0 = the first value for ever
  double started = 0;
  double ends = 0;  ///< 0 = never
};

void spin_until(double when) {
  volatile std::uint64_t sink = 0;
  while (steady_seconds() < when)
    for (int i = 0; i < 2000; ++i) sink = sink + 1;
}

double thread_cpu_seconds() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

/// Burns CPU time, not time on the clock: a worker that had to wait still gets what it asks for,
/// until `when`.
void burn(double cpu_seconds, double when) {
  volatile std::uint64_t sink = 0;
  const double enough = thread_cpu_seconds() + cpu_seconds;
  while (thread_cpu_seconds() < enough && steady_seconds() < when)
    for (int i = 0; i < 2000; ++i) sink = sink + 1;
}

void sleep_until(double when) {
  const double left = when - steady_seconds();
  if (left <= 0) return;
  timespec wait{};
  wait.tv_sec = static_cast<time_t>(left);
  wait.tv_nsec = static_cast<long>((left - static_cast<double>(wait.tv_sec)) * 1e9);
  nanosleep(&wait, nullptr);
}

void* work(void* argument) {
  const Worker& worker = *static_cast<Worker*>(argument);
  double slice_start = worker.started;
  while (worker.ends == 0 || slice_start < worker.ends) {
    std::size_t step = 0;
    if (worker.step_seconds > 0)
      step = static_cast<std::size_t>((slice_start - worker.started) / worker.step_seconds);
    if (step >= worker.percents->size()) break;
    const double slice_end = slice_start + kSlice;
    const unsigned percent = (*worker.percents)[step];
    if (percent >= 100) {
      spin_until(slice_end);
    } else {
      burn(kSlice * percent / 100.0, slice_end);
      sleep_until(slice_end);
    }
    // A worker that was throttled does not catch up: demand is per time, not a backlog.
    slice_start = std::max(slice_end, steady_seconds() - kSlice);
  }
  return nullptr;
}

Outcome run_workers(const std::vector<std::vector<unsigned>>& plans, double step_seconds,
                    double ends_after, const char* kind) {
  const double started = steady_seconds();
  std::vector<Worker> workers;
  for (const auto& plan : plans)
    workers.push_back({&plan, step_seconds, started, ends_after > 0 ? started + ends_after : 0});
  std::vector<pthread_t> threads;
  std::string refusal;
  for (std::size_t i = 1; i < workers.size() && refusal.empty(); ++i) {
    pthread_t thread{};
    const int error = pthread_create(&thread, nullptr, work, &workers[i]);
    if (error != 0)
      refusal = "cannot start thread " + std::to_string(i + 1) + ": " + std::strerror(error);
    else
      threads.push_back(thread);
  }
  if (refusal.empty() && !workers.empty()) work(&workers[0]);
  if (!refusal.empty()) return std::unexpected(refusal);
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
  return finish(kind, 0, started);
}

}  // namespace

Outcome run_cpu(const CpuLoad& load) {
  const std::vector<std::vector<unsigned>> plans(load.threads, {load.percent});
  return run_workers(plans, 0, load.seconds.value_or(0), "cpu");
}

Outcome run_trace(const TraceLoad& load) {
  // Demand of p % of n CPUs: full workers first, the rest on the next one.
  std::vector<std::vector<unsigned>> plans(load.cpus);
  for (const unsigned percent : load.percents) {
    unsigned left = percent * load.cpus;
    for (auto& plan : plans) {
      const unsigned part = std::min(left, 100U);
      plan.push_back(part);
      left -= part;
    }
  }
  return run_workers(plans, load.interval,
                     load.interval * static_cast<double>(load.percents.size()), "trace");
}

}  // namespace twinhull::load
