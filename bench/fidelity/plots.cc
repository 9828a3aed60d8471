// The report as pictures.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "bench/fidelity/compare.h"

namespace twinhull::fidelity {

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

std::string errors_svg(const Report& report) {
  constexpr double kLeft = 330, kWidth = 560, kRow = 34, kTop = 30;
  constexpr double kLeast = 0.0001, kMost = 10;  // parts: 0.01 % … 1000 %
  const auto x = [&](double error) {
    const double part = std::clamp(error, kLeast, kMost);
    return kLeft + std::log(part / kLeast) / std::log(kMost / kLeast) * kWidth;
  };
  std::vector<const Bar*> rows;
  for (const Bar& bar : bars())
    if (judge(report, bar.kind).count > 0) rows.push_back(&bar);
  const double height = kTop + kRow * static_cast<double>(rows.size()) + 50;
  std::string text = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" "
      "font-size=\"12\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n",
      kLeft + kWidth + 30, height);
  for (double tick = kLeast; tick <= kMost * 1.01; tick *= 10)
    text += fmt::format("<path d=\"M{0} {1}V{2}\" stroke=\"#ddd\"/><text x=\"{0}\" y=\"{3}\" "
                        "text-anchor=\"middle\">{4:g} %</text>\n",
                        x(tick), kTop - 10, height - 40, height - 24, tick * 100);
  text += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">error (dots), allowed median (|) and "
                      "allowed worst (‖), median reached (▲)</text>\n",
                      kLeft + kWidth / 2, height - 6);
  double y = kTop + 8;
  for (const Bar* bar : rows) {
    text += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n", kLeft - 12, y + 4,
                        bar->title);
    text += fmt::format("<path d=\"M{0} {2}V{3}M{1} {2}V{3}m3 0V{2}\" stroke=\"#d55e00\" "
                        "stroke-width=\"1.5\" fill=\"none\"/>\n",
                        x(bar->median), x(bar->worst), y - 12, y + 12);
    for (const Figure& figure : report.figures)
      if (figure.kind == bar->kind)
        text += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"#0072b2\" "
                            "fill-opacity=\"0.35\"/>\n",
                            x(figure.error()), y);
    text += fmt::format("<path d=\"M{0} {1}l5 9h-10z\" fill=\"#009e73\"/>\n", x(judge(report, bar->kind).median),
                        y + 3);
    y += kRow;
  }
  return text + "</svg>\n";
}

}  // namespace twinhull::fidelity
