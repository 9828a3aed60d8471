// Predicted beside measured: the figures of all cases, their errors and the bars.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bench/fidelity/beds.h"
#include "bench/fidelity/cases.h"

namespace twinhull::fidelity {

enum class Kind : std::uint8_t {
  share,
  limited_share,
  throttled_periods,
  throttled_time,
  oom_bytes,
  victim,
  io_bandwidth,   ///< bytes a second below a limit of bytes
  io_operations,  ///< operations a second below a limit of operations
  io_share,       ///< part of what all groups of the case moved
  slow_down,      ///< seconds
};

/// Its name in the JSON: "limited_share".
const char* key_of(Kind kind);

/// One row of the table.
struct Figure {
  std::string name;   ///< of the case
  std::string group;
  Kind kind = Kind::share;
  double predicted = 0, measured = 0;
  double spread = 0;            ///< largest - smallest of the repetitions that count
  std::string predicted_text, measured_text;  ///< victims
  [[nodiscard]] double error() const;         ///< part of the measured value; 1 = 100 %
};

/// What was asked for, and what became of it.
struct Plan {
  std::vector<Case> cases;
  Duration length = seconds(4);  ///< of one measurement, at least
  Duration settle = milliseconds(500);
  unsigned repetitions = 3;
};

struct Report {
  std::vector<Figure> figures;
  unsigned measurements = 0, discarded = 0;
  std::vector<std::string> disturbed;  ///< cases that no repetition measured undisturbed
  /// Cases that the real kernel refused, with its reason; the simulator was not asked.
  std::vector<std::pair<std::string, std::string>> refused;
  std::string machine;  ///< where an earlier run measured; empty = here, now
  std::string anew;     ///< what was measured again after that, and where
  void add(Report other);  ///< of other cases, measured here
};

/// The bars of one kind: largest allowed median and worst error.
struct Bar {
  Kind kind;
  const char* title;
  double median, worst;
};
const std::vector<Bar>& bars();

/// Where cases run on the real kernel.
struct RealBeds {
  OwnedBed& plain;
  OwnedBed* disk = nullptr;  ///< for disk cases; needed when the plan has some
};

/// Runs every case on both. Progress goes to the error stream. Without `real` nothing is measured:
/// see measured_before.
Result<Report> compare(const Plan& plan, OwnedBed& simulated, const RealBeds* real);

/// Fills in what earlier runs measured (their JSON), for a changed model: the kernel's figures are as good
/// as they were. Of a case that several have, the last one counts. Cases that were refused then are taken
/// out. Errors: corrupt (no such text), not_found (a figure that was not measured, or with another length
/// or other repetitions).
Status measured_before(const Plan& plan, Report& report, const std::vector<std::string>& runs);

/// Release of the kernel that earlier runs (their JSON) were measured on. Errors: corrupt (no such text),
/// invalid_argument (several kernels which share CPU time by different rules).
Result<std::string> release_measured(const std::vector<std::string>& runs);

struct Verdict {
  std::size_t count = 0;
  double median = 0, worst = 0;
  std::string worst_name;
};
Verdict judge(const Report& report, Kind kind);

/// `heading` describes machine, command and time; `notes` stand between the result and the figures.
std::string markdown(const Plan& plan, const Report& report, const std::string& heading,
                     const std::string& notes);
std::string json(const Plan& plan, const Report& report, const std::string& machine);
/// Measured across, predicted up: every CPU figure is a dot, the diagonal is a perfect model.
std::string svg(const Report& report);
/// One row for each kind of figure: every error as a dot on a logarithmic axis, beside its bars.
std::string errors_svg(const Report& report);

}  // namespace twinhull::fidelity
