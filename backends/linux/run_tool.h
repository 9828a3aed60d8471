// Runs the few programs of the node that the backend needs (mkfs.ext4, resize2fs, busybox).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backends/linux/unique_fd.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull::linux_backend {

/// How a tool ended, and what it said on both streams (the last 64 KiB).
struct ToolOutcome {
  int exit_code = 0;  ///< 128 + signal when one ended it
  std::string output;
  /// Last line that is not empty: what a tool says last is mostly why it failed.
  [[nodiscard]] std::string last_line() const;
};

/// A tool that runs beside its caller.
class RunningTool {
 public:
  /// As run_tool.
  static Result<RunningTool> start(const std::vector<std::string>& argv, std::string_view operation);
  RunningTool(RunningTool&& other) noexcept;
  RunningTool& operator=(RunningTool&&) = delete;
  /// Waits for its end.
  ~RunningTool();

  /// Whether it has said its last word; waits for that, for at most so long.
  bool has_ended(Duration at_most);
  /// Waits for its end. Call it once. Errors: those of waitpid(2).
  Result<ToolOutcome> finish();

 private:
  RunningTool(std::string program, std::string_view operation, int child, UniqueFd said);
  void read_some();

  std::string program_;
  std::string operation_;
  int child_ = 0;  ///< 0 = reaped
  UniqueFd said_;  ///< empty at its end
  ToolOutcome outcome_;
};

/// Runs `argv` with an empty input, the C locale and the system's directories as PATH, and waits.
/// Errors: not_supported (there is no such program), those of posix_spawn(3).
Result<ToolOutcome> run_tool(const std::vector<std::string>& argv, std::string_view operation);

/// The same for tools whose every exit code but 0 is a failure: `failed` with the last line.
Status run_tool_well(const std::vector<std::string>& argv, std::string_view operation,
                     const std::string& object);

/// Last line of a text that is not empty, without its end.
std::string last_line_of(std::string_view text);

}  // namespace twinhull::linux_backend
