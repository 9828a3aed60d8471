// Patterns of programs: shell globs and basic regular expressions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace twinhull::sim {

/// Whether `text` as a whole matches a shell pattern: * ? [a-z] [!a-z], backslash quotes.
/// Linear in time times text, whatever the pattern.
bool glob_match(std::string_view pattern, std::string_view text);
/// Whether a pattern holds an unquoted * ? or [.
bool has_glob(std::string_view pattern);

/// POSIX basic regular expression subset: literals . [set] * \+ \? ^ $ \( \) \1…\9 in replacements.
/// With `extended`, + ? ( ) | need no backslash (| only at the top level).
class Regex {
 public:
  /// std::nullopt when the text is no expression that we know.
  static std::optional<Regex> parse(std::string_view text, bool extended);
  struct Match {
    std::size_t begin = 0, end = 0;
    std::vector<std::string> groups;  ///< groups[0] = all
  };
  /// First match at or after `from`. Gives up (no match) after a bounded number of steps.
  [[nodiscard]] std::optional<Match> find(std::string_view text, std::size_t from = 0) const;

 private:
  struct Atom {
    enum class Kind : std::uint8_t { literal, any, set, begin, end, open, close };
    Kind kind = Kind::literal;
    char letter = 0;
    std::string set;
    bool negated = false;
    std::size_t group = 0;
    std::size_t least = 1, most = 1;
  };
  struct State;
  bool run(const std::vector<Atom>& atoms, std::size_t atom, std::size_t at, State& state) const;
  std::vector<std::vector<Atom>> branches_;
  std::size_t groups_ = 1;
};

}  // namespace twinhull::sim
