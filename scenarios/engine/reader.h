// Strict reading of a mapping: every key must be known, every value must be right.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/engine/text.h"
#include "scenarios/engine/tree.h"

namespace twinhull::scenario {

/// What the readers of one file share.
struct ReadContext {
  std::string file;
  Diagnostics& problems;
  std::vector<std::string> node_names;  ///< filled once the nodes were read

  void problem(Mark mark, std::string text, std::string hint = "") const;
  /// "did you mean 'x'?" or "accepted: a, b, c".
  static std::string suggestion(std::string_view word, const std::vector<std::string>& known);
};

/// Reads the keys of one mapping. Each accessor notes the key as known; finish() complains about
/// all others. Accessors report wrong values and return nothing then, as for an absent key.
class MapReader {
 public:
  /// `what` names the mapping in messages: "node", "step".
  MapReader(const ReadContext& context, const TreeNode& node, std::string what);

  /// False when the node is no mapping; that was reported.
  [[nodiscard]] bool valid() const { return valid_; }
  [[nodiscard]] Mark mark() const { return node_.mark; }
  [[nodiscard]] Mark mark_of(std::string_view key) const;
  bool has(const std::string& key);

  const TreeNode* any(const std::string& key);
  std::optional<std::string> text(const std::string& key);
  std::string required_text(const std::string& key);
  std::optional<bool> boolean(const std::string& key);
  std::optional<std::int64_t> integer(const std::string& key, std::int64_t least,
                                      std::int64_t most);
  std::optional<Duration> duration(const std::string& key);
  std::optional<Bytes> bytes(const std::string& key);
  std::optional<Range> range(const std::string& key, RangeUnit unit);
  /// Thousandths of a percentage or factor.
  std::optional<std::int64_t> thousandths(const std::string& key);
  std::optional<std::string> choice(const std::string& key, const std::vector<std::string>& known);
  std::optional<CtId> container(const std::string& key);
  /// The name of a node of this scenario; absent = the first one.
  std::string node(const std::string& key = "node");
  /// A scalar or a sequence of scalars.
  std::vector<std::string> texts(const std::string& key);

  void require(const std::string& key);
  /// Reports all keys that no accessor asked for.
  void finish();

 private:
  const std::string* scalar(const std::string& key, std::string_view wanted);

  const ReadContext& context_;
  const TreeNode& node_;
  std::string what_;
  bool valid_;
  std::vector<std::string> known_;
};

/// A container's number from text; reports and returns nothing when it is none.
std::optional<CtId> read_container(const ReadContext& context, Mark mark, std::string_view text);
/// Reports a name that is no node of this scenario.
void check_node_name(const ReadContext& context, Mark mark, const std::string& name);

}  // namespace twinhull::scenario
