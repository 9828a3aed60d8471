#include "scenarios/engine/expand.h"

#include <utility>

namespace twinhull::scenario {
namespace {

constexpr std::int64_t kMostRounds = 2000;
constexpr std::size_t kMostNodes = 400'000;

struct Variable {
  std::string name;
  std::int64_t value = 0;
};

/// The number that "NAME", "NAME+K" or "NAME-K" stands for.
std::optional<std::int64_t> evaluate(std::string_view expression, const Variable& variable) {
  if (!expression.starts_with(variable.name)) return std::nullopt;
  expression.remove_prefix(variable.name.size());
  if (expression.empty()) return variable.value;
  const auto shift = parse_integer(expression.substr(1));
  if (!shift || *shift < 0 || *shift > 2'147'483'647) return std::nullopt;
  if (expression.front() == '+') return variable.value + *shift;
  if (expression.front() == '-') return variable.value - *shift;
  return std::nullopt;
}

std::string substitute(const std::string& text, const Variable& variable) {
  std::string out;
  std::size_t from = 0;
  while (true) {
    const std::size_t start = text.find("${", from);
    const std::size_t end = start == std::string::npos ? start : text.find('}', start);
    if (end == std::string::npos) return out + text.substr(from);
    const auto value =
        evaluate(std::string_view(text).substr(start + 2, end - start - 2), variable);
    out += text.substr(from, start - from);
    out += value ? std::to_string(*value) : text.substr(start, end + 1 - start);
    from = end + 1;
  }
}

class Expander {
 public:
  explicit Expander(const ReadContext& context) : context_(context) {}

  void steps(const TreeNode& sequence, std::vector<TreeNode>& out) {
    for (const TreeNode& item : sequence.items) {
      if (full_) return;
      if (item.find("for_each") != nullptr) {
        block(item, out);
      } else if (out.size() >= kMostSteps) {
        full_ = true;
        context_.problem(item.mark, "more than " + std::to_string(kMostSteps) + " steps");
      } else {
        out.push_back(item);
      }
    }
  }

 private:
  TreeNode instance(const TreeNode& node, const Variable& variable) {
    TreeNode copy = node;
    replace(copy, variable);
    return copy;
  }
  void replace(TreeNode& node, const Variable& variable) {
    ++nodes_;
    if (node.text.find("${") != std::string::npos) node.text = substitute(node.text, variable);
    for (std::string& key : node.keys)
      if (key.find("${") != std::string::npos) key = substitute(key, variable);
    for (TreeNode& item : node.items) replace(item, variable);
  }

  void block(const TreeNode& item, std::vector<TreeNode>& out) {
    MapReader reader(context_, item, "a for_each block");
    Variable variable{reader.required_text("for_each"), 0};
    reader.require("from");
    reader.require("to");
    reader.require("steps");
    const auto from = reader.integer("from", 0, CtId::kLastUsable);
    const auto to = reader.integer("to", 0, CtId::kLastUsable);
    const TreeNode* inner = reader.any("steps");
    reader.finish();
    for (const char c : variable.name) {
      if ((c >= 'a' && c <= 'z') || c == '_') continue;
      context_.problem(item.mark, "the name of a for_each must be lower-case letters");
      return;
    }
    if (!from || !to || inner == nullptr || variable.name.empty()) return;
    if (inner->kind != TreeNode::Kind::sequence) {
      context_.problem(inner->mark, "'steps' must be a list");
      return;
    }
    if (*to < *from || *to - *from >= kMostRounds) {
      context_.problem(item.mark, "a for_each must count upwards, at most " +
                                      std::to_string(kMostRounds) + " rounds");
      return;
    }
    for (variable.value = *from; variable.value <= *to && !full_; ++variable.value) {
      if (nodes_ > kMostNodes) {
        full_ = true;
        context_.problem(item.mark, "the for_each blocks grow too large");
        return;
      }
      steps(instance(*inner, variable), out);
    }
  }

  const ReadContext& context_;
  std::size_t nodes_ = 0;
  bool full_ = false;
};

}  // namespace

std::vector<TreeNode> expand_steps(const ReadContext& context, const TreeNode& steps) {
  std::vector<TreeNode> out;
  Expander(context).steps(steps, out);
  return out;
}

}  // namespace twinhull::scenario
