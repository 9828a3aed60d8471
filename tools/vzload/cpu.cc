// CPU demand: each worker burns its part of every slice and sleeps the rest. What it could not burn it
// owes, as a service has a queue: so it gets the smaller of its demand and its share.
#include <ctime>
#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "load.h"

namespace twinhull::load {
namespace {

constexpr double kSlice = 0.01;  // seconds; short against a 100 ms quota period
// Seconds of its demand that a worker owes at most: as long as the longest quota period, in which it may
// stand still, and long against scheduler ticks. More is dropped, and all of it at the end of a step.
constexpr double kBacklog = 1;

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

/// Or an hour, when that is earlier.
void sleep_until(double when) {
  const double left = std::min(when - steady_seconds(), 3600.0);
  if (left <= 0) return;
  timespec wait{};
  wait.tv_sec = static_cast<time_t>(left);
  wait.tv_nsec = static_cast<long>((left - static_cast<double>(wait.tv_sec)) * 1e9);
  nanosleep(&wait, nullptr);
}

void* work(void* argument) {
  const Worker& worker = *static_cast<Worker*>(argument);
  const double for_ever = std::numeric_limits<double>::infinity();
  const double ends = worker.ends > 0 ? worker.ends : for_ever;
  for (std::size_t step = 0; step < worker.percents->size(); ++step) {
    double step_start = worker.started, step_end = ends;
    if (worker.step_seconds > 0) {
      step_start += worker.step_seconds * static_cast<double>(step);
      step_end = std::min(ends, step_start + worker.step_seconds);
    }
    const unsigned percent = (*worker.percents)[step];
    if (percent >= 100) spin_until(step_end);
    // Slices follow each other by the clock; one that begins late is what the worker owes.
    double slice_start = step_start;
    while (steady_seconds() < step_end) {
      if (percent == 0) {
        sleep_until(step_end);
        continue;
      }
      slice_start = std::max(slice_start, steady_seconds() - kBacklog);
      burn(kSlice * percent / 100.0, step_end);
      slice_start += kSlice;
      sleep_until(std::min(slice_start, step_end));
    }
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
