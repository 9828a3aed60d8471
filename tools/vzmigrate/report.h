// What a vzmigrate tells the one that started it: lines between its text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/kernel/units.h"
#include "runtime/migrate/timing.h"
#include "runtime/node/session.h"

namespace twinhull::tools::move {

/// One such line.
struct Report {
  /// A part has begun; std::nullopt: the container has moved.
  std::optional<migrate::MoveStage> stage = {};
  Bytes expected = {};  ///< of the part
  bool online = false;
  Duration down{0};
  Duration total{0};
  Bytes sent = {};
  std::uint32_t rounds = 0;
  Bytes followed = {};  ///< of what was sent, memory once it ran there
};

/// The line of a report, with its end. No text of a command begins as it does.
std::string report_line(const Report& report);
/// std::nullopt for other lines, and for what is damaged.
std::optional<Report> parse_report(std::string_view line);

/// What moved() was told, as a report.
Report report_of(const migrate::Timing& timing, bool online);

/// Writes reports to a console.
class ReportWriter final : public migrate::MoveWatcher {
 public:
  explicit ReportWriter(Console& console) : console_(console) {}
  void begins(migrate::MoveStage stage, Bytes expected) override {
    console_.out(report_line({.stage = stage, .expected = expected}));
  }
  void moved(const migrate::Timing& timing, bool online) override {
    console_.out(report_line(report_of(timing, online)));
  }

 private:
  Console& console_;
};

}  // namespace twinhull::tools::move
