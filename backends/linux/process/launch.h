// Birth and end of child processes, on the parent's side.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "backends/linux/process/child_plan.h"
#include "backends/linux/unique_fd.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// A child that follows its plan and waits for go.
struct Launched {
  pid_t pid = 0;     ///< as the caller's PID namespace counts
  UniqueFd pidfd;
  UniqueFd control;  ///< the parent's end
};

/// Clones a child with clone3(2) and CLONE_* `flags`. It dies with the calling thread until it
/// executes its program. `plan` must stay as it is until then. The child is invisible to wait(2)
/// without __WALL and sends no SIGCHLD: the program that calls may have children of its own.
/// Errors: limit_exceeded (pids), no_memory, not_supported.
Result<Launched> launch(const ChildPlan& plan, std::uint64_t flags, std::string_view operation,
                        const std::string& object);

/// Error for a child's report. `names` are the directories of its groups' doors.
Error child_error(const ControlMessage& message, const ChildPlan& plan, std::string_view operation,
                  const std::string& object);

/// How a child ended if it has, taken from the kernel; std::nullopt when it lives, or is no child
/// of ours.
std::optional<ExitStatus> reap(int pidfd);
/// SIGKILL, and wait for the end.
void kill_and_reap(int pidfd);
/// A wait(2) status as an ExitStatus.
ExitStatus from_wait_status(int status);

/// Fills a program: argv[0] without '/' is looked up along PATH of `environment`, or along the usual
/// directories when it has none. The environment is passed on as it is.
Program make_program(const std::vector<std::string>& argv,
                     const std::vector<EnvironmentVariable>& environment,
                     const std::string& directory);
/// Adds a variable unless the program has it.
void add_default(Program& program, const std::string& name, const std::string& value);

}  // namespace twinhull::linux_backend
