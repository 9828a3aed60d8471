// The report as Markdown and JSON.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bench/fidelity/compare.h"

namespace twinhull::fidelity {
namespace {

const char* unit_of(Kind kind) {
  switch (kind) {
    case Kind::share:
    case Kind::limited_share: return "CPU";
    case Kind::throttled_periods: return "of periods throttled";
    case Kind::throttled_time: return "of time throttled";
    case Kind::oom_bytes: return "MiB";
    case Kind::victim: return "dies";
    case Kind::io_bandwidth: return "MiB/s";
    case Kind::io_operations: return "operations/s";
    case Kind::io_share: return "of what was moved";
    case Kind::slow_down: return "s";
  }
  return "";
}

std::string number(Kind kind, double value) {
  if (kind == Kind::oom_bytes || kind == Kind::io_bandwidth) return fmt::format("{:.2f}", value / (1 << 20));
  return kind == Kind::io_operations ? fmt::format("{:.1f}", value) : fmt::format("{:.4f}", value);
}

std::string value_text(const Figure& figure, bool predicted) {
  if (figure.kind == Kind::victim) return predicted ? figure.predicted_text : figure.measured_text;
  return number(figure.kind, predicted ? figure.predicted : figure.measured);
}

std::string percent(double part) { return fmt::format("{:.2f} %", part * 100); }

bool reached(const Bar& bar, const Verdict& verdict) {
  return verdict.median <= bar.median && verdict.worst <= bar.worst;
}

}  // namespace

const char* key_of(Kind kind) {
  switch (kind) {
    case Kind::share: return "share";
    case Kind::limited_share: return "limited_share";
    case Kind::throttled_periods: return "throttled_periods";
    case Kind::throttled_time: return "throttled_time";
    case Kind::oom_bytes: return "oom_bytes";
    case Kind::victim: return "victim";
    case Kind::io_bandwidth: return "io_bandwidth";
    case Kind::io_operations: return "io_operations";
    case Kind::io_share: return "io_share";
    case Kind::slow_down: return "slow_down";
  }
  return "";
}


std::string markdown(const Plan& plan, const Report& report, const std::string& heading,
                     const std::string& notes) {
  std::string text = heading;
  text += "\n## Result\n\n| figure | count | median error | bar | worst error | bar | reached | worst case |\n"
          "|---|---|---|---|---|---|---|---|\n";
  for (const Bar& bar : bars()) {
    const Verdict verdict = judge(report, bar.kind);
    if (verdict.count == 0) continue;
    text += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} |\n", bar.title, verdict.count,
                        percent(verdict.median), percent(bar.median), percent(verdict.worst),
                        percent(bar.worst), reached(bar, verdict) ? "yes" : "**no**",
                        verdict.worst > 0 ? verdict.worst_name : "");
  }
  text += fmt::format("\n{} cases, {} measurements on the real kernel in all runs, {} of them discarded and repeated "
                      "because the groups together got less than 97 % of what they could.\n",
                      plan.cases.size(), report.measurements, report.discarded);
  if (!report.disturbed.empty()) {
    text += "Repetitions that stayed below 97 % after two more tries; the best try counts:";
    for (const std::string& name : report.disturbed) text += " \"" + name + "\"";
    text += ".\n";
  }
  if (!report.refused.empty()) {
    text += "\nNot to be had on this machine, so not compared:\n\n";
    for (const auto& [name, reason] : report.refused) text += "- " + name + ": " + reason + "\n";
  }
  if (!notes.empty()) text += "\n" + notes;
  text += "\n## Every figure\n\n| case | group | predicted | measured | spread | | error |\n|---|---|---|---|---|---|---|\n";
  for (const Figure& figure : report.figures)
    text += fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", figure.name, figure.group,
                        value_text(figure, true), value_text(figure, false),
                        figure.spread > 0 ? number(figure.kind, figure.spread) : "",
                        unit_of(figure.kind), percent(figure.error()));
  return text;
}

std::string json(const Plan& plan, const Report& report, const std::string& machine) {
  nlohmann::json root{{"machine", machine}, {"anew", report.anew},
                      {"cases", plan.cases.size()},
                      {"repetitions", plan.repetitions},
                      {"seconds", std::chrono::duration<double>(plan.length).count()},
                      {"measurements", report.measurements},
                      {"discarded", report.discarded},
                      {"disturbed", report.disturbed},
                      {"refused", report.refused},
                      {"bars", nlohmann::json::array()},
                      {"figures", nlohmann::json::array()}};
  for (const Bar& bar : bars()) {
    const Verdict verdict = judge(report, bar.kind);
    root["bars"].push_back({{"figure", key_of(bar.kind)},
                            {"count", verdict.count},
                            {"median_error", verdict.median},
                            {"median_bar", bar.median},
                            {"worst_error", verdict.worst},
                            {"worst_bar", bar.worst},
                            {"reached", reached(bar, verdict)},
                            {"worst", verdict.worst_name}});
  }
  for (const Figure& figure : report.figures) {
    nlohmann::json row{{"case", figure.name}, {"group", figure.group}, {"figure", key_of(figure.kind)},
                       {"error", figure.error()}, {"spread", figure.spread}};
    if (figure.kind == Kind::victim) {
      row["predicted"] = figure.predicted_text;
      row["measured"] = figure.measured_text;
    } else {
      row["predicted"] = figure.predicted;
      row["measured"] = figure.measured;
    }
    root["figures"].push_back(std::move(row));
  }
  return root.dump(1) + "\n";
}

}  // namespace twinhull::fidelity
