#include "scenarios/engine/tree.h"

#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>

namespace twinhull::scenario {
namespace {

/// Thrown by the handler to leave yaml-cpp's parser; never leaves read_tree.
struct Refusal {
  Mark mark;
  std::string text;
};

Mark mark_of(const YAML::Mark& mark) {
  return {mark.line + 1, mark.column + 1};
}

/// Builds the tree from events, so that aliases are seen before anything is expanded.
class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(const TreeLimits& limits) : limits_(limits) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    scalar(mark, anchor, "", false);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refusal{mark_of(mark), "aliases (*name) are not accepted in a scenario"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    // yaml-cpp marks quoted scalars with the tag "!" and plain ones with "?".
    if (!tag.empty() && tag != "?" && tag != "!")
      throw Refusal{mark_of(mark), "tags (" + tag + ") are not accepted in a scenario"};
    scalar(mark, anchor, value, tag == "!");
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, TreeNode::Kind::sequence);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, TreeNode::Kind::mapping);
  }
  void OnMapEnd() override { close(); }

  [[nodiscard]] bool complete() const { return done_; }
  TreeNode take() { return std::move(root_); }

 private:
  /// A container that is being filled. A mapping alternates between keys and values.
  struct Open {
    TreeNode node;
    bool key_pending = false;
  };

  void count(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) throw Refusal{mark_of(mark), "anchors (&name) are not accepted in a scenario"};
    if (++nodes_ > limits_.nodes)
      throw Refusal{mark_of(mark),
                    "more than " + std::to_string(limits_.nodes) + " values in one file"};
  }
  void scalar(const YAML::Mark& mark, YAML::anchor_t anchor, const std::string& value,
              bool quoted) {
    count(mark, anchor);
    TreeNode node;
    node.mark = mark_of(mark);
    node.text = value;
    node.quoted = quoted;
    place(std::move(node));
  }
  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            TreeNode::Kind kind) {
    count(mark, anchor);
    if (!tag.empty() && tag != "?")
      throw Refusal{mark_of(mark), "tags (" + tag + ") are not accepted in a scenario"};
    if (stack_.size() >= limits_.depth)
      throw Refusal{mark_of(mark),
                    "nested deeper than " + std::to_string(limits_.depth) + " levels"};
    if (!stack_.empty() && stack_.back().node.kind == TreeNode::Kind::mapping &&
        !stack_.back().key_pending)
      throw Refusal{mark_of(mark), "a key must be plain text"};
    Open item;
    item.node.kind = kind;
    item.node.mark = mark_of(mark);
    stack_.push_back(std::move(item));
  }
  void close() {
    TreeNode node = std::move(stack_.back().node);
    stack_.pop_back();
    place(std::move(node));
  }
  void place(TreeNode node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      done_ = true;
      return;
    }
    Open& top = stack_.back();
    if (top.node.kind == TreeNode::Kind::sequence) {
      top.node.items.push_back(std::move(node));
      return;
    }
    if (top.key_pending) {
      top.node.items.push_back(std::move(node));
      top.key_pending = false;
      return;
    }
    if (node.text.empty()) throw Refusal{node.mark, "a key must not be empty"};
    if (std::find(top.node.keys.begin(), top.node.keys.end(), node.text) != top.node.keys.end())
      throw Refusal{node.mark, "the key '" + node.text + "' stands here twice"};
    top.node.keys.push_back(node.text);
    top.node.key_marks.push_back(node.mark);
    top.key_pending = true;
  }

  TreeLimits limits_;
  std::vector<Open> stack_;
  TreeNode root_;
  std::size_t nodes_ = 0;
  bool done_ = false;
};

}  // namespace

std::string Diagnostic::message() const {
  std::string out = file;
  if (mark.line > 0) out += ":" + std::to_string(mark.line) + ":" + std::to_string(mark.column);
  out += ": " + text;
  if (!hint.empty()) out += " (" + hint + ")";
  return out;
}

const TreeNode* TreeNode::find(std::string_view key) const {
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (keys[i] == key) return &items[i];
  return nullptr;
}

std::optional<TreeNode> read_tree(std::string_view text, const std::string& file,
                                  Diagnostics& problems, const TreeLimits& limits) {
  const auto refuse = [&](Mark mark, std::string why) {
    problems.push_back({file, mark, std::move(why), ""});
    return std::nullopt;
  };
  if (text.size() > limits.bytes)
    return refuse({}, "larger than " + std::to_string(limits.bytes) + " bytes");
  if (text.find('\0') != std::string_view::npos) return refuse({}, "holds a NUL byte");
  // yaml-cpp's scanner recurses on flow brackets before any event is delivered.
  std::size_t open = 0;
  int line = 1;
  for (const char c : text) {
    if (c == '\n') {
      ++line;
      open = 0;
    } else if ((c == '[' || c == '{') && ++open > 200) {
      return refuse({line, 1}, "more than 200 brackets in one line");
    }
  }
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Builder builder(limits);
    if (!parser.HandleNextDocument(builder) || !builder.complete())
      return refuse({1, 1}, "the file is empty: a scenario needs at least name, area and steps");
    TreeNode root = builder.take();
    Builder second(limits);
    if (parser.HandleNextDocument(second))
      return refuse({}, "several documents in one file: one scenario a file is accepted");
    return root;
  } catch (const Refusal& refusal) {
    return refuse(refusal.mark, refusal.text);
  } catch (const YAML::Exception& error) {
    return refuse(mark_of(error.mark), "not YAML: " + error.msg);
  } catch (const std::exception& error) {
    return refuse({}, std::string("not YAML: ") + error.what());
  }
}

}  // namespace twinhull::scenario
