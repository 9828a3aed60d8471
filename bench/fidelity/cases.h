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

/// One `vzload` process of a memory case, and how long nothing else happens afterwards.
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

/// Whose bars a case is held to.
enum class Family : std::uint8_t { weights, limits, memory };

struct Case {
  std::string name;
  Family family = Family::weights;
  std::vector<std::uint32_t> cpus;  ///< all groups of the case together may use only these
  std::vector<GroupPlan> groups;
  MemoryPlan memory;
};

/// The cases chosen by hand: each asks one question. CPU cases use CPUs 0 and 1.
std::vector<Case> chosen_cpu_cases();
std::vector<Case> chosen_memory_cases();

/// Case `number` of the stream that `seed` begins: the same on every machine. Every third one has
/// weights only.
Case generated_cpu_case(std::uint64_t seed, unsigned number);

}  // namespace twinhull::fidelity
