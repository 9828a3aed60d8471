#include "tools/vzctl/explanation.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace twinhull::tools::ctl {

std::string explanation_text(const container::ExplainedContainer& explained) {
  std::string out = fmt::format("CT {}{}, {}\n", explained.id.text(),
                                explained.name.empty() ? "" : " (" + explained.name + ")",
                                explained.state);
  for (const resource::Explanation& limit : explained.limits) {
    out += fmt::format("\n{}: {}\n", limit.parameter, limit.asked);
    const std::pair<const char*, std::string> lines[] = {
        {"from", fmt::format("{}: {}", to_string(limit.origin), limit.source)},
        {"kernel", limit.kept},
        {"means", limit.meaning},
        {"used", limit.used},
        {"so far", limit.hit}};
    for (const auto& [label, text] : lines)
      if (!text.empty()) out += fmt::format("  {:<7} {}\n", label, text);
  }
  return out;
}

std::string explanation_json(const container::ExplainedContainer& explained) {
  using Json = nlohmann::ordered_json;
  const auto text = [](const std::string& value) { return value.empty() ? Json() : Json(value); };
  Json limits = Json::array();
  for (const resource::Explanation& limit : explained.limits) {
    limits.push_back({{"parameter", limit.parameter},
                      {"origin", std::string(to_string(limit.origin))},
                      {"source", limit.source},
                      {"asked", limit.asked},
                      {"kept", text(limit.kept)},
                      {"meaning", text(limit.meaning)},
                      {"used", text(limit.used)},
                      {"hit", text(limit.hit)}});
  }
  const Json whole = {{"ctid", explained.id.value},
                      {"name", text(explained.name)},
                      {"status", explained.state},
                      {"limits", std::move(limits)}};
  return whole.dump(2) + "\n";
}

}  // namespace twinhull::tools::ctl
