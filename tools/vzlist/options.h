// What the operator asked vzlist for (spec R6).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/kernel/result.h"

namespace twinhull::tools::list {

struct Options {
  bool all = false;                 ///< -a: stopped ones too
  bool stopped = false;             ///< -S: only those that do not run
  bool names = false;               ///< -n: name instead of host name
  bool no_header = false;           ///< -H
  bool no_trim = false;             ///< -t
  bool json = false;                ///< -j
  bool only_ids = false;            ///< -1
  bool list_fields = false;         ///< -L
  std::vector<std::string> fields;  ///< -o; empty = the default of the mode
  std::string sort;                 ///< -s; empty = by number
  bool descending = false;
  std::optional<std::string> hostname_pattern;     ///< -h
  std::optional<std::string> name_pattern;         ///< -N
  std::optional<std::string> description_pattern;  ///< -d
  std::optional<std::string> interface;            ///< -i
  std::vector<std::string> containers;             ///< numbers or names
  std::string help;                                ///< not empty: show this and end well
};

/// Errors: invalid_argument (exit 20).
Result<Options> parse_options(std::span<const std::string> argv);

}  // namespace twinhull::tools::list
