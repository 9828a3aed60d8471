// Expansion of words: parameters, substitutions, arithmetic, splitting, globs.
#include <algorithm>
#include <charconv>

#include "backends/sim/programs/arithmetic.h"
#include "backends/sim/programs/launch.h"
#include "backends/sim/programs/pattern.h"
#include "backends/sim/programs/shell_machine.h"

namespace twinhull::sim {

/// One field in the making: its text, and the same as a pattern with quoted letters escaped.
struct ShellMachine::Field {
  std::string text;
  std::string pattern;
  bool real = false;    ///< there even when empty: something quoted belongs to it
  bool closed = false;  ///< the next letter starts another field
};

namespace {

void append(std::string& text, std::string& pattern, char letter, bool quoted) {
  text += letter;
  if (quoted && (letter == '*' || letter == '?' || letter == '[' || letter == '\\' ||
                 letter == ']' || letter == '!')) {
    pattern += '\\';
  }
  pattern += letter;
}
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n'; }

}  // namespace

std::optional<std::string> ShellMachine::parameter(Run run, const std::string& name) const {
  const auto& parameters = scope_.parameters;
  if (name.size() == 1) {
    switch (name[0]) {
      case '?': return std::to_string(status_);
      case '#': return std::to_string(parameters.empty() ? 0 : parameters.size() - 1);
      case '$': return std::to_string(run.process.inner_pid);
      case '-': return std::string(scope_.stop_on_error ? "e" : "");
      case '!': {
        if (last_job_ == 0) return std::nullopt;
        const SimProcess* job = run.table.find(last_job_);
        return std::to_string(job == nullptr ? last_job_ : job->inner_pid);
      }
      case '@':
      case '*': {
        std::string all;
        for (std::size_t i = 1; i < parameters.size(); ++i) {
          if (i > 1) all += ' ';
          all += parameters[i];
        }
        return all;
      }
      default: break;
    }
  }
  if (!name.empty() && name[0] >= '0' && name[0] <= '9') {
    std::size_t index = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
    if (error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
    if (index >= parameters.size()) return std::nullopt;
    return parameters[index];
  }
  if (name == "PWD") return scope_.directory;
  const auto found = scope_.variables.find(name);
  if (found == scope_.variables.end()) return std::nullopt;
  return found->second.value;
}

bool ShellMachine::expand_parameter(Run run, const WordPart& part, std::vector<Field>& fields,
                                    bool split) {
  const auto put = [&](const std::string& value, bool quoted) {
    if (fields.empty()) fields.emplace_back();
    if (fields.back().text.size() + value.size() > kMostText) {
      fail_script(run, "a word grows too large", 2);
      return false;
    }
    if (quoted || !split) {
      if (fields.back().closed) fields.emplace_back();
      fields.back().real = fields.back().real || quoted;
      for (char c : value) append(fields.back().text, fields.back().pattern, c, quoted);
      return true;
    }
    for (char c : value) {
      if (is_blank(c)) {
        if (!fields.back().text.empty() || fields.back().real) fields.back().closed = true;
      } else {
        if (fields.back().closed) fields.emplace_back();
        append(fields.back().text, fields.back().pattern, c, false);
      }
    }
    return fields.size() <= kMostFields;
  };
  if (part.kind == WordPart::Kind::substitution) {
    return put(part.slot < scope_.slots.size() ? scope_.slots[part.slot] : std::string(),
               part.quoted);
  }
  if (part.kind == WordPart::Kind::arithmetic) {
    const auto expression = expand_text(run, part.operand);
    if (!expression) return false;
    std::string error;
    const auto value = arithmetic(run, *expression, error);
    if (!value) {
      message(run, "arithmetic: " + error);
      return false;
    }
    return put(std::to_string(*value), part.quoted);
  }
  if (part.operation == 0 && (part.text == "@" || (part.text == "*" && !part.quoted)) && split) {
    const auto& parameters = scope_.parameters;  // "$@": a field for each
    for (std::size_t i = 1; i < parameters.size(); ++i) {
      if (i > 1 && !fields.empty()) fields.back().closed = true;
      if (!put(parameters[i], part.quoted)) return false;
    }
    return true;
  }
  auto value = parameter(run, part.text);
  const bool missing = !value || (part.colon && value->empty());
  switch (part.operation) {
    case 'l': return put(std::to_string(value.value_or("").size()), part.quoted);
    case '-':
      if (missing) return expand_into(run, part.operand, fields, split);
      break;
    case '+':
      if (missing) return true;
      return expand_into(run, part.operand, fields, split);
    case '=':
      if (missing) {
        auto text = expand_text(run, part.operand);
        if (!text || !assign(run, part.text, *text)) return false;
        value = std::move(text);
      }
      break;
    case '?':
      if (missing) {
        const auto text = expand_text(run, part.operand);
        fail_script(run, part.text + ": " + (text && !text->empty() ? *text : "parameter not set"),
                    2);
        return false;
      }
      break;
    case '#':
    case '%': {
      const auto pattern = expand_pattern(run, part.operand);
      if (!pattern) return false;
      const std::string text = value.value_or("");
      const bool front = part.operation == '#';
      // Bounded: pattern × text at most, for each length.
      std::size_t cut = 0;
      const std::size_t most = std::min<std::size_t>(text.size(), 4096);
      for (std::size_t n = 0; n <= most; ++n) {
        const std::size_t length = part.longest ? most - n : n;
        const std::string_view piece =
            front ? std::string_view(text).substr(0, length)
                  : std::string_view(text).substr(text.size() - length);
        if (glob_match(*pattern, piece)) {
          cut = length;
          break;
        }
      }
      return put(front ? text.substr(cut) : text.substr(0, text.size() - cut), part.quoted);
    }
    default: break;
  }
  if (!value && scope_.refuse_unset && part.text != "@" && part.text != "*" && part.text != "!") {
    fail_script(run, part.text + ": parameter not set", 2);
    return false;
  }
  if (value) return put(*value, part.quoted);
  if (part.quoted) return put("", true);
  return true;
}

bool ShellMachine::expand_into(Run run, const ShellWord& word, std::vector<Field>& fields,
                               bool split) {
  for (const WordPart& part : word) {
    if (part.kind != WordPart::Kind::text) {
      if (!expand_parameter(run, part, fields, split)) return false;
      continue;
    }
    if (fields.empty() || fields.back().closed) fields.emplace_back();
    Field& field = fields.back();
    field.real = field.real || part.quoted || !part.text.empty();
    for (char c : part.text) append(field.text, field.pattern, c, part.quoted);
  }
  return true;
}

std::optional<std::vector<std::string>> ShellMachine::expand_words(
    Run run, const std::vector<ShellWord>& words) {
  std::vector<std::string> result;
  for (const ShellWord& word : words) {
    std::vector<Field> fields;
    ShellWord expanded = word;
    if (!expanded.empty() && expanded[0].kind == WordPart::Kind::text && !expanded[0].quoted &&
        (expanded[0].text == "~" || expanded[0].text.starts_with("~/"))) {
      expanded[0].text.replace(0, 1, parameter(run, "HOME").value_or("/root"));
    }
    if (!expand_into(run, expanded, fields, true)) return std::nullopt;
    for (Field& field : fields) {
      if (field.text.empty() && !field.real) continue;
      if (has_glob(field.pattern)) {
        const std::size_t before = result.size();
        glob(run, field.pattern, result);
        if (result.size() == before) result.push_back(std::move(field.text));
      } else {
        result.push_back(std::move(field.text));
      }
      if (result.size() > kMostFields) {
        fail_script(run, "too many words", 2);
        return std::nullopt;
      }
    }
  }
  return result;
}

std::optional<std::string> ShellMachine::expand_text(Run run, const ShellWord& word) {
  std::vector<Field> fields;
  if (!expand_into(run, word, fields, false)) return std::nullopt;
  std::string text;
  for (const Field& field : fields) text += field.text;
  return text;
}

std::optional<std::string> ShellMachine::expand_pattern(Run run, const ShellWord& word) {
  std::vector<Field> fields;
  if (!expand_into(run, word, fields, false)) return std::nullopt;
  std::string text;
  for (const Field& field : fields) text += field.pattern;
  return text;
}

void ShellMachine::glob(Run run, const std::string& pattern, std::vector<std::string>& into) const {
  const FileView view = run.table.view(run.process);
  const bool absolute = pattern.starts_with('/');
  std::vector<std::string> found{absolute ? "/" : ""};
  std::size_t at = 0;
  while (at < pattern.size() && !found.empty()) {
    if (pattern[at] == '/') {
      ++at;
      continue;
    }
    const std::size_t end = std::min(pattern.find('/', at), pattern.size());
    const std::string part = pattern.substr(at, end - at);
    const bool last = end == pattern.size();
    at = end;
    std::vector<std::string> next;
    for (const std::string& base : found) {
      const std::string directory =
          base.starts_with('/') ? base : scope_.directory + "/" + base;
      if (!has_glob(part)) {
        std::string plain;
        for (std::size_t i = 0; i < part.size(); ++i) {
          if (part[i] == '\\' && i + 1 < part.size()) ++i;
          plain += part[i];
        }
        const auto info = view.stat(directory + "/" + plain);
        if (info && *info) next.push_back(base + plain + (last ? "" : "/"));
        continue;
      }
      const auto entries = view.list(directory);
      if (!entries) continue;
      for (const DirectoryEntry& entry : *entries) {
        if (entry.name.starts_with('.') && !part.starts_with('.')) continue;
        if (!glob_match(part, entry.name)) continue;
        if (!last && entry.kind != FileKind::directory && entry.kind != FileKind::symlink) continue;
        next.push_back(base + entry.name + (last ? "" : "/"));
        if (next.size() > kMostFields) return;
      }
    }
    found = std::move(next);
  }
  std::sort(found.begin(), found.end());
  into.insert(into.end(), found.begin(), found.end());
}

std::optional<std::int64_t> ShellMachine::arithmetic(Run run, std::string_view expression,
                                                     std::string& error) {
  return evaluate_arithmetic(
      expression,
      [&](const std::string& name) { return parameter(run, name).value_or("0"); }, error);
}

}  // namespace twinhull::sim
