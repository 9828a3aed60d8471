// What the fidelity suite compares: one description of a case for both kernels.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/units.h"

namespace twinhull::fidelity {

/// One `vzload cpu` process.
struct LoadPlan {
  unsigned threads = 1;
  unsigned percent = 100;  ///< of one CPU, each thread; below 100 it sleeps for the rest of each 10 ms
};

/// One control group. `path` lies below the case's own group; parents stand before children.
struct GroupPlan {
  std::string path;
  std::uint64_t shares = 1024;
  std::optional<CpuQuota> quota;
  std::vector<std::uint32_t> cpus;  ///< empty = the parent's
  std::vector<LoadPlan> loads;
};

/// One `vzload` process of a memory case. The next one starts when it has ended, or memory has not changed
/// for `then`.
struct MemoryStep {
  std::string label;
  std::vector<std::string> arguments;
  Duration then{0};
};

struct MemoryPlan {
  Bytes limit;
  std::vector<MemoryStep> steps;
  /// After the steps: look for the largest growth that one more process survives.
  bool search = false;
};

/// One group of a disk case.
struct IoGroupPlan {
  std::string path;
  std::optional<IoLimit> limit;
  std::optional<IoWeight> weight;
};

/// One `vzload` process of a disk case: it moves a file of its own past the page cache all the time.
struct IoLoadPlan {
  std::string group;
  bool reads = false;    ///< or writes
  std::string block;     ///< bytes of one operation: "64K"
};

struct IoPlan {
  std::vector<IoGroupPlan> groups;
  std::vector<IoLoadPlan> loads;
};

/// How much longer a process takes to grow to `bytes` in a group with a soft bound.
struct SlowPlan {
  Bytes high;
  Bytes bytes;
};

/// Whose bars a case is held to.
enum class Family : std::uint8_t { weights, limits, memory, io_limits, io_shares, slow_down };

struct Case {
  std::string name;
  Family family = Family::weights;
  std::vector<std::uint32_t> cpus;  ///< all groups of the case together may use only these
  std::vector<GroupPlan> groups;
  MemoryPlan memory;
  IoPlan io;
  SlowPlan slow;
};

/// The cases chosen by hand: each asks one question. CPU cases use CPUs 0 and 1.
std::vector<Case> chosen_cpu_cases();
std::vector<Case> chosen_memory_cases();
/// Limits of bytes and operations, and shares by weight, on one disk.
std::vector<Case> chosen_io_cases();
std::vector<Case> chosen_slow_down_cases();

/// Case `number` of the stream that `seed` begins: the same on every machine. Every third one has
/// weights only.
Case generated_cpu_case(std::uint64_t seed, unsigned number);

/// Two to four groups with limits of bytes, of operations or of both.
Case generated_io_case(std::uint64_t seed, unsigned number);

}  // namespace twinhull::fidelity
