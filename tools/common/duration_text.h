// Durations as people write them: "200us", "1.5s", "24h".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "runtime/kernel/units.h"

namespace twinhull::tools {

/// A number (with at most nine decimals) and one of ns, us, ms, s, m, h, d; not negative, at most
/// 100 years. std::nullopt for anything else.
std::optional<Duration> parse_duration(std::string_view text);

/// Shortest exact-looking form: "0s", "200us", "1.5s", "2h3m".
std::string duration_text(Duration length);

}  // namespace twinhull::tools
