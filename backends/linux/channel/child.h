// The program that carries a channel to its peer.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "backends/linux/unique_fd.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull::linux_backend {

/// A running child in a process group of its own: a Ctrl-C at the terminal reaches this command,
/// which then ends the channel in order, and not the child.
class Child {
 public:
  /// Starts `argv` (found in PATH) with pipes. Errors: not_found (no such program), those of
  /// posix_spawn(3).
  static Result<Child> start(const std::vector<std::string>& argv, std::string_view operation);

  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  /// Ends what still runs: finish() without patience.
  ~Child();

  /// Waits until `deadline` (steady_now) for the end, then ends the group by TERM and, a second
  /// later, by KILL. Returns the exit code as a shell has it. Precondition: its streams are closed.
  int finish(Duration deadline);
  /// Whether it has ended; then finish() returns at once.
  bool ended();
  /// Waits for the end, at most until `deadline` (steady_now). True: it has ended.
  bool wait(Duration deadline);

  UniqueFd to_child;    ///< its standard input
  UniqueFd from_child;  ///< its standard output
  UniqueFd complaints;  ///< its standard error

 private:
  explicit Child(pid_t pid) : pid_(pid) {}
  pid_t pid_;  ///< 0 when it was reaped
  int exit_code_ = 0;
};

}  // namespace twinhull::linux_backend
