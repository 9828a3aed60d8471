#include "runtime/config/suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace twinhull {
namespace {

/// Levenshtein distance in one row.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

std::vector<std::string> nearest_names(std::string_view word,
                                       const std::vector<std::string_view>& known) {
  std::vector<std::pair<std::size_t, std::string_view>> found;
  if (word.empty() || word.size() > 64) return {};  // no typing slip
  const std::size_t most = std::max<std::size_t>(2, word.size() / 3);
  for (const std::string_view name : known) {
    const std::size_t edits = distance(word, name);
    if (edits <= most || (word.size() >= 2 && name.starts_with(word)))
      found.emplace_back(edits, name);
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> result;
  for (const auto& [edits, name] : found) {
    if (result.size() == 3) break;
    result.emplace_back(name);
  }
  return result;
}

std::string suggestion(std::string_view word, const std::vector<std::string_view>& known,
                       std::string_view otherwise) {
  const auto near = nearest_names(word, known);
  if (near.empty()) return std::string(otherwise);
  return fmt::format("did you mean {}?", fmt::join(near, ", "));
}

}  // namespace twinhull
