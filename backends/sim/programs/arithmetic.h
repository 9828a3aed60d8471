// Integer expressions of the shell.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace twinhull::sim {

/// Evaluates `1 + X * (2 - 3)` with || && == != < <= > >= + - * / % unary - ! ( ), 64 bits,
/// wrapping. `variable` gives the text of a name. std::nullopt with `error` for anything else.
std::optional<std::int64_t> evaluate_arithmetic(
    std::string_view expression, const std::function<std::string(const std::string&)>& variable,
    std::string& error);

}  // namespace twinhull::sim
