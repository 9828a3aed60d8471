// The report as Markdown, JSON and SVG.
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

std::string markdown(const Plan& plan, const Report& report, const std::string& heading) {
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
  text += fmt::format("\n{} cases, {} measurements on the real kernel, {} of them discarded and repeated "
                      "because the groups together got less than 97 % of what they could.\n",
                      plan.cases.size(), report.measurements, report.discarded);
  if (!report.disturbed.empty()) {
    text += "Repetitions that stayed below 97 % after two more tries; the best try counts:";
    for (const std::string& name : report.disturbed) text += " \"" + name + "\"";
    text += ".\n";
  }
  if (!report.refused.empty()) {
    text += "\nRefused by this kernel, so not compared:\n\n";
    for (const auto& [name, reason] : report.refused) text += "- " + name + ": " + reason + "\n";
  }
  text += "\n## Every figure\n\n| case | group | predicted | measured | spread | | error |\n|---|---|---|---|---|---|---|\n";
  for (const Figure& figure : report.figures)
    text += fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", figure.name, figure.group,
                        value_text(figure, true), value_text(figure, false),
                        figure.spread > 0 ? number(figure.kind, figure.spread) : "",
                        unit_of(figure.kind), percent(figure.error()));
  return text;
}

std::string json(const Plan& plan, const Report& report, const std::string& machine) {
  nlohmann::json root{{"machine", machine},
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

std::string svg(const Report& report) {
  constexpr double kSize = 520, kEdge = 50;
  double most = 1;
  for (const Figure& figure : report.figures)
    if (figure.kind <= Kind::throttled_time)
      most = std::max({most, figure.predicted, figure.measured});
  const auto x = [&](double value) { return kEdge + value / most * kSize; };
  const auto y = [&](double value) { return kEdge + kSize - value / most * kSize; };
  std::string text = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {0}\" font-family=\"sans-serif\" "
      "font-size=\"12\">\n<rect width=\"{0}\" height=\"{0}\" fill=\"#fff\"/>\n",
      kSize + 2 * kEdge);
  text += fmt::format("<path d=\"M{} {}L{} {}\" stroke=\"#999\"/>\n", x(0), y(0), x(most), y(most));
  text += fmt::format("<path d=\"M{0} {1}V{2}H{3}\" stroke=\"#000\" fill=\"none\"/>\n", x(0), y(most),
                      y(0), x(most));
  for (double tick = 0; tick <= most + 1e-9; tick += 0.25)
    text += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{:.2f}</text>"
                        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{:.2f}</text>\n",
                        x(tick), y(0) + 16, tick, x(0) - 6, y(tick) + 4, tick);
  text += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">measured on the real kernel</text>"
                      "<text transform=\"translate(14 {}) rotate(-90)\" text-anchor=\"middle\">predicted by "
                      "the simulator</text>\n",
                      kEdge + kSize / 2, kSize + 2 * kEdge - 10, kEdge + kSize / 2);
  struct Series {
    Kind kind;
    const char* colour;
    const char* title;
  };
  constexpr Series kSeries[] = {{Kind::share, "#0072b2", "CPU share, weights only (CPUs)"},
                                {Kind::limited_share, "#009e73", "CPU share with limits (CPUs)"},
                                {Kind::throttled_periods, "#e69f00", "throttled part of the periods"},
                                {Kind::throttled_time, "#d55e00", "throttled time over time"}};
  double line = kEdge + 4;
  for (const Series& series : kSeries) {
    for (const Figure& figure : report.figures)
      if (figure.kind == series.kind)
        text += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\" fill=\"{}\" "
                            "fill-opacity=\"0.6\"/>\n",
                            x(figure.measured), y(figure.predicted), series.colour);
    text += fmt::format("<circle cx=\"{0}\" cy=\"{1}\" r=\"4\" fill=\"{2}\"/><text x=\"{3}\" y=\"{4}\">{5}"
                        "</text>\n",
                        kEdge + 16, line, series.colour, kEdge + 26, line + 4, series.title);
    line += 18;
  }
  return text + "</svg>\n";
}

}  // namespace twinhull::fidelity
