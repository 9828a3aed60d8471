// What a command runs in: the node's kernel, its files, and somebody to talk to.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/layout.h"
#include "runtime/kernel/cgroup_path.h"
#include "runtime/kernel/kernel.h"
#include "runtime/kernel/result.h"

namespace twinhull {

class Companions;  // runtime/node/companions.h

/// Where a command's text goes.
class Console {
 public:
  virtual ~Console() = default;
  virtual void out(std::string_view text) = 0;
  virtual void error(std::string_view text) = 0;
  /// Whether a person watches: progress is drawn only then.
  [[nodiscard]] virtual bool interactive() const { return false; }
};

/// Keeps the text: for scenarios and tests.
class CapturedConsole final : public Console {
 public:
  void out(std::string_view text) override { out_text += text; }
  void error(std::string_view text) override { error_text += text; }
  std::string out_text;
  std::string error_text;
};

/// One command's surroundings. Plain references: the caller owns everything.
struct Session {
  Kernel& kernel;
  Layout layout;
  Console& console;
  /// Standard input of the command (`vzctl exec CTID -`, vzmsetkey); read only when needed.
  std::function<std::string()> read_input = [] { return std::string(); };
  /// Whether programs that the command runs inside a container may use the command's own standard
  /// streams: true for real programs on a real node. Otherwise their text passes through `console`
  /// and what they read comes from `read_input`.
  bool own_streams = false;
  /// The next line of standard input without its end, std::nullopt when there is none: answers of a
  /// person who is asked. Empty = take the lines of `read_input`.
  std::function<std::optional<std::string>()> read_line = {};
  /// Moves this program itself into a control group of the node, until it ends. Empty where commands
  /// are no processes of the node (simulator, tests). Errors: not_found (no such group).
  std::function<Status(const CgroupPath&)> enter_group = {};
  /// Starts further commands beside this one; nullptr where that is impossible (tests, fuzzers).
  Companions* companions = nullptr;
};

/// A command line program as a function: argv[0] is its name; returns the exit code (spec R2).
using CommandFunction = int (*)(Session& session, std::span<const std::string> argv);

}  // namespace twinhull
