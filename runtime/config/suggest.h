// "Did you mean …": names close to a mistyped one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace twinhull {

/// Up to three of `known` that are at most a third of the word's length (at least 2) edits away,
/// or that start with it; nearest first, then by name.
std::vector<std::string> nearest_names(std::string_view word,
                                       const std::vector<std::string_view>& known);

/// "did you mean a, b?", or `otherwise` when nothing is near.
std::string suggestion(std::string_view word, const std::vector<std::string_view>& known,
                       std::string_view otherwise);

}  // namespace twinhull
