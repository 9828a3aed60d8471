// One self-contained page: inline style, inline charts, no script, no outside reference.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "scenarios/engine/area_totals.h"
#include "scenarios/engine/charts.h"
#include "scenarios/engine/escape.h"
#include "scenarios/engine/html_style.h"
#include "scenarios/engine/report.h"
#include "scenarios/engine/text.h"

namespace twinhull::scenario {
namespace {

double seconds_of(Duration length) {
  return static_cast<double>(length.count()) / 1e9;
}

const char* word_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::passed: return "passed";
    case Outcome::failed: return "failed";
    case Outcome::skipped: return "skipped";
  }
  return "?";
}

std::string tile(const std::string& figure, const std::string& what,
                 const std::string& style = "") {
  return fmt::format("<div class=\"tile {}\"><b>{}</b><span>{}</span></div>", style, figure, what);
}

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, "\u2009");
  return digits;
}

std::string head(const SuiteReport& report, const AreaTotals& all) {
  const bool good = all.failed == 0;
  std::string out =
      fmt::format("<header><h1>{}</h1><p class=\"sub\">backend <b>{}</b></p><div class=\"tiles\">",
                  escape_xml(report.title), escape_xml(report.backend));
  out += tile(good ? "all passed" : fmt::format("{} failed", all.failed),
              fmt::format("{} of {} runs, {} skipped", all.passed, all.runs, all.skipped),
              good ? "good" : "bad");
  out += tile(std::to_string(all.scenarios), "scenarios");
  out += tile(duration_text(all.simulated), "simulated");
  out += tile(fmt::format("{:.2f} s", report.wall_seconds), "wall time");
  out += tile(grouped(all.crash_points), "crash points explored");
  return out + "</div></header>";
}

std::string area_table(const std::vector<AreaTotals>& rows) {
  std::string out =
      "<section><h2>Summary</h2><div class=\"scroll\"><table class=\"summary\"><thead><tr>"
      "<th>Area</th><th>Scenarios</th><th>Runs</th><th>Passed</th><th>Failed</th><th>Skipped</th>"
      "<th>Simulated</th><th>Wall</th><th>Crash points</th></tr></thead><tbody>";
  for (const AreaTotals& row : rows) {
    const bool last = &row == &rows.back();
    out += fmt::format(
        "<tr{}><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"{}\">{}</td><td>{}</td>"
        "<td>{}</td><td>{:.2f} s</td><td>{}</td></tr>",
        last ? " class=\"total\"" : "",
        last ? row.area : fmt::format("<a href=\"#{0}\">{0}</a>", row.area), row.scenarios,
        row.runs, row.passed, row.failed > 0 ? "bad" : "", row.failed, row.skipped,
        duration_text(row.simulated), row.wall_seconds, grouped(row.crash_points));
  }
  return out + "</tbody></table></div></section>";
}

std::string step_table(const ScenarioReport& scenario) {
  // Hundreds of like steps tell nothing that the chart does not.
  constexpr std::size_t kMost = 60;
  std::string out =
      "<div class=\"scroll\"><table "
      "class=\"steps\"><thead><tr><th>At</th><th>Took</th><th>Node</th>"
      "<th>Step</th><th>Line</th></tr></thead><tbody>";
  std::size_t shown = 0;
  std::size_t hidden = 0;
  for (std::size_t i = 0; i < scenario.steps.size(); ++i) {
    const StepReport& step = scenario.steps[i];
    const bool tail = i + 20 >= scenario.steps.size();
    if (shown >= kMost && !tail && !step.failed && !step.fault) {
      ++hidden;
      continue;
    }
    if (hidden > 0) {
      out +=
          fmt::format("<tr class=\"gap\"><td colspan=\"5\">… {} further steps …</td></tr>", hidden);
      hidden = 0;
    }
    ++shown;
    out += fmt::format(
        "<tr "
        "class=\"{}\"><td>{}</td><td>{}</td><td>{}</td><td><code>{}</code>{}</td><td>{}</td></tr>",
        step.failed  ? "bad"
        : step.fault ? "faulty"
                     : "",
        duration_text(step.start),
        step.end == step.start ? "" : duration_text(step.end - step.start), escape_xml(step.node),
        escape_xml(step.title),
        step.problem.empty() ? "" : "<div class=\"problem\">" + escape_xml(step.problem) + "</div>",
        step.mark.line);
  }
  return out + "</tbody></table></div>";
}

