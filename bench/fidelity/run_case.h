// Runs a case on one kernel through the seam: the same calls on both.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "bench/fidelity/cases.h"
#include "runtime/kernel/kernel.h"
#include "runtime/kernel/result.h"

namespace twinhull::fidelity {

/// Where cases run.
struct Bed {
  Kernel& kernel;
  std::string root;  ///< mounted root directory with /usr/bin/vzload
  std::string disk;  ///< a path on the disk that holds what is written below `root`
  /// Called with true when all loads of a CPU case run and before they are measured, with false
  /// afterwards: keeps the rest of a machine away meanwhile.
  std::function<Status(bool)> measuring;
};

/// What the accounts of one group say of the time that was measured.
struct CpuFigures {
  double usage = 0;              ///< CPUs: CPU time over time
  double throttled_periods = 0;  ///< part of the periods that passed
  double throttled_time = 0;     ///< queue time standing still over the length of these periods
  std::uint64_t periods = 0;
};
/// By path of the group; groups without a load of their own too.
using CpuOutcome = std::map<std::string, CpuFigures>;

/// Settles, then samples twice with `length` between. Everything made is removed again.
Result<CpuOutcome> run_cpu_case(const Bed& bed, const Case& plan, Duration settle, Duration length);

struct MemoryOutcome {
  std::uint64_t survives = 0;  ///< bytes: the largest growth that was not killed, if looked for
  std::string dead;            ///< labels of the steps killed by the kernel, in the order of the steps
  std::uint64_t oom_kills = 0;
};
Result<MemoryOutcome> run_memory_case(const Bed& bed, const Case& plan);

/// What the loads of one group moved in one direction, as they report it.
struct IoFigures {
  double bytes = 0;       ///< a second
  double operations = 0;  ///< a second
};
/// By path of the group, and whether it read.
using IoOutcome = std::map<std::pair<std::string, bool>, IoFigures>;

/// All loads run for `length`. Errors: not_supported (the kernel lacks the limit or the weight).
Result<IoOutcome> run_io_case(const Bed& bed, const Case& plan, Duration length);

/// Seconds that the growth took more than the same growth without a bound. Errors: not_supported (no soft bound that slows down).
Result<double> run_slow_down_case(const Bed& bed, const Case& plan);

}  // namespace twinhull::fidelity
