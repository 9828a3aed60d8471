// The program criu: where it is, what it can do here, why it failed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/linux/linux_kernel.h"
#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/host.h"

namespace twinhull::linux_backend {

/// NodeOptions::criu, or the first of: /usr/local/lib/twinhull/criu/usr/sbin/criu (where
/// `ci/bootstrap --criu` puts one), criu in the system's directories. Empty when there is none.
std::string find_criu(const NodeOptions& options);

/// What `criu check`, and for dirty_tracking its feature test, say on this machine. Asked once a
/// process.
Support criu_support(const NodeOptions& options, Feature feature);

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

}  // namespace twinhull::linux_backend
