// The fields of vzlist: names, headers, widths and where their values come from (spec R6).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/kernel/result.h"
#include "tools/vzlist/row.h"

namespace twinhull::tools::list {

/// A beancounter: usage from the kernel, bounds from the configuration.
struct CounterValue {
  bool running = false;
  std::optional<std::uint64_t> held, maxheld, failcnt;  ///< absent: nothing counts it
  std::optional<std::uint64_t> barrier, limit;
};

/// First-level disk quota, in KiB or inodes.
struct DiskValue {
  std::optional<std::uint64_t> usage, soft, hard;
};

struct UptimeValue {
  Duration length{0};
};

/// monostate = there is none: "-" and null.
using Value = std::variant<std::monostate, bool, std::uint64_t, std::string,
                           std::vector<std::string>, CounterValue, DiskValue, UptimeValue>;

struct Column {
  std::string_view name;
  std::string_view header;
  int width = 10;  ///< code points
  bool right = false;
  Needs needs;
  Value (*value)(const Column& self, const Row& row) = nullptr;
  std::string_view suffixes = {};  ///< "mblf" or "sh"; empty = none
  std::vector<std::string_view> aliases = {};
};

std::span<const Column> columns();

/// A column as it was asked for: "numproc.l".
struct Selected {
  const Column* column = nullptr;
  char suffix = 0;
  [[nodiscard]] std::string header() const;
};

/// Errors: invalid_argument (exit 20), with the nearest names or the suffixes that exist.
Result<Selected> find_column(std::string_view field);

/// The value that a suffix picks: a number, or monostate.
Value pick(const Value& value, char suffix);

/// All parts of a value as text; empty = "-".
std::vector<std::string> texts(const Value& value);

/// Order of two values of one column: missing ones first, numbers by size, the rest by text.
bool less(const Value& a, const Value& b);

}  // namespace twinhull::tools::list
