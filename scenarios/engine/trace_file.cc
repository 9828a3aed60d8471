#include "scenarios/engine/trace_file.h"

#include <algorithm>

namespace twinhull::scenario {

Result<std::vector<std::uint32_t>> trace_row(const DataReader& data, const std::string& path,
                                             std::size_t row) {
  const auto text = data ? data(path) : std::nullopt;
  if (!text)
    return fail(ErrorCode::not_found, "scenario.trace", path,
                "there is no trace file '" + path + "'")
        .with_hint("traces lie below scenarios/data");
  std::string_view rest = *text;
  bool heading = true;
  std::size_t seen = 0;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty() || line.front() == '#') continue;
    if (std::exchange(heading, false)) continue;
    if (++seen != row) continue;
    std::vector<std::uint32_t> values;
    std::size_t comma = line.find(',');
    while (comma != std::string_view::npos) {
      line.remove_prefix(comma + 1);
      comma = line.find(',');
      const auto value = parse_integer(line.substr(0, comma));
      if (!value || *value < 0 || *value > 100 || values.size() >= 100'000)
        return fail(ErrorCode::corrupt, "scenario.trace", path,
                    "row " + std::to_string(row) + " of '" + path + "' holds no percentages");
      values.push_back(static_cast<std::uint32_t>(*value));
    }
    if (!values.empty()) return values;
  }
  return fail(ErrorCode::not_found, "scenario.trace", path,
              "'" + path + "' has " + std::to_string(seen) + " rows, row " + std::to_string(row) +
                  " is not among them");
}

std::string trace_text(const std::vector<std::uint32_t>& trace) {
  std::string out;
  for (const std::uint32_t value : trace) out += std::to_string(value) + "\n";
  return out;
}

}  // namespace twinhull::scenario
