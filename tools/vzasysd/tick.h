// One look of vzasysd at all containers.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/container/context.h"

namespace twinhull::tools::asys {

/// One container under burst control, after the look.
struct Observed {
  CtId id;
  std::string name;                      ///< may be empty
  std::optional<std::uint64_t> average;  ///< 1/100 % of `reference`; until the window is full: none
  std::uint64_t reference = 0;           ///< % of one CPU: the CPU limit, or the node
  std::uint64_t threshold = 0;           ///< BURST_CPU_AVG_USAGE, %
  std::uint64_t burst_limit = 0;         ///< BURST_CPULIMIT, % of one CPU
  bool imposed = false;
  bool changed = false;  ///< by this look
};

struct TickReport {
  std::vector<Observed> containers;  ///< ascending
  bool failed = false;               ///< a container could not be looked at or changed: was told
};

/// Reads the CPU time of every running container under burst control, keeps the readings in the
/// state file and imposes or takes back burst limits, each under its container's lock. A container
/// that another command holds waits for the next look. Readings are saved before anything is
/// changed: what a crash loses is decided again. Errors: those of the node as a whole; what
/// concerns one container is told and the others still get their turn.
Result<TickReport> tick(container::Context& context, Duration window);

}  // namespace twinhull::tools::asys
