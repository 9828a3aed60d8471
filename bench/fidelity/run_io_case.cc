// Disk and slow-down cases on one kernel.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "bench/fidelity/run_case.h"
#include "bench/fidelity/setting.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/files.h"

namespace twinhull::fidelity {
namespace {

constexpr auto kFileBytes = "32M";  // of each load: small enough for the disk, large enough to wander

/// What a `vzload` that has ended printed into `file` of the root.
Result<nlohmann::json> report_of(const Bed& bed, const std::string& file) {
  TH_ASSIGN(const std::string text, bed.kernel.files().read(bed.root + file));
  const nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
  if (parsed.is_object() && parsed.contains("elapsed_ns")) return parsed;
  return fail(ErrorCode::failed, "fidelity.report", file, "no report of vzload: \"" + text + "\"");
}

double per_second(const nlohmann::json& report, const char* field) {
  const double elapsed = report["elapsed_ns"].get<double>();
  return elapsed > 0 ? report[field].get<double>() * 1e9 / elapsed : 0;
}

/// `vzload` with its report in `file`.
std::vector<std::string> reporting(const std::string& arguments, const std::string& file) {
  return {"/bin/sh", "-c", "vzload " + arguments + " > " + file};
}

}  // namespace

Result<IoOutcome> run_io_case(const Bed& bed, const Case& plan, Duration length) {
  Setting setting(bed);
  TH_TRY(setting.add(kTop));
  for (const IoGroupPlan& group : plan.io.groups) TH_TRY(setting.add(below(group.path)));
  const auto file_of = [](std::size_t load) { return "/file" + std::to_string(load); };
  const auto output_of = [](std::size_t load) { return "/report" + std::to_string(load); };
  // The files are there before any limit is.
  for (std::size_t i = 0; i < plan.io.loads.size(); ++i) {
    TH_ASSIGN(const ProcessRef filling,
              setting.spawn("fill" + std::to_string(i), below(plan.io.loads[i].group),
                            {"write", file_of(i), "--bytes", kFileBytes, "--direct", "--sync"}));
    TH_TRY(bed.kernel.processes().wait_gone(filling, seconds(60)));
  }
  for (const IoGroupPlan& group : plan.io.groups) {
    if (group.weight) TH_TRY(setting.groups().set_io_weight({below(group.path)}, bed.disk, *group.weight));
    if (group.limit) TH_TRY(setting.groups().set_io_limits({below(group.path)}, bed.disk, *group.limit));
  }
  std::vector<ProcessRef> running;
  const double seconds_long = std::chrono::duration<double>(length).count();
  for (std::size_t i = 0; i < plan.io.loads.size(); ++i) {
    const IoLoadPlan& load = plan.io.loads[i];
    TH_ASSIGN(const ProcessRef started,
              setting.run("load" + std::to_string(i), below(load.group),
                          reporting(fmt::format("{} {} --bytes {} --block {} --for {:.3f}{}",
                                                load.reads ? "read" : "write", file_of(i), kFileBytes,
                                                load.block, seconds_long, load.reads ? "" : " --direct"),
                                    output_of(i))));
    running.push_back(started);
  }
  for (const ProcessRef& load : running)
    TH_TRY(bed.kernel.processes().wait_gone(load, length + seconds(60)));
  IoOutcome outcome;
  for (std::size_t i = 0; i < plan.io.loads.size(); ++i) {
    const IoLoadPlan& load = plan.io.loads[i];
    TH_ASSIGN(const nlohmann::json report, report_of(bed, output_of(i)));
    IoFigures& figures = outcome[{load.group, load.reads}];
    figures.bytes += per_second(report, "bytes");
    figures.operations += per_second(report, "operations");
  }
  TH_TRY(setting.clear());
  return outcome;
}

Result<double> run_slow_down_case(const Bed& bed, const Case& plan) {
  Setting setting(bed);
  TH_TRY(setting.add(kTop));
  const auto growth = [&](const std::string& label) -> Result<double> {
    TH_ASSIGN(const ProcessRef grower,
              setting.run(label, kTop,
                          reporting("memory --grow " + std::to_string(plan.slow.bytes.value), "/report")));
    TH_TRY(bed.kernel.processes().wait_gone(grower, seconds(600)));
    TH_ASSIGN(const nlohmann::json report, report_of(bed, "/report"));
    return report["elapsed_ns"].get<double>() / 1e9;
  };
  // Touching memory takes time without any bound, on an emulated machine very much.
  TH_ASSIGN(const double free, growth("free"));
  TH_TRY(setting.groups().set_memory_high({kTop}, plan.slow.high));
  TH_ASSIGN(const double bound, growth("bound"));
  TH_TRY(setting.clear());
  return bound - free;
}

}  // namespace twinhull::fidelity
