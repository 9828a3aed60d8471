#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <tuple>

#include "backends/sim/cpu/scheduler_rules.h"
#include "bench/fidelity/compare.h"

namespace twinhull::fidelity {

namespace {

Error wrong(ErrorCode code, const std::string& object, std::string_view why) {
  return fail(code, "fidelity.measured", object, why);
}

using Rows = std::map<std::tuple<std::string, std::string, std::string>, nlohmann::json>;

/// What one run measured, in place of what an earlier one had of the same cases.
Status add_run(const nlohmann::json& root, const Plan& plan, Report& report, Rows& rows) {
  if (root.at("seconds").get<double>() != std::chrono::duration<double>(plan.length).count() ||
      root.at("repetitions").get<unsigned>() != plan.repetitions)
    return wrong(ErrorCode::not_found, "the earlier run", "had another length or other repetitions");
  std::set<std::string> measured;
  for (const auto& row : root.at("figures")) measured.insert(row.at("case").get<std::string>());
  const auto refused = root.at("refused").get<decltype(report.refused)>();
  for (const auto& [name, why] : refused) measured.insert(name);
  std::erase_if(rows, [&](const auto& row) { return measured.contains(std::get<0>(row.first)); });
  std::erase_if(report.disturbed, [&](const std::string& name) { return measured.contains(name); });
  std::erase_if(report.refused, [&](const auto& entry) { return measured.contains(entry.first); });
  for (const auto& row : root.at("figures"))
    rows[{row.at("case"), row.at("group"), row.at("figure")}] = row;
  report.measurements += root.at("measurements").get<unsigned>();
  report.discarded += root.at("discarded").get<unsigned>();
  std::ranges::copy(root.at("disturbed").get<std::vector<std::string>>(),
                    std::back_inserter(report.disturbed));
  std::ranges::copy(refused, std::back_inserter(report.refused));
  if (const std::string anew = root.value("anew", ""); !anew.empty())
    report.anew += (report.anew.empty() ? "" : "; ") + anew;
  const std::string machine = root.at("machine");
  if (report.machine.find(machine) == std::string::npos)
    report.machine += (report.machine.empty() ? "" : " and ") + machine;
  return {};
}

}  // namespace

Status measured_before(const Plan& plan, Report& report, const std::vector<std::string>& runs) {
  try {
    Rows rows;
    for (const std::string& run : runs) TH_TRY(add_run(nlohmann::json::parse(run), plan, report, rows));
    // Of a case that is to be measured now it does not matter how an earlier run went.
    const auto is_planned = [&](const std::string& name) {
      return std::ranges::any_of(plan.cases, [&](const Case& item) { return item.name == name; });
    };
    std::erase_if(report.disturbed, [&](const std::string& name) { return !is_planned(name); });
    std::erase_if(report.refused, [&](const auto& entry) { return !is_planned(entry.first); });
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

Result<std::string> release_measured(const std::vector<std::string>& runs) {
  std::string release;
  try {
    for (const std::string& run : runs) {
      std::istringstream words(nlohmann::json::parse(run).at("machine").get<std::string>());
      // "Linux RELEASE …", several times where a report already is of several runs.
      for (std::string word; words >> word;) {
        if (word != "Linux" || !(words >> word)) continue;
        if (!release.empty() && sim::rules_of(word) != sim::rules_of(release))
          return wrong(ErrorCode::invalid_argument, release + " and " + word,
                       "these kernels share CPU time by different rules: predict their runs one by one");
        release = word;
      }
    }
  } catch (const nlohmann::json::exception& error) {
    return wrong(ErrorCode::corrupt, "the earlier run", error.what());
  }
  if (!sim::is_release(release)) return wrong(ErrorCode::corrupt, "the earlier run", "names no kernel");
  return release;
}

}  // namespace twinhull::fidelity
