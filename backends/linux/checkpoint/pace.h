// How fast criu works on this node: what its latest runs took.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backends/linux/linux_kernel.h"
#include "runtime/kernel/host.h"

namespace twinhull::linux_backend {

enum class EngineWork { dump, restore };

/// Oldest first.
struct LatestRuns {
  std::vector<EngineRun> dumps, restores;
  bool operator==(const LatestRuns&) const = default;
};

/// Keeps what a run has taken in RUN_DIRECTORY/criu-pace, with the four before it of its kind. Best effort:
/// nothing but predictions depends on it.
void note_run(const NodeOptions& options, EngineWork work, const EngineRun& run);

/// Of each kind the run that took neither long nor short among the latest; `look` is not filled in.
EnginePace pace_of(const NodeOptions& options);

/// The runs of `runs` in the middle: half of the others took longer.
EnginePace middle_of(const LatestRuns& runs);

/// The text of that file, and back: a line that cannot be read counts as absent.
std::string runs_text(const LatestRuns& runs);
LatestRuns parse_runs(std::string_view text);

}  // namespace twinhull::linux_backend
