// What a run asked of the kernel and what it was told: data, its file form, and comparison.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/kernel/intercept.h"
#include "runtime/kernel/units.h"

namespace twinhull {

/// One call that ended.
struct TraceRecord {
  std::uint64_t sequence = 0;  ///< of the call's beginning
  std::string name;            ///< "files.write"
  std::string object;
  std::string arguments;           ///< empty in a recording without details
  std::optional<ErrorCode> error;  ///< std::nullopt = success
  std::string value;               ///< the result as text; empty without details
  std::optional<Instant> at;       ///< when the call ended; only with a clock
  bool operator==(const TraceRecord&) const = default;

  /// One line without an end: tab-separated fields, tabs, line ends and backslashes escaped.
  [[nodiscard]] std::string line() const;
  /// For people: `files.write /etc/a "x" 420 -> no_space`.
  [[nodiscard]] std::string text() const;
};

/// The calls of a run in the order in which they ended.
struct Recording {
  std::uint64_t count = 0;   ///< calls in all
  std::uint64_t digest = 0;  ///< over the lines of all calls, kept or not
  std::vector<TraceRecord>
      records;  ///< the last ones: `count - records.size()` older ones are gone
  bool operator==(const Recording&) const = default;

  [[nodiscard]] std::uint64_t dropped() const { return count - records.size(); }
  /// File form: a header line with version, count and digest, one line a record, a checksum line.
  [[nodiscard]] std::string save() const;
  /// Errors: protocol (no recording or another version), corrupt (the checksum, a line, or the
  /// digest of a complete recording is wrong).
  static Result<Recording> load(std::string_view text);
};

/// The record of a call that ended.
TraceRecord make_record(const Call& call, const CallOutcome& outcome);
/// The digest after one more record.
std::uint64_t extend_digest(std::uint64_t digest, const TraceRecord& record);

/// Names the first difference of two runs, std::nullopt when they are equal. Runs that differ only
/// among calls that a recording no longer holds are told apart by their digests.
std::optional<std::string> first_difference(const Recording& expected, const Recording& actual);

}  // namespace twinhull
