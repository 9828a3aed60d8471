// Which options a command line can mean, so that a parser need not hold all that there are: CLI11 compares
// every new option with those before it, which takes longer than most commands.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace twinhull::tools {

class NamedOptions {
 public:
  /// Every option, for help and for suggestions.
  NamedOptions() = default;
  /// Those that one of `words` may name. All of them when a word asks for help (-h, --help). The words
  /// must outlive it.
  explicit NamedOptions(std::span<const std::string> words);

  /// Whether a word may name one of `spellings` ("-f,--nodeps"): it begins with the long form, or it is a
  /// bundle of short ones with this letter. A value that looks like an option counts too.
  [[nodiscard]] bool may_have(std::string_view spellings) const;

 private:
  std::span<const std::string> words_;
  bool all_ = true;
};

}  // namespace twinhull::tools
