// Numbers in the platform's own files.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace twinhull {

/// The decimal number that is all of the text; std::nullopt for anything else, blanks and numbers out
/// of the type's range included.
template <typename Number>
std::optional<Number> whole_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace twinhull
