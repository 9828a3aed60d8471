// What a command tells the operator: console and log file (spec R3, R11).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/config/node_config.h"
#include "runtime/kernel/units.h"
#include "runtime/node/session.h"

namespace twinhull {

/// How much reaches the console.
enum class Verbosity : std::uint8_t { quiet, normal, verbose };

/// Speaks for one command. The log gets everything that the console gets in normal mode, whatever
/// --quiet says: --quiet silences the console only.
class Reporter {
 public:
  /// `program` is the name in the log lines. The references must outlive the reporter.
  Reporter(Session& session, const NodeConfig& node, std::string program, Verbosity verbosity);

  /// Whom the following lines are about.
  void about(CtId id) { container_ = id; }
  /// A message of the operation: standard output and log.
  void say(std::string_view text);
  /// Only with --verbose; logged from LOG_LEVEL 1.
  void detail(std::string_view text);
  /// Something is not as it should be, but the command goes on: standard error and log.
  void warn(std::string_view text);
  /// Why the command failed: standard error and log, errors even with --quiet in the log.
  void error(std::string_view text);
  [[nodiscard]] bool quiet() const { return verbosity_ == Verbosity::quiet; }

 private:
  void log(std::string_view text);

  Session& session_;
  const NodeConfig& node_;
  std::string program_;
  Verbosity verbosity_;
  std::optional<CtId> container_;
  bool log_broken_ = false;  ///< said once, not for each line
};

/// "2012-01-31T12:01:02+0000 vzctl : CT 101 : text\n"; without container "…vzctl : text\n".
/// Line ends inside `text` become blanks: one entry, one line.
std::string log_line(WallTime now, std::string_view program, std::optional<CtId> container,
                     std::string_view text);

}  // namespace twinhull
