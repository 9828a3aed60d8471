#include "tools/vzasysd/report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace twinhull::tools::asys {

std::string report_table(const TickReport& report) {
  if (report.containers.empty()) return {};
  std::string text = fmt::format("{:>10} {:>9} {:>9} {:>9} {:>10}  {}\n", "CTID", "AVERAGE%",
                                 "ABOVE%", "OF_CPU%", "BURSTLIM%", "IMPOSED");
  for (const Observed& one : report.containers) {
    const std::string average =
        one.average ? fmt::format("{}.{:02}", *one.average / 100, *one.average % 100) : "-";
    text += fmt::format("{:>10} {:>9} {:>9} {:>9} {:>10}  {}\n", one.id.text(), average,
                        one.threshold, one.reference, one.burst_limit, one.imposed ? "yes" : "no");
  }
  return text;
}

std::string report_json(const TickReport& report) {
  using Json = nlohmann::ordered_json;
  Json all = Json::array();
  for (const Observed& one : report.containers) {
    all.push_back(
        {{"ctid", one.id.value},
         {"name", one.name.empty() ? Json() : Json(one.name)},
         {"average", one.average ? Json(static_cast<double>(*one.average) / 100) : Json()},
         {"threshold", one.threshold},
         {"reference", one.reference},
         {"burst_cpulimit", one.burst_limit},
         {"imposed", one.imposed},
         {"changed", one.changed}});
  }
  return all.dump(2) + "\n";
}

}  // namespace twinhull::tools::asys
