#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "bench/fidelity/compare.h"

namespace twinhull::fidelity {

Status measured_before(const Plan& plan, Report& report, const std::string& text) {
  const auto wrong = [](ErrorCode code, const std::string& object, std::string_view why) {
    return fail(code, "fidelity.measured", object, why);
  };
  try {
    const auto root = nlohmann::json::parse(text);
    if (root.at("seconds").get<double>() != std::chrono::duration<double>(plan.length).count() ||
        root.at("repetitions").get<unsigned>() != plan.repetitions)
      return wrong(ErrorCode::not_found, "the earlier run", "had another length or other repetitions");
    std::map<std::tuple<std::string, std::string, std::string>, nlohmann::json> rows;
    for (const auto& row : root.at("figures"))
      rows[{row.at("case"), row.at("group"), row.at("figure")}] = row;
    report.measurements = root.at("measurements");
    report.machine = root.at("machine");
    report.discarded = root.at("discarded");
    report.disturbed = root.at("disturbed").get<std::vector<std::string>>();
    report.refused = root.at("refused").get<decltype(report.refused)>();
    std::erase_if(report.figures, [&](const Figure& figure) {
      return std::ranges::any_of(report.refused, [&](const auto& entry) { return entry.first == figure.name; });
    });
    for (Figure& figure : report.figures) {
      const auto found = rows.find({figure.name, figure.group, key_of(figure.kind)});
      if (found == rows.end())
        return wrong(ErrorCode::not_found, figure.name + ", " + figure.group, "was not measured then");
      figure.spread = found->second.at("spread");
      if (figure.kind == Kind::victim)
        figure.measured_text = found->second.at("measured");
      else
        figure.measured = found->second.at("measured");
    }
    return {};
  } catch (const nlohmann::json::exception& error) {
    return wrong(ErrorCode::corrupt, "the earlier run", error.what());
  }
}

}  // namespace twinhull::fidelity
