#include "tools/common/named_options.h"

#include <algorithm>

namespace twinhull::tools {
namespace {

bool may_name(std::string_view word, std::string_view spelling) {
  if (spelling.starts_with("--")) return word.starts_with(spelling);
  return spelling.size() == 2 && word.size() >= 2 && word[0] == '-' && word[1] != '-' &&
         word.find(spelling[1]) != std::string_view::npos;
}

}  // namespace

NamedOptions::NamedOptions(std::span<const std::string> words) : words_(words), all_(false) {
  all_ = may_have("-h,--help");
}

bool NamedOptions::may_have(std::string_view spellings) const {
  if (all_) return true;
  while (!spellings.empty()) {
    const std::size_t comma = std::min(spellings.find(','), spellings.size());
    const std::string_view spelling = spellings.substr(0, comma);
    if (std::any_of(words_.begin(), words_.end(),
                    [&](const std::string& word) { return may_name(word, spelling); }))
      return true;
    spellings.remove_prefix(std::min(comma + 1, spellings.size()));
  }
  return false;
}

}  // namespace twinhull::tools
