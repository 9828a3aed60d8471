#include "scenarios/engine/pattern.h"

#include <algorithm>
#include <regex>

namespace twinhull::scenario {
namespace {

constexpr std::size_t kMostPattern = 200;
/// std::regex recurses along the text: longer texts are searched line by line anyway.
constexpr std::size_t kMostLine = 4096;

bool search(const std::string& pattern, std::string_view text) {
  const std::regex expression(pattern, std::regex::ECMAScript);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string line(text.substr(0, std::min(end, kMostLine)));
    if (std::regex_search(line, expression)) return true;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return std::regex_search(std::string(), expression);
}

}  // namespace

std::optional<std::string> pattern_problem(const std::string& pattern) {
  if (pattern.size() > kMostPattern)
    return "longer than " + std::to_string(kMostPattern) + " characters";
  // A counted repetition of a counted repetition grows the automaton beyond all memory.
  if (std::count(pattern.begin(), pattern.end(), '{') > 2)
    return "more than two counted repetitions";
  std::size_t digits = 0;
  bool counting = false;
  for (const char c : pattern) {
    if (c == '{') counting = true;
    digits = counting && c >= '0' && c <= '9' ? digits + 1 : 0;
    if (c == '}') counting = false;
    if (digits > 2) return "a repetition of 100 or more";
  }
  try {
    const std::regex expression(pattern, std::regex::ECMAScript);
    return std::nullopt;
  } catch (const std::regex_error& error) {
    return std::string(error.what());
  }
}

std::optional<std::string> mismatch(const OutputCheck& check, std::string_view text,
                                    std::string_view what) {
  const std::string shown = text.empty() ? " is empty" : " is \"" + excerpt(text) + "\"";
  const std::string subject(what);
  if (check.empty && !squeezed_lines(text).empty())
    return subject + " should be empty, but" + shown;
  for (const std::string& wanted : check.contains)
    if (text.find(wanted) == std::string_view::npos)
      return subject + " should contain \"" + wanted + "\", but" + shown;
  for (const std::string& unwanted : check.lacks)
    if (text.find(unwanted) != std::string_view::npos)
      return subject + " should not contain \"" + unwanted + "\", but" + shown;
  for (const std::string& pattern : check.matches) {
    try {
      if (!search(pattern, text)) return subject + " should match /" + pattern + "/, but" + shown;
    } catch (const std::regex_error& error) {
      return "/" + pattern + "/: " + error.what();
    }
  }
  if (check.lines) {
    const auto lines = squeezed_lines(text);
    if (lines != *check.lines) {
      std::string wanted;
      for (const std::string& line : *check.lines) wanted += line + "\n";
      return subject + " should be the lines \"" + excerpt(wanted) + "\", but" + shown;
    }
  }
  return std::nullopt;
}

}  // namespace twinhull::scenario
