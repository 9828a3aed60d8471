#include "scenarios/engine/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "scenarios/engine/escape.h"
#include "scenarios/engine/text.h"

namespace twinhull::scenario {
namespace {

constexpr double kWidth = 960;
constexpr double kLeft = 92;
constexpr double kRight = 16;

/// A round step so that `span` is divided into about `count` parts.
double round_step(double span, int count) {
  static constexpr std::array<double, 3> factors = {1, 2, 5};
  const double raw = span / count;
  for (double power = 1e-9; power < 1e15; power *= 10)
    for (const double factor : factors)
      if (factor * power >= raw) return factor * power;
  return span;
}

/// Time axis steps that people read easily, in seconds.
double time_step(double span) {
  static constexpr std::array<double, 13> hours = {60,   120,   300,   600,   900,   1800, 3600,
                                                   7200, 10800, 14400, 21600, 43200, 86400};
  if (span < 300) return round_step(span, 8);
  for (const double step : hours)
    if (span / step <= 10) return step;
  return round_step(span, 8);
}

std::string time_label(double at, double span) {
  const auto whole = static_cast<std::int64_t>(std::llround(at));
  if (span >= 7200) return fmt::format("{}:{:02} h", whole / 3600, whole / 60 % 60);
  if (span >= 300) return fmt::format("{} min", whole / 60);
  if (span >= 5) return fmt::format("{:g} s", std::round(at * 1000) / 1000);
  return fmt::format("{:g} ms", std::round(at * 1e6) / 1e3);
}

double seconds_of(Duration length) {
  return static_cast<double>(length.count()) / 1e9;
}

/// Rows of container bars that one node's lane shows; further ones share the last row.
constexpr std::size_t kMostRows = 6;

struct Lane {
  std::string node;
  std::vector<std::string> labels;
};

std::vector<Lane> lanes_of(const ScenarioReport& report) {
  std::vector<Lane> lanes;
  for (const std::string& node : report.nodes) {
    Lane lane{node, {}};
    for (const UpBar& bar : report.bars)
      if (bar.node == node &&
          std::find(lane.labels.begin(), lane.labels.end(), bar.label) == lane.labels.end())
        lane.labels.push_back(bar.label);
    std::sort(lane.labels.begin(), lane.labels.end());
    lanes.push_back(std::move(lane));
  }
  return lanes;
}

class Timeline {
 public:
  explicit Timeline(const ScenarioReport& report)
      : report_(report), span_(std::max(seconds_of(report.simulated), 1e-6)) {}

  std::string svg() {
    double y = 8;
    y = steps(y);
    for (const Lane& lane : lanes_of(report_)) y = containers(lane, y);
    faults(y);
    axis(y);
    const double height = y + 26;
    return fmt::format(
               "<svg class=\"timeline\" viewBox=\"0 0 {} {}\" role=\"img\" "
               "aria-label=\"Timeline of {}\">",
               kWidth, height, escape_xml(report_.name)) +
           grid_ + body_ + "</svg>";
  }

 private:
  double x(double at) const {
    return kLeft + (kWidth - kLeft - kRight) * std::clamp(at / span_, 0.0, 1.0);
  }

  void label(double y, const std::string& text, const std::string& style) {
    body_ += fmt::format("<text class=\"{}\" x=\"{}\" y=\"{}\">{}</text>", style, kLeft - 8, y,
                         escape_xml(text));
  }

  double steps(double y) {
    label(y + 13, "steps", "lane");
    for (const StepReport& step : report_.steps) {
      if (step.fault) continue;
      const double from = x(seconds_of(step.start));
      const double width = std::max(x(seconds_of(step.end)) - from, 2.5);
      const char* kind = step.failed                                     ? "bad"
                         : step.kind == "expect"                         ? "check"
                         : step.kind == "sleep" || step.kind == "record" ? "idle"
                                                                         : "act";
      body_ += fmt::format(
          "<rect class=\"step {}\" x=\"{:.2f}\" y=\"{}\" width=\"{:.2f}\" height=\"18\" "
          "rx=\"2\"><title>{} — {} (+{})</title></rect>",
          kind, from, y, std::min(width, kWidth - kRight - from + 2), escape_xml(step.title),
          duration_text(step.start), duration_text(step.end - step.start));
    }
    return y + 26;
  }

