// Disk I/O of containers between two samples, and who is the bottleneck (spec F4.30, F4.31).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/units.h"

namespace twinhull::tools::stat {

/// One running container at two moments.
struct IoSamples {
  CtId id;
  std::string name;             ///< may be empty
  std::uint64_t iolimit = 0;    ///< bytes/s, for reads and for writes by themselves; 0 = none
  std::uint64_t iopslimit = 0;  ///< operations/s, likewise
  std::uint32_t ioprio = 4;     ///< 0…7
  IoSample first;
  IoSample last;
};

/// What one container did in between.
struct IoFigures {
  CtId id;
  std::string name;
  std::uint64_t read = 0;        ///< bytes/s
  std::uint64_t written = 0;     ///< bytes/s
  std::uint64_t operations = 0;  ///< reads and writes a second
  /// Part of the time that its requests waited for its limits, in 1/100 %; where the kernel does
  /// not tell (Linux): std::nullopt.
  std::optional<std::uint64_t> throttled;
  bool at_limit = false;  ///< waits for its limit: told by the kernel, or by 95 % of a limit
  std::uint64_t iolimit = 0;
  std::uint64_t iopslimit = 0;
  std::uint32_t ioprio = 4;
  std::uint64_t share = 0;  ///< of all that the containers moved, in 1/100 %
};

/// The figures, who waits longest first, then who moves most. `length` > 0. Counters that went back
/// (the container was restarted in between) count from zero.
std::vector<IoFigures> io_figures(const std::vector<IoSamples>& samples, Duration length);

/// Who to look at.
struct Bottleneck {
  std::optional<CtId> id;  ///< none stands out: empty
  std::string text;        ///< one line in plain words, with the remedy
};
/// A container that waits for its own limit half of the time or more; else one that moves half or
/// more of what several move. Precondition: `figures` as io_figures() orders them.
Bottleneck find_bottleneck(const std::vector<IoFigures>& figures);

}  // namespace twinhull::tools::stat
