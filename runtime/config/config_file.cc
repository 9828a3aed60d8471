#include "runtime/config/config_file.h"

#include <fmt/format.h>

#include <algorithm>

namespace twinhull {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 20;
constexpr std::size_t kUsualLine = 24;

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

bool is_key(std::string_view key) {
  if (key.empty() || (key[0] >= '0' && key[0] <= '9')) return false;  // no name for sh
  return std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

/// A value as sh reads it, and where it ends. `problem` says why it cannot be read.
struct Word {
  std::string value;
  std::size_t end = 0;
  const char* problem = nullptr;
};

/// Reads one shell word from `at`: plain text, '…', "…" and backslashes, in any sequence.
/// Parameters such as $VEID are not expanded: they are replaced when the value is used.
Word read_word(std::string_view line, std::size_t at) {
  Word word;
  while (at < line.size()) {
    const char c = line[at];
    if (is_blank(c)) break;
    if (c == '\'') {
      const std::size_t close = line.find('\'', at + 1);
      if (close == std::string_view::npos) {
        word.problem = "a quote (') is not closed";
        return word;
      }
      word.value.append(line.substr(at + 1, close - at - 1));
      at = close + 1;
    } else if (c == '"') {
      ++at;
      while (true) {
        std::size_t end = at;
        while (end < line.size() && line[end] != '"' && line[end] != '\\') ++end;
        word.value.append(line, at, end - at);
        at = end;
        if (at >= line.size() || line[at] == '"') break;
        if (at + 1 < line.size() &&
            std::string_view("$`\"\\").find(line[at + 1]) != std::string_view::npos) {
          ++at;
        }
        word.value += line[at++];
      }
      if (at >= line.size()) {
        word.problem = "a quote (\") is not closed";
        return word;
      }
      ++at;
    } else if (c == '\\') {
      if (at + 1 >= line.size()) {
        word.problem = "a value cannot go on in the next line";
        return word;
      }
      word.value += line[at + 1];
      at += 2;
    } else {
      std::size_t end = at + 1;
      while (end < line.size() && !is_blank(line[end]) && line[end] != '\'' && line[end] != '"' &&
             line[end] != '\\')
        ++end;
      word.value.append(line, at, end - at);
      at = end;
    }
  }
  word.end = at;
  const std::size_t rest = line.find_first_not_of(" \t\r", at);
  if (rest != std::string_view::npos && line[rest] != '#') {
    word.problem = "a value with blanks needs quotes";
  }
  return word;
}

/// Position of '=' in a line "KEY=…", npos for any other line.
std::size_t assignment(std::string_view line, std::size_t start) {
  const std::size_t equals = line.find('=', start);
  if (equals == std::string_view::npos || !is_key(line.substr(start, equals - start))) {
    return std::string_view::npos;
  }
  return equals;
}

std::size_t first_text(std::string_view line) {
  const std::size_t at = line.find_first_not_of(" \t");
  return at == std::string_view::npos ? line.size() : at;
}

/// VE_ROOT and VE_PRIVATE keep $VEID as a parameter, for the scripts that source the file.
bool keeps_parameter(std::string_view key) {
  return key == "VE_ROOT" || key == "VE_PRIVATE";
}

std::string quoted(std::string_view key, std::string_view value) {
  std::string text = "\"";
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    const std::string_view rest = value.substr(i);
    const bool parameter =
        keeps_parameter(key) && (rest.starts_with("$VEID") || rest.starts_with("${VEID}"));
    if ((c == '$' && !parameter) || c == '`' || c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + '"';
}

/// One of 256 bits for a key.
std::uint8_t key_bit(std::string_view key) {
  std::uint32_t hash = 2166136261U;  // FNV-1a: the same on every machine
  for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return static_cast<std::uint8_t>(hash ^ (hash >> 8) ^ (hash >> 16));
}

}  // namespace

bool ConfigFile::may_have(std::string_view key) const {
  const std::uint8_t bit = key_bit(key);
  return (seen_[bit / 64] >> (bit % 64) & 1) != 0;
}

void ConfigFile::note(std::string_view key) {
  const std::uint8_t bit = key_bit(key);
  seen_[bit / 64] |= std::uint64_t{1} << (bit % 64);
}

Result<ConfigFile> ConfigFile::parse(std::string_view text, std::string_view name) {
  const auto corrupt = [&](std::size_t line, std::string_view why) {
    const std::string where = line == 0 ? std::string(name) : fmt::format("{}:{}", name, line);
    return fail(ErrorCode::corrupt, "config.parse", where, why)
        .with_exit_code(85)
        .with_hint("mend the file with an editor");
  };
  if (text.size() > kMostBytes) return corrupt(0, "larger than 1 MiB, no configuration");
  ConfigFile file;
  file.lines_.reserve(text.size() / kUsualLine + 1);
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t newline = text.find('\n');
    const std::string_view line = text.substr(0, newline);
    text.remove_prefix(newline == std::string_view::npos ? text.size() : newline + 1);
    if (line.find('\0') != std::string_view::npos) return corrupt(number, "a NUL byte");
    Line& entry = file.lines_.emplace_back();
    entry.text = line;
    const std::size_t start = first_text(line);
    if (const std::size_t equals = assignment(line, start); equals != std::string_view::npos) {
      Word word = read_word(line, equals + 1);
      if (word.problem != nullptr) {
        return corrupt(number,
                       fmt::format("{}: {}", line.substr(start, equals - start), word.problem));
      }
      entry.key = line.substr(start, equals - start);
      entry.value = std::move(word.value);
      file.note(entry.key);
    }
  }
  return file;
}

std::optional<std::string> ConfigFile::get(std::string_view key) const {
  if (!may_have(key)) return std::nullopt;
  for (auto line = lines_.rbegin(); line != lines_.rend(); ++line) {
    if (!line->key.empty() && line->key == key) return line->value;
  }
  return std::nullopt;
}

Status ConfigFile::set(std::string_view key, std::string_view value) {
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorCode::invalid_argument, "config.set", key, why).with_exit_code(21);
  };
  if (!is_key(key)) return refuse("not a key: A-Z, 0-9 and _ only, no digit first");
  if (value.find('\n') != std::string_view::npos) return refuse("a value of one line is needed");
  if (value.find('\0') != std::string_view::npos) return refuse("a value cannot hold a NUL byte");
  std::size_t total = key.size() + 2 * value.size() + 8;
  for (const Line& line : lines_) total += line.text.size() + 1;
  if (total > kMostBytes) return refuse("the file would grow beyond 1 MiB");

  const auto last = std::find_if(lines_.rbegin(), lines_.rend(),
                                 [&](const Line& line) { return line.key == key; });
  if (last == lines_.rend()) {
    Line line;
    line.key = key;
    line.value = value;
    line.text = fmt::format("{}={}", key, quoted(key, value));
    note(key);
    lines_.push_back(std::move(line));
    return {};
  }
  if (last->value != value) {
    const std::string_view old = last->text;
    const std::size_t start = first_text(old);
    const Word word = read_word(old, assignment(old, start) + 1);
    std::string changed = fmt::format("{}{}={}{}", old.substr(0, start), key, quoted(key, value),
                                      old.substr(word.end));
    last->text = std::move(changed);
    last->value = value;
  }
  const Line* const keep = &*last;
  std::vector<Line> lines;
  lines.reserve(lines_.size());
  for (Line& line : lines_) {
    if (&line == keep || line.key != key) lines.push_back(std::move(line));
  }
  lines_ = std::move(lines);
  return {};
}

bool ConfigFile::unset(std::string_view key) {
  if (key.empty()) return false;
  return std::erase_if(lines_, [&](const Line& line) { return line.key == key; }) > 0;
}

std::size_t ConfigFile::line_of(std::string_view key) const {
  for (std::size_t i = lines_.size(); i > 0; --i) {
    if (!lines_[i - 1].key.empty() && lines_[i - 1].key == key) return i;
  }
  return 0;
}

std::vector<std::string> ConfigFile::keys() const {
  std::vector<std::string> result;
  for (const Line& line : lines_) {
    if (line.key.empty()) continue;
    if (std::find(result.begin(), result.end(), line.key) == result.end()) {
      result.push_back(line.key);
    }
  }
  return result;
}

std::string ConfigFile::text() const {
  std::string text;
  for (const Line& line : lines_) {
    text += line.text;
    text += '\n';
  }
  return text;
}

}  // namespace twinhull