  double containers(const Lane& lane, double y) {
    const std::size_t rows = std::clamp<std::size_t>(lane.labels.size(), 1, kMostRows);
    const double height = static_cast<double>(rows) * 14 + 6;
    grid_ +=
        fmt::format("<rect class=\"band\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"3\"/>",
                    kLeft, y, kWidth - kLeft - kRight, height);
    const bool crowded = lane.labels.size() > kMostRows;
    label(y + height / 2 + (crowded ? -2 : 4), lane.node, "lane");
    if (crowded)
      label(y + height / 2 + 12, fmt::format("{} containers", lane.labels.size()), "more");
    std::map<std::string, bool> named;
    for (const UpBar& bar : report_.bars) {
      if (bar.node != lane.node) continue;
      const auto place = static_cast<std::size_t>(
          std::find(lane.labels.begin(), lane.labels.end(), bar.label) - lane.labels.begin());
      const double top = y + 3 + 14 * static_cast<double>(std::min(place, rows - 1));
      const double from = x(seconds_of(bar.from));
      const double width = std::max(x(seconds_of(bar.to)) - from, 2.0);
      body_ += fmt::format(
          "<rect class=\"up\" x=\"{:.2f}\" y=\"{}\" width=\"{:.2f}\" height=\"12\" rx=\"2\">"
          "<title>CT {} on {}: up {} to {}</title></rect>",
          from, top, width, escape_xml(bar.label), escape_xml(bar.node), duration_text(bar.from),
          duration_text(bar.to));
      if (place < kMostRows - 1 || lane.labels.size() <= kMostRows) {
        if (!named[bar.label] && width > 34) {
          body_ += fmt::format("<text class=\"ct\" x=\"{:.2f}\" y=\"{}\">{}</text>", from + 5,
                               top + 10, escape_xml(bar.label));
          named[bar.label] = true;
        }
      }
    }
    return y + height + 6;
  }

  void faults(double bottom) {
    for (const StepReport& step : report_.steps) {
      if (!step.fault) continue;
      const double at = x(seconds_of(step.start));
      body_ += fmt::format(
          "<g class=\"fault\"><line x1=\"{0:.2f}\" x2=\"{0:.2f}\" y1=\"6\" y2=\"{1}\"/>"
          "<path d=\"M{0:.2f} 2 l-5 8 h10 z\"/><title>{2} {3} — {4}</title></g>",
          at, bottom, escape_xml(step.title), escape_xml(step.node), duration_text(step.start));
    }
  }

  void axis(double y) {
    const double step = time_step(span_);
    for (double at = 0; at <= span_ * 1.0001; at += step) {
      grid_ += fmt::format(
          "<line class=\"grid\" x1=\"{0:.2f}\" x2=\"{0:.2f}\" y1=\"4\" y2=\"{1}\"/>", x(at), y);
      const char* anchor = at <= 0 ? "start" : x(at) > kWidth - 60 ? "end" : "middle";
      body_ +=
          fmt::format("<text class=\"tick\" x=\"{:.2f}\" y=\"{}\" text-anchor=\"{}\">{}</text>",
                      x(at), y + 16, anchor, time_label(at, span_));
    }
  }

