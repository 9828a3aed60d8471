// The program criu: where it is, what it can do here, why it failed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/linux/linux_kernel.h"
#include "backends/linux/run_tool.h"
#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/host.h"

namespace twinhull::linux_backend {

/// NodeOptions::criu, or the first of: /usr/local/lib/twinhull/criu/usr/sbin/criu (where
/// `ci/bootstrap --criu` puts one), criu in the system's directories. Empty when there is none.
std::string find_criu(const NodeOptions& options);

/// What `criu check`, and for dirty_tracking and lazy_pages its feature tests, say on this machine. Asked
/// once a process; what the latest runs took (checkpoint) is read each time.
Support criu_support(const NodeOptions& options, Feature feature);

/// Number of a version, such as {4, 2}.
using CriuVersion = std::pair<int, int>;

/// What `criu --version` said; std::nullopt when no number is in it.
std::optional<CriuVersion> parse_criu_version(std::string_view output);

/// Version of find_criu()'s program. Asked once a process. Errors: not_supported (it does not say), those of
/// run_tool.
Result<CriuVersion> criu_version(const NodeOptions& options, std::string_view operation);

/// The line of a log that tells why criu gave up, without its time and place in the source; empty
/// when there is none. Complaints that criu makes anyway (about limits, and iptables programs that
/// a node with nftables lacks) are passed over.
std::string cause_in_log(std::string_view log);

/// What kind of refusal a cause is.
ErrorCode code_of_cause(std::string_view cause, bool dump);

/// Numbers that `--display-stats` printed. Pages, freezing and frozen are filled in.
DumpResult parse_dump_stats(std::string_view output);
/// Pages restored.
Pages parse_restored_pages(std::string_view output);

/// Runs criu with the arguments; its log goes to images/`log`, and after a failure to
/// RUN_DIRECTORY/criu-`log` too. Errors: as the cause says, with the log's place; no_space when the disk of the images is full.
Result<std::string> run_criu(const NodeOptions& options, std::vector<std::string> arguments,
                             const std::string& images, const std::string& log,
                             std::string_view operation, const std::string& object);

/// The same, beside its caller: its outcome is its caller's to judge.
Result<RunningTool> start_criu(const NodeOptions& options, std::vector<std::string> arguments,
                               const std::string& images, const std::string& log,
                               std::string_view operation);

/// Why a criu that ended so failed, by its `log` in `images` and by what it said.
Error criu_failure(const NodeOptions& options, const ToolOutcome& outcome,
                   const std::string& images, const std::string& log, std::string_view operation,
                   const std::string& object);

}  // namespace twinhull::linux_backend
