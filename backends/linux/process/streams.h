// The parent's part while a program runs: feeds it, collects from it, waits for its end.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "backends/linux/linux_kernel.h"
#include "backends/linux/process/launch.h"
#include "backends/linux/unique_fd.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Pipes of a program's standard streams under Streams::capture.
struct CapturePipes {
  std::array<UniqueFd, 3> childs;  ///< what the program gets as 0, 1 and 2
  UniqueFd input, output, error;   ///< the parent's ends
};
/// Errors: limit_exceeded (descriptors).
Result<CapturePipes> make_capture_pipes(std::string_view operation, const std::string& object);

/// Size of the terminal on standard input or output; zeros when there is none.
struct TerminalSize {
  unsigned short rows = 0, columns = 0;
  bool operator==(const TerminalSize&) const = default;
};
TerminalSize terminal_size();

/// Lets a launched program go and waits for its end.
class ProgramRun {
 public:
  /// `status_pipe` brings the wait status of a program under an inner init; empty = it is the
  /// child itself. The caller has closed the child's ends in `pipes`.
  ProgramRun(const NodeOptions& options, const ExecSpec& spec, const ChildPlan& plan,
             Launched& child, CapturePipes& pipes, UniqueFd status_pipe)
      : options_(options), spec_(spec), plan_(plan), child_(child), pipes_(pipes),
        status_pipe_(std::move(status_pipe)) {}

  /// Errors: timed_out, interrupted (the program and what it started were killed), and what kept
  /// the child from executing its program.
  Result<ExecOutcome> run(std::string_view operation, const std::string& object);

 private:
  Result<bool> wait_once();
  Status on_control();
  void on_output(UniqueFd& from, std::string& to);
  void on_input();
  void on_master();
  void on_keyboard();
  void pass_keys_on();
  void follow_terminal_size();
  Status on_stop();
  Result<ExitStatus> status_of_end();
  Error killed(ErrorCode code, const std::string& why);
  [[nodiscard]] int timeout_ms() const;

  const NodeOptions& options_;
  const ExecSpec& spec_;
  const ChildPlan& plan_;
  Launched& child_;
  CapturePipes& pipes_;
  UniqueFd status_pipe_;
  std::string operation_, object_;
  ExecOutcome outcome_;
  std::size_t fed_ = 0;
  UniqueFd master_;
  bool keyboard_open_ = true;
  std::string typed_;  ///< read from the keyboard, not yet taken by the terminal
  TerminalSize size_;
  int stop_wishes_ = 0;
  std::optional<ControlMessage> failure_;
  Instant started_;
};

/// Kills a process, its descendants and everything in its session. What has left both (a daemon
/// that made a session of its own and lost its parent) stays.
void kill_tree(pid_t pid, int pidfd);

}  // namespace twinhull::linux_backend
