// Command lines in tests as people write them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace twinhull::tools {

/// "a 'b c' d" as the words a, "b c", d; '' is an empty word.
inline std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  bool inside_word = false;
  bool quoted = false;
  for (const char letter : text) {
    if (letter == '\'') {
      quoted = !quoted;
      if (!inside_word) words.emplace_back();
      inside_word = true;
    } else if (letter == ' ' && !quoted) {
      inside_word = false;
    } else {
      if (!inside_word) words.emplace_back();
      inside_word = true;
      words.back() += letter;
    }
  }
  return words;
}

}  // namespace twinhull::tools
