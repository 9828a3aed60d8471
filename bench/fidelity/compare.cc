#include "bench/fidelity/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

namespace twinhull::fidelity {
namespace {

// Below these a figure is a few time slices, or one edge of a period: compared as a difference.
constexpr double kSmallShare = 0.01;     // CPUs
constexpr double kSmallThrottle = 0.05;  // of the periods, of the time
constexpr double kLeast = 0.97;          // of what all groups together could get
constexpr unsigned kMoreTries = 2;       // for a repetition that was disturbed

double total(const CpuOutcome& outcome, const Case& plan) {
  double sum = 0;  // of the topmost groups: they include the rest
  for (const GroupPlan& group : plan.groups)
    if (group.path.find('/') == std::string::npos) sum += outcome.at(group.path).usage;
  return sum;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 != 0 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// Long enough for the smallest share to be many time slices, and for ten of the longest periods.
Duration length_for(const Case& plan, const CpuOutcome& predicted, Duration asked) {
  double smallest = 1;
  Duration longest{0};
  for (const GroupPlan& group : plan.groups) {
    const double usage = predicted.at(group.path).usage;
    if (usage > 0) smallest = std::min(smallest, usage);
    if (group.quota) longest = std::max(longest, group.quota->period);
  }
  const auto slices = Duration(static_cast<std::int64_t>(3e8 / smallest));
  return std::clamp(std::max(slices, longest * 12), asked, asked * 3);
}

struct Runs {
  CpuOutcome predicted;
  Duration length{0};
  std::vector<CpuOutcome> measured;
};

void add_figures(Report& report, const Case& plan, const Runs& runs) {
  const auto add = [&](const GroupPlan& group, Kind kind, double CpuFigures::*field) {
    Figure figure{plan.name, group.path, kind, runs.predicted.at(group.path).*field, 0, 0, {}, {}};
    std::vector<double> values;
    for (const CpuOutcome& outcome : runs.measured) values.push_back(outcome.at(group.path).*field);
    figure.measured = median(values);
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    figure.spread = *most - *least;
    report.figures.push_back(std::move(figure));
  };
  for (const GroupPlan& group : plan.groups) {
    add(group, plan.family == Family::weights ? Kind::share : Kind::limited_share, &CpuFigures::usage);
    if (!group.quota) continue;
    add(group, Kind::throttled_periods, &CpuFigures::throttled_periods);
    add(group, Kind::throttled_time, &CpuFigures::throttled_time);
  }
}

Status measure(Report& report, const Case& plan, Runs& runs, const Bed& real, Duration settle) {
  const double could = total(runs.predicted, plan);
  CpuOutcome best;
  for (unsigned attempt = 0; attempt <= kMoreTries; ++attempt) {
    TH_ASSIGN(CpuOutcome outcome, run_cpu_case(real, plan, settle, runs.length));
    ++report.measurements;
    if (best.empty() || total(outcome, plan) > total(best, plan)) best = std::move(outcome);
    if (total(best, plan) >= kLeast * could) break;
    if (attempt == kMoreTries) {
      report.disturbed.push_back(plan.name);
      break;
    }
    ++report.discarded;
  }
  runs.measured.push_back(std::move(best));
  return {};
}

Status compare_memory(Report& report, const Case& plan, const Bed& simulated, const Bed& real) {
  TH_ASSIGN(const MemoryOutcome predicted, run_memory_case(simulated, plan));
  TH_ASSIGN(const MemoryOutcome measured, run_memory_case(real, plan));
  ++report.measurements;
  if (plan.memory.search)
    report.figures.push_back({plan.name, "bytes", Kind::oom_bytes,
                              static_cast<double>(predicted.survives),
                              static_cast<double>(measured.survives), 0, {}, {}});
  else
    report.figures.push_back({plan.name, "dead", Kind::victim, 0, 0, 0,
                              predicted.dead.empty() ? "nobody" : predicted.dead,
                              measured.dead.empty() ? "nobody" : measured.dead});
  return {};
}

Error named(Error error, const Case& plan) {
  error.object = "case \"" + plan.name + "\": " + error.object;
  return error;
}

}  // namespace

double Figure::error() const {
  if (kind == Kind::victim) return predicted_text == measured_text ? 0 : 1;
  const bool share = kind == Kind::share || kind == Kind::limited_share;
  const double least = kind == Kind::oom_bytes ? 1 : share ? kSmallShare : kSmallThrottle;
  return std::abs(predicted - measured) / std::max(measured, least);
}

const std::vector<Bar>& bars() {
  static const std::vector<Bar> all{
      {Kind::share, "CPU share, weights only", 0.01, 0.03},
      {Kind::limited_share, "CPU share with quotas, CPU sets and sleepers", 0.02, 0.05},
      {Kind::throttled_periods, "Throttled periods", 0.03, 0.10},
      {Kind::throttled_time, "Throttled time", 0.03, 0.10},
      {Kind::oom_bytes, "Bytes at which the OOM killer begins", 0.01, 0.01},
      {Kind::victim, "Victim of the OOM killer", 0, 0}};
  return all;
}

Verdict judge(const Report& report, Kind kind) {
  Verdict verdict;
  std::vector<double> errors;
  for (const Figure& figure : report.figures) {
    if (figure.kind != kind) continue;
    errors.push_back(figure.error());
    if (errors.back() < verdict.worst || (errors.size() > 1 && errors.back() == verdict.worst)) continue;
    verdict.worst = errors.back();
    verdict.worst_name = figure.name + ", " + figure.group;
  }
  verdict.count = errors.size();
  verdict.median = median(errors);
  return verdict;
}

Result<Report> compare(const Plan& plan, OwnedBed& simulated, OwnedBed& real) {
  Report report;
  std::map<std::size_t, Runs> runs;
  for (std::size_t i = 0; i < plan.cases.size(); ++i) {
    const Case& item = plan.cases[i];
    if (item.family == Family::memory) continue;
    Result<CpuOutcome> rough = run_cpu_case(simulated.bed(), item, plan.settle, plan.length);
    if (!rough) return named(std::move(rough).error(), item);
    runs[i].length = length_for(item, *rough, plan.length);
    Result<CpuOutcome> exact = run_cpu_case(simulated.bed(), item, plan.settle, runs[i].length);
    if (!exact) return named(std::move(exact).error(), item);
    runs[i].predicted = std::move(*exact);
  }
  // Repetitions of a case lie far apart: what disturbs the machine for a while disturbs only one.
  for (unsigned repetition = 0; repetition < plan.repetitions; ++repetition)
    for (auto& [index, run] : runs) {
      const Case& item = plan.cases[index];
      fmt::print(stderr, "{}/{} {}\n", repetition + 1, plan.repetitions, item.name);
      if (Status done = measure(report, item, run, real.bed(), plan.settle); !done)
        return named(std::move(done).error(), item);
    }
  for (const auto& [index, run] : runs) add_figures(report, plan.cases[index], run);
  for (const Case& item : plan.cases) {
    if (item.family != Family::memory) continue;
    fmt::print(stderr, "memory: {}\n", item.name);
    if (Status done = compare_memory(report, item, simulated.bed(), real.bed()); !done)
      return named(std::move(done).error(), item);
  }
  return report;
}

}  // namespace twinhull::fidelity
