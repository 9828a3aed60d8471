#include "runtime/migrate/ssh_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "runtime/migrate/exit_codes.h"

namespace twinhull::migrate {
namespace {

/// Letters of ssh(1), OpenSSH 9: with a value, and without. Those that are missing here end without
/// a session (-N -W -V -G -Q -O), take its streams away (-f -n -s) or put a
/// terminal between them (-t).
constexpr std::string_view kWithValue = "BbcDEeFIiJLlmopRSw";
constexpr std::string_view kAlone = "46AaCgKkMqTvXxYy";

Error refuse(std::string_view word, std::string_view why) {
  return fail(ErrorCode::invalid_argument, "migrate.options", fmt::format("--ssh: {}", word), why)
      .with_exit_code(to_int(MigrateExit::usage))
      .with_hint(R"(accepted are options of ssh, such as --ssh="-p 2222 -i /root/.ssh/moves")");
}

Result<std::vector<std::string>> split(std::string_view text) {
  std::vector<std::string> words;
  std::optional<std::string> word;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char letter = text[i];
    const auto byte = static_cast<unsigned char>(letter);
    if ((byte < ' ' && letter != '\t') || byte == 0x7F)
      return refuse("control character", "is no part of an option");
    if (quote == 0 && (letter == ' ' || letter == '\t')) {
      if (word) words.push_back(*std::exchange(word, std::nullopt));
      continue;
    }
    if (!word) word.emplace();
    if (quote == 0 && (letter == '\'' || letter == '"')) {
      quote = letter;
      continue;
    }
    if (letter == quote) {
      quote = 0;
      continue;
    }
    if (letter == '\\' && quote != '\'') {
      if (++i == text.size()) return refuse(text, "ends with a backslash");
      letter = text[i];
    }
    *word += letter;
  }
  if (quote != 0) return refuse(text, "a quote is not closed");
  if (word) words.push_back(*word);
  return words;
}

/// Whether the option's value is the next word.
Result<bool> check_option(std::string_view word) {
  if (word.size() < 2 || word[0] != '-') return refuse(word, "is no option, and the host is named");
  for (std::size_t i = 1; i < word.size(); ++i) {
    if (kWithValue.contains(word[i])) return i + 1 == word.size();
    if (!kAlone.contains(word[i]))
      return refuse(word, "ssh could not carry a migration with it, or does not know it");
  }
  return false;
}

}  // namespace

Result<std::vector<std::string>> parse_ssh_options(std::string_view text) {
  TH_ASSIGN(std::vector<std::string> words, split(text));
  if (words.empty()) return refuse("nothing", "no option is named");
  for (std::size_t i = 0; i < words.size(); ++i) {
    TH_ASSIGN(const bool value_follows, check_option(words[i]));
    if (value_follows && ++i == words.size())
      return refuse(words.back(), "the value of the option is missing");
  }
  return words;
}

std::string ssh_options_fact(const std::vector<std::string>& words) {
  std::string fact;
  for (const std::string& word : words) fact += (fact.empty() ? "" : "\n") + word;
  return fact;
}

std::vector<std::string> ssh_options_of_fact(std::string_view fact) {
  std::vector<std::string> words;
  while (!fact.empty()) {
    const std::size_t end = std::min(fact.find('\n'), fact.size());
    words.emplace_back(fact.substr(0, end));
    fact.remove_prefix(std::min(end + 1, fact.size()));
  }
  return words;
}

}  // namespace twinhull::migrate