struct NodeRow {
  Duration demand{0};
  Duration delivered{0};
  Duration throttled{0};
  std::uint64_t periods = 0;
  std::size_t containers = 0;
};

void add(NodeRow& row, const ContainerSeries& series) {
  for (const LoadPoint& point : series.points) {
    row.demand += point.demand;
    row.delivered += point.delivered;
    row.throttled += point.throttled;
  }
  row.periods += series.throttled_periods;
  ++row.containers;
}

std::string figures(const NodeRow& row) {
  const double demand = seconds_of(row.demand) / 3600;
  const double delivered = seconds_of(row.delivered) / 3600;
  const double percent = demand > 0 ? 100 * delivered / demand : 100;
  return fmt::format(
      "<td>{:.2f}</td><td>{:.2f}</td><td class=\"{}\">{:.1f} %</td><td>{:.2f}</td><td>{}</td>",
      demand, delivered, percent < 95 ? "warn" : "", percent, seconds_of(row.throttled) / 3600,
      grouped(row.periods));
}

std::string recording_section(const Recording& recording) {
  constexpr const char* columns =
      "<th>Demand, CPU·h</th><th>Delivered, CPU·h</th><th>Share</th><th>Throttled, h</th>"
      "<th>Throttled periods</th>";
  std::map<std::string, NodeRow> nodes;
  NodeRow all;
  for (const ContainerSeries& series : recording.containers) {
    add(nodes[series.node], series);
    add(all, series);
  }
  std::string out = fmt::format(
      "<div class=\"recording\"><h4>{}</h4><p class=\"legend\"><i class=\"k demand\"></i>demand "
      "<i class=\"k delivered\"></i>delivered <i class=\"k throttled\"></i>withheld by a CPU limit "
      "<i class=\"k capacity\"></i>capacity; vertical axis: CPUs, samples every {}</p>",
      escape_xml(recording.title.empty() ? "CPU demand and delivery" : recording.title),
      duration_text(recording.every));
  for (const auto& [node, row] : nodes)
    out += fmt::format("<h5>{} <small>{} containers</small></h5>{}", escape_xml(node),
                       row.containers, node_load_svg(recording, node));
  out += fmt::format(
      "<div class=\"scroll\"><table class=\"figures\"><thead><tr><th>Node</th><th>Containers</th>{}"
      "</tr></thead><tbody>",
      columns);
  for (const auto& [node, row] : nodes)
    out += fmt::format("<tr><td>{}</td><td>{}</td>{}</tr>", escape_xml(node), row.containers,
                       figures(row));
  out += fmt::format("<tr class=\"total\"><td>all</td><td>{}</td>{}</tr></tbody></table></div>",
                     all.containers, figures(all));
  out += fmt::format(
      "<details class=\"inner\"><summary>All {} containers</summary><div class=\"scroll\">"
      "<table class=\"figures\"><thead><tr><th>Container</th><th>Node</th>{}<th>Demand and delivery"
      "</th></tr></thead><tbody>",
      recording.containers.size(), columns);
  for (const ContainerSeries& series : recording.containers) {
    NodeRow row;
    add(row, series);
    out +=
        fmt::format("<tr><td>{}</td><td>{}</td>{}<td>{}</td></tr>", series.container.text(),
                    escape_xml(series.node), figures(row), sparkline_svg(series, recording.every));
  }
  return out + "</tbody></table></div></details></div>";
}

/// Runs of one scenario with several seeds share an entry.
using Runs = std::vector<const ScenarioReport*>;

