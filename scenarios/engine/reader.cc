#include "scenarios/engine/reader.h"

#include <algorithm>

namespace twinhull::scenario {

void ReadContext::problem(Mark mark, std::string text, std::string hint) const {
  problems.push_back({file, mark, std::move(text), std::move(hint)});
}

std::string ReadContext::suggestion(std::string_view word, const std::vector<std::string>& known) {
  if (const std::string near = near_miss(word, known); !near.empty())
    return "did you mean '" + near + "'?";
  std::string out = "accepted:";
  for (const std::string& name : known) out += (out.back() == ':' ? " " : ", ") + name;
  return known.empty() ? "" : out;
}

MapReader::MapReader(const ReadContext& context, const TreeNode& node, std::string what)
    : context_(context),
      node_(node),
      what_(std::move(what)),
      valid_(node.kind == TreeNode::Kind::mapping) {
  if (!valid_)
    context_.problem(node.mark, what_ + " must be a mapping of keys to values",
                     "write 'key: value' lines below it");
}

Mark MapReader::mark_of(std::string_view key) const {
  for (std::size_t i = 0; i < node_.keys.size(); ++i)
    if (node_.keys[i] == key) return node_.key_marks[i];
  return node_.mark;
}

bool MapReader::has(const std::string& key) {
  return any(key) != nullptr;
}

const TreeNode* MapReader::any(const std::string& key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.push_back(key);
  return valid_ ? node_.find(key) : nullptr;
}

const std::string* MapReader::scalar(const std::string& key, std::string_view wanted) {
  const TreeNode* value = any(key);
  if (value == nullptr) return nullptr;
  if (value->kind != TreeNode::Kind::scalar || (value->text.empty() && !value->quoted)) {
    context_.problem(value->mark, "'" + key + "' must be " + std::string(wanted));
    return nullptr;
  }
  return &value->text;
}

std::optional<std::string> MapReader::text(const std::string& key) {
  const std::string* value = scalar(key, "text");
  if (value == nullptr) return std::nullopt;
  return *value;
}

std::string MapReader::required_text(const std::string& key) {
  require(key);
  return text(key).value_or("");
}

std::optional<bool> MapReader::boolean(const std::string& key) {
  const std::string* value = scalar(key, "true or false");
  if (value == nullptr) return std::nullopt;
  if (*value == "true" || *value == "yes") return true;
  if (*value == "false" || *value == "no") return false;
  context_.problem(any(key)->mark,
                   "'" + key + "' must be true or false, not '" + excerpt(*value, 40) + "'");
  return std::nullopt;
}

std::optional<std::int64_t> MapReader::integer(const std::string& key, std::int64_t least,
                                               std::int64_t most) {
  const std::string* value = scalar(key, "a whole number");
  if (value == nullptr) return std::nullopt;
  const auto number = parse_integer(*value);
  if (number && *number >= least && *number <= most) return number;
  context_.problem(any(key)->mark, "'" + key + "' must be a whole number from " +
                                       std::to_string(least) + " to " + std::to_string(most) +
                                       ", not '" + excerpt(*value, 40) + "'");
  return std::nullopt;
}

std::optional<Duration> MapReader::duration(const std::string& key) {
  const std::string* value = scalar(key, "a length of time such as 10s");
  if (value == nullptr) return std::nullopt;
  if (const auto length = parse_duration(*value)) return length;
  context_.problem(any(key)->mark,
                   "'" + key + "' must be a length of time, not '" + excerpt(*value, 40) + "'",
                   "a number with us, ms, s, m or h: 10s");
  return std::nullopt;
}

std::optional<Bytes> MapReader::bytes(const std::string& key) {
  const std::string* value = scalar(key, "an amount such as 64M");
  if (value == nullptr) return std::nullopt;
  if (const auto amount = parse_bytes(*value)) return amount;
  context_.problem(any(key)->mark,
                   "'" + key + "' must be an amount of bytes, not '" + excerpt(*value, 40) + "'",
                   "a number, with K, M, G or T for x1024: 64M");
  return std::nullopt;
}

std::optional<Range> MapReader::range(const std::string& key, RangeUnit unit) {
  const std::string* value = scalar(key, "a value or a range");
  if (value == nullptr) return std::nullopt;
  if (auto range = parse_range(*value, unit)) return range;
  const std::string example = unit == RangeUnit::duration ? "'< 5s'"
                              : unit == RangeUnit::bytes  ? "'10M .. 12M'"
                                                          : "'>= 1'";
  context_.problem(any(key)->mark,
                   "'" + key + "' must be a value or a range, not '" + excerpt(*value, 40) + "'",
                   "N, < N, <= N, > N, >= N, N .. M or N +- P%: " + example);
  return std::nullopt;
}

std::optional<std::int64_t> MapReader::thousandths(const std::string& key) {
  const std::string* value = scalar(key, "a number or percentage");
  if (value == nullptr) return std::nullopt;
  if (const auto number = parse_thousandths(*value)) return number;
  context_.problem(any(key)->mark, "'" + key + "' must be a number or a percentage, not '" +
                                       excerpt(*value, 40) + "'");
  return std::nullopt;
}

std::optional<std::string> MapReader::choice(const std::string& key,
                                             const std::vector<std::string>& known) {
  const std::string* value = scalar(key, "one word");
  if (value == nullptr) return std::nullopt;
  if (std::find(known.begin(), known.end(), *value) != known.end()) return *value;
  context_.problem(any(key)->mark, "'" + key + "' cannot be '" + excerpt(*value, 40) + "'",
                   ReadContext::suggestion(*value, known));
  return std::nullopt;
}

std::optional<CtId> MapReader::container(const std::string& key) {
  const std::string* value = scalar(key, "a container's number");
  if (value == nullptr) return std::nullopt;
  return read_container(context_, any(key)->mark, *value);
}

std::string MapReader::node(const std::string& key) {
  const std::string* value = scalar(key, "the name of a node");
  if (value == nullptr) return context_.node_names.empty() ? "" : context_.node_names.front();
  check_node_name(context_, any(key)->mark, *value);
  return *value;
}

std::vector<std::string> MapReader::texts(const std::string& key) {
  const TreeNode* value = any(key);
  std::vector<std::string> out;
  if (value == nullptr) return out;
  if (value->kind == TreeNode::Kind::mapping) {
    context_.problem(value->mark, "'" + key + "' must be text or a list of texts");
    return out;
  }
  if (value->kind == TreeNode::Kind::scalar) {
    out.push_back(value->text);
    return out;
  }
  for (const TreeNode& item : value->items) {
    if (item.kind != TreeNode::Kind::scalar)
      context_.problem(item.mark, "an item of '" + key + "' must be text");
    else
      out.push_back(item.text);
  }
  return out;
}

void MapReader::require(const std::string& key) {
  if (valid_ && !has(key)) context_.problem(node_.mark, what_ + " needs the key '" + key + "'");
}

void MapReader::finish() {
  if (!valid_) return;
  for (std::size_t i = 0; i < node_.keys.size(); ++i) {
    const std::string& key = node_.keys[i];
    if (std::find(known_.begin(), known_.end(), key) == known_.end())
      context_.problem(node_.key_marks[i], "unknown key '" + excerpt(key, 40) + "' in " + what_,
                       ReadContext::suggestion(key, known_));
  }
}

std::optional<CtId> read_container(const ReadContext& context, Mark mark, std::string_view text) {
  const auto number = parse_integer(text);
  if (number && *number >= CtId::kFirstUsable && *number <= CtId::kLastUsable)
    return CtId{static_cast<std::uint32_t>(*number)};
  context.problem(mark, "'" + excerpt(text, 40) + "' is no container number", "101 to 2147483644");
  return std::nullopt;
}

void check_node_name(const ReadContext& context, Mark mark, const std::string& name) {
  const auto& names = context.node_names;
  if (std::find(names.begin(), names.end(), name) == names.end())
    context.problem(mark, "there is no node '" + excerpt(name, 40) + "' in this scenario",
                    ReadContext::suggestion(name, names));
}

}  // namespace twinhull::scenario