  const ScenarioReport& report_;
  double span_;
  std::string grid_;
  std::string body_;
};

struct Sums {
  std::vector<double> demand;
  std::vector<double> delivered;
  std::vector<double> throttled;
};

/// CPUs in use (or asked for) in each interval, over all containers of a node.
Sums sums_of(const Recording& recording, const std::string& node) {
  Sums sums;
  const double every = std::max(seconds_of(recording.every), 1e-9);
  for (const ContainerSeries& series : recording.containers) {
    if (series.node != node) continue;
    const std::size_t count = series.points.size();
    sums.demand.resize(std::max(sums.demand.size(), count));
    sums.delivered.resize(sums.demand.size());
    sums.throttled.resize(sums.demand.size());
    for (std::size_t i = 0; i < count; ++i) {
      const double asked = seconds_of(series.points[i].demand) / every;
      const double got = seconds_of(series.points[i].delivered) / every;
      sums.demand[i] += asked;
      sums.delivered[i] += got;
      if (series.points[i].throttled > Duration(0)) sums.throttled[i] += std::max(asked - got, 0.0);
    }
  }
  return sums;
}

}  // namespace

std::string timeline_svg(const ScenarioReport& report) {
  return Timeline(report).svg();
}

std::string node_load_svg(const Recording& recording, const std::string& node) {
  const Sums sums = sums_of(recording, node);
  const std::size_t count = sums.demand.size();
  if (count == 0) return "";
  constexpr double top = 10;
  constexpr double height = 190;
  constexpr double left = 48;
  const auto found = recording.node_cpus.find(node);
  const double capacity = found == recording.node_cpus.end() ? 0 : found->second;
  const double most =
      std::max(*std::max_element(sums.demand.begin(), sums.demand.end()), capacity * 1.02);
  const double step = round_step(most, 5);
  const double ceiling = std::ceil(most / step) * step;
  const double span = seconds_of(recording.every) * static_cast<double>(count);
  const auto x = [&](double i) {
    return left + (kWidth - left - kRight) * i / static_cast<double>(count);
  };
  const auto y = [&](double value) { return top + height * (1 - value / ceiling); };
  // Values hold for their whole interval: steps, not slopes.
  const auto line = [&](const std::vector<double>& values) {
    std::string path;
    for (std::size_t i = 0; i < count; ++i)
      path += fmt::format("{}{:.1f} {:.1f} H{:.1f}", i == 0 ? "M" : "L", x(static_cast<double>(i)),
                          y(values[i]), x(static_cast<double>(i + 1)));
    return path;
  };
  const auto area = [&](const std::vector<double>& values) {
    return line(values) + fmt::format(" V{:.1f} H{:.1f} Z", y(0), x(0));
  };
  std::string out = fmt::format(
      "<svg class=\"load\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"CPU of node {}\">",
      kWidth, top + height + 26, escape_xml(node));
  for (double value = 0; value <= ceiling * 1.0001; value += step)
    out += fmt::format(
        "<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>"
        "<text class=\"tick\" x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{:g}</text>",
        left, kWidth - kRight, y(value), y(value), left - 6, y(value) + 4, value);
  const double tick = time_step(span);
  for (double at = 0; at <= span * 1.0001; at += tick) {
    const double where = x(at / span * static_cast<double>(count));
    out += fmt::format("<text class=\"tick\" x=\"{:.1f}\" y=\"{}\" text-anchor=\"{}\">{}</text>",
                       where, top + height + 17,
                       at <= 0               ? "start"
                       : where > kWidth - 60 ? "end"
                                             : "middle",
                       time_label(at, span));
  }
  out += fmt::format("<path class=\"demand\" d=\"{}\"/>", area(sums.demand));
  out += fmt::format("<path class=\"delivered\" d=\"{}\"/>", line(sums.delivered));
  out += fmt::format("<path class=\"throttled\" d=\"{}\"/>", area(sums.throttled));
  if (capacity > 0)
    out += fmt::format(
        "<line class=\"capacity\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>"
        "<text class=\"tick\" x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:g} CPUs</text>",
        left, kWidth - kRight, y(capacity), kWidth - kRight - 4, y(capacity) + 13, capacity);
  return out + "</svg>";
}

std::string sparkline_svg(const ContainerSeries& series, Duration every) {
  const std::size_t count = series.points.size();
  if (count == 0) return "";
  constexpr double width = 240;
  constexpr double height = 22;
  const double interval = std::max(seconds_of(every), 1e-9);
  double most = 0.01;
  for (const LoadPoint& point : series.points)
    most = std::max(most, seconds_of(point.demand) / interval);
  const auto path = [&](Duration LoadPoint::* member, bool closed) {
    std::string out;
    // One point for every other pixel is all that can be seen.
    const std::size_t stride = std::max<std::size_t>(1, count / 120);
    for (std::size_t i = 0; i < count; i += stride)
      out += fmt::format(
          "{}{:.1f} {:.1f}", i == 0 ? "M" : "L",
          width * static_cast<double>(i) / static_cast<double>(count),
          height - 1 - (height - 2) * seconds_of(series.points[i].*member) / interval / most);
    return closed ? out + fmt::format("V{} H0Z", height) : out;
  };
  return fmt::format(
      "<svg class=\"spark\" viewBox=\"0 0 {} {}\" aria-hidden=\"true\"><path class=\"demand\" "
      "d=\"{}\"/><path class=\"delivered\" d=\"{}\"/></svg>",
      width, height, path(&LoadPoint::demand, true), path(&LoadPoint::delivered, false));
}

}  // namespace twinhull::scenario
