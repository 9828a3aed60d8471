// A YAML document as a plain tree in which every node knows its place in the file.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace twinhull::scenario {

/// A place in a file, both from 1. 0 = nowhere in particular.
struct Mark {
  int line = 0;
  int column = 0;
};

/// One thing that is wrong with a scenario file, as a person needs it to mend it.
struct Diagnostic {
  std::string file;
  Mark mark;
  std::string text;  ///< names the offending key or value, and what is accepted
  std::string hint;  ///< "did you mean …?"; empty when there is none
  /// "FILE:LINE:COLUMN: text (hint)".
  [[nodiscard]] std::string message() const;
};
using Diagnostics = std::vector<Diagnostic>;

/// A mapping, a sequence or a scalar. Scalars keep their text; their meaning is the reader's.
struct TreeNode {
  enum class Kind { scalar, sequence, mapping };
  Kind kind = Kind::scalar;
  Mark mark;
  std::string text;               ///< scalar
  bool quoted = false;            ///< scalar that was quoted or a block: never a null
  std::vector<TreeNode> items;    ///< sequence; values of a mapping
  std::vector<std::string> keys;  ///< mapping, parallel to `items`
  std::vector<Mark> key_marks;    ///< mapping, parallel to `items`

  [[nodiscard]] const TreeNode* find(std::string_view key) const;
};

/// What a scenario file may hold at most. Beyond them it is refused, not truncated.
struct TreeLimits {
  std::size_t bytes = 1 << 20;
  std::size_t nodes = 50'000;
  std::size_t depth = 16;
};

/// Reads one YAML document. Anchors and aliases are refused: a scenario stays what it looks like,
/// and no small file expands into a large one. Duplicate keys, tags, several documents and keys
/// that are not plain text are refused too. On failure says why in `problems` and returns nothing.
std::optional<TreeNode> read_tree(std::string_view text, const std::string& file,
                                  Diagnostics& problems, const TreeLimits& limits = {});

}  // namespace twinhull::scenario
