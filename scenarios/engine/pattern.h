// Whether a text is as an OutputCheck wants it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "scenarios/engine/scenario.h"

namespace twinhull::scenario {

/// What is wrong with a regular expression; std::nullopt when it is fine.
std::optional<std::string> pattern_problem(const std::string& pattern);

/// Why `text` does not meet `check`; std::nullopt when it does. `what` names the text.
std::optional<std::string> mismatch(const OutputCheck& check, std::string_view text,
                                    std::string_view what);

}  // namespace twinhull::scenario