std::vector<Runs> runs_of_area(const SuiteReport& report, const std::string& area) {
  std::vector<Runs> groups;
  for (const ScenarioReport& scenario : report.scenarios) {
    if (scenario.area != area) continue;
    if (!groups.empty() && groups.back().front()->name == scenario.name &&
        groups.back().front()->file == scenario.file)
      groups.back().push_back(&scenario);
    else
      groups.push_back({&scenario});
  }
  return groups;
}

/// Everything about one run, below its heading.
std::string run_body(const ScenarioReport& scenario) {
  std::string out;
  if (!scenario.problem.empty())
    out += fmt::format("<pre class=\"{}\">{}</pre>",
                       scenario.outcome == Outcome::failed ? "problem" : "note",
                       escape_xml(scenario.problem));
  for (const std::string& failure : scenario.crash_failures)
    out += "<pre class=\"problem\">" + escape_xml(failure) + "</pre>";
  if (!scenario.steps.empty()) out += timeline_svg(scenario);
  for (const Recording& recording : scenario.recordings) out += recording_section(recording);
  if (!scenario.steps.empty())
    out += fmt::format("<details class=\"inner\"><summary>{} steps</summary>{}</details>",
                       scenario.steps.size(), step_table(scenario));
  return out + fmt::format(
                   "<p class=\"foot\">{} · seed {} · {} kernel calls · trace digest {:016x} · "
                   "{:.0f} ms wall</p>",
                   escape_xml(scenario.file), scenario.seed, grouped(scenario.kernel_calls),
                   scenario.digest, scenario.wall_seconds * 1000);
}

std::string scenario_section(const Runs& runs) {
  const ScenarioReport& first = *runs.front();
  Outcome outcome = first.outcome;
  std::uint64_t points = 0;
  for (const ScenarioReport* run : runs) {
    if (run->outcome == Outcome::failed) outcome = Outcome::failed;
    points += run->crash_points;
  }
  const bool open = outcome == Outcome::failed || !first.recordings.empty();
  std::string facts = outcome == Outcome::skipped ? "skipped" : duration_text(first.simulated);
  if (runs.size() > 1) facts = fmt::format("{} seeds · {}", runs.size(), facts);
  if (points > 0) facts = fmt::format("{} crash points · {}", grouped(points), facts);
  std::string out = fmt::format(
      "<details class=\"scenario {0}\"{1}><summary><span class=\"dot {0}\" title=\"{0}\"></span>"
      "<span class=\"name\">{2}</span><span class=\"about\">{3}</span>"
      "<span class=\"facts\">{4}</span></summary><div class=\"body\">",
      word_of(outcome), open ? " open" : "", escape_xml(first.name), escape_xml(first.description),
      facts);
  out += "<p class=\"description\">" + escape_xml(first.description) + "</p>";
  // Seeds that passed look alike: the first stands for all of them.
  bool passed_shown = false;
  for (const ScenarioReport* run : runs) {
    if (run->outcome != Outcome::failed && std::exchange(passed_shown, true)) continue;
    out += run_body(*run);
  }
  return out + "</div></details>";
}

}  // namespace

std::string html_page(const SuiteReport& report) {
  const auto rows = area_totals(report);
  std::string out = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
      "<meta name=\"color-scheme\" content=\"light dark\"><title>{}</title><style>{}</style></head>"
      "<body><main>",
      escape_xml(report.title), kPageStyle);
  out += head(report, rows.back());
  out += area_table(rows);
  out +=
      "<p class=\"legend\"><i class=\"k act\"></i>command <i class=\"k check\"></i>check "
      "<i class=\"k idle\"></i>waiting <i class=\"k up\"></i>container up "
      "<i class=\"k fault\"></i>fault <i class=\"k bad\"></i>failed step</p>";
  for (const AreaTotals& row : rows) {
    if (&row == &rows.back()) break;
    out += fmt::format("<section id=\"{0}\"><h2>{0} <small>{1} of {2} passed</small></h2>",
                       row.area, row.passed, row.runs);
    for (const Runs& runs : runs_of_area(report, row.area)) out += scenario_section(runs);
    out += "</section>";
  }
  return out + "</main></body></html>\n";
}

}  // namespace twinhull::scenario
