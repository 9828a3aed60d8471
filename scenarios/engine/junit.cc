// JUnit XML, as CI systems read it.
#include <fmt/format.h>

#include <algorithm>

#include "scenarios/engine/escape.h"
#include "scenarios/engine/report.h"
#include "scenarios/engine/text.h"

namespace twinhull::scenario {

std::string escape_xml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default:
        // XML 1.0 has no way to write other control characters.
        if (byte < 0x20 && c != '\n' && c != '\t')
          out += "?";
        else
          out += c;
    }
  }
  return out;
}

std::string junit_xml(const SuiteReport& report) {
  std::string out = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<testsuites name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\" time=\"{:.3f}\">\n",
      escape_xml(report.title), report.scenarios.size(), report.count(Outcome::failed),
      report.count(Outcome::skipped), report.wall_seconds);
  for (const std::string& area : areas()) {
    std::string cases;
    std::size_t tests = 0;
    std::size_t failures = 0;
    std::size_t skipped = 0;
    double seconds_spent = 0;
    for (const ScenarioReport& scenario : report.scenarios) {
      if (scenario.area != area) continue;
      ++tests;
      seconds_spent += scenario.wall_seconds;
      cases += fmt::format(
          "    <testcase classname=\"{}.{}\" name=\"{} (seed {})\" file=\"{}\" time=\"{:.3f}\">\n",
          escape_xml(scenario.backend), area, escape_xml(scenario.name), scenario.seed,
          escape_xml(scenario.file), scenario.wall_seconds);
      cases += fmt::format(
          "      <properties>\n        <property name=\"simulated\" value=\"{}\"/>\n"
          "        <property name=\"crash-points\" value=\"{}\"/>\n      </properties>\n",
          duration_text(scenario.simulated), scenario.crash_points);
      if (scenario.outcome == Outcome::failed) {
        ++failures;
        std::string text = scenario.problem;
        for (const std::string& failure : scenario.crash_failures) text += "\n" + failure;
        cases += fmt::format("      <failure message=\"{}\">{}</failure>\n",
                             escape_xml(excerpt(scenario.problem, 400)), escape_xml(text));
      } else if (scenario.outcome == Outcome::skipped) {
        ++skipped;
        cases += fmt::format("      <skipped message=\"{}\"/>\n", escape_xml(scenario.problem));
      }
      cases += "    </testcase>\n";
    }
    if (tests == 0) continue;
    out += fmt::format(
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" "
        "time=\"{:.3f}\">\n{}  </testsuite>\n",
        area, tests, failures, skipped, seconds_spent, cases);
  }
  return out + "</testsuites>\n";
}

}  // namespace twinhull::scenario
