// A configuration file in KEY="value" lines, kept line by line (spec R4).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/kernel/result.h"

namespace twinhull {

/// vz.conf, CTID.conf or a sample, as the operator wrote it: unknown keys, comments, order and
/// blank lines survive a change. Shell-sourceable: a value is quoted and escaped so that sh reads
/// the same text.
class ConfigFile {
 public:
  ConfigFile() = default;
  /// `name` is used in messages. Lines that are neither comment, blank nor KEY=value are kept and
  /// ignored. Errors: corrupt (a NUL byte, an unterminated quote, larger than 1 MiB) with the line.
  static Result<ConfigFile> parse(std::string_view text, std::string_view name);

  /// The last value of the key, unquoted; std::nullopt when it is absent.
  [[nodiscard]] std::optional<std::string> get(std::string_view key) const;
  /// Replaces the value in place (the last occurrence; earlier ones are removed) or appends a line.
  /// Errors: invalid_argument (key not [A-Z0-9_]+, value with a newline or NUL).
  Status set(std::string_view key, std::string_view value);
  /// Removes all lines with the key; whether there were any.
  bool unset(std::string_view key);
  /// Line number, from 1, of the value that get() returns; 0 when the key is absent.
  [[nodiscard]] std::size_t line_of(std::string_view key) const;
  /// Keys in order of first appearance.
  [[nodiscard]] std::vector<std::string> keys() const;
  /// The file's text.
  [[nodiscard]] std::string text() const;

 private:
  struct Line {
    std::string key;    ///< empty for comments, blanks and foreign lines
    std::string value;  ///< unquoted
    std::string text;   ///< as it stands in the file
  };
  /// Whether the key may be there: most keys that a reader asks for are absent, and this answers
  /// without a search. Bits of removed keys stay.
  [[nodiscard]] bool may_have(std::string_view key) const;
  void note(std::string_view key);
  std::vector<Line> lines_;
  std::array<std::uint64_t, 4> seen_{};
};

}  // namespace twinhull
