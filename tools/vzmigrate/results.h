// What became of the containers of one command.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/vzmigrate/report.h"

namespace twinhull::tools::move {

/// One container.
struct Outcome {
  std::string container;        ///< as the operator named it
  std::string there;            ///< its number at the destination; empty = the same
  int exit_code = 0;            ///< that of vzmigrate for it alone
  std::optional<Report> moved;  ///< how it went
  std::string error;            ///< why it did not, or what went wrong after it had moved
  /// A dry run whose checks pass ends with a code of its own.
  [[nodiscard]] bool failed() const;
};

/// Of one whose turn did not come.
Outcome not_begun(const std::string& container);

/// "101 moved", "102 failed 9", or of a dry run "101 passed": for scripts (-b).
std::string batch_line(const Outcome& outcome);

/// A list of one object for each container (-j).
std::string results_json(const std::vector<Outcome>& outcomes, const std::string& destination);

/// A table with a line for each (-t).
std::vector<std::string> results_table(const std::vector<Outcome>& outcomes);

/// "2 of 3 containers have not moved: 102 (exit 9), 103 (exit 12)"; empty when all have.
std::string failures_text(const std::vector<Outcome>& outcomes);

/// "1.2 GiB"
std::string bytes_text(Bytes bytes);
/// "12.345 s"
std::string seconds_text(Duration length);

}  // namespace twinhull::tools::move
