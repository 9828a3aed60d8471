// fidelity: the same loads on the simulator and on the real kernel, and how far they lie apart.
// Needs root. Exit status: 0 = compared, 1 = could not, 3 = compared, and errors are above --fail.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "bench/fidelity/compare.h"

namespace {

using namespace twinhull;
using namespace twinhull::fidelity;

bool put(const std::filesystem::path& path, const std::string& text) {
  std::ofstream stream(path);
  stream << text;
  stream.close();
  if (!stream) std::fprintf(stderr, "fidelity: %s: cannot be written\n", path.c_str());
  return static_cast<bool>(stream);
}

const std::vector<std::string> kFamilies = {"weights",   "limits",    "memory",
                                            "slow-down", "io-limits", "io-shares"};

std::string text_of(const std::string& file) {
  if (file.empty()) return {};
  std::ifstream stream(file);
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::vector<std::string> texts_of(const std::vector<std::string>& files) {
  std::vector<std::string> texts;
  for (const std::string& file : files) texts.push_back(text_of(file));
  return texts;
}

const char* family_name(Family family) {
  switch (family) {
    case Family::weights: return "weights";
    case Family::limits: return "limits";
    case Family::memory: return "memory";
    case Family::slow_down: return "slow-down";
    case Family::io_limits: return "io-limits";
    case Family::io_shares: return "io-shares";
  }
  return "";
}

bool named_in(const Case& item, const std::vector<std::string>& texts) {
  return std::ranges::any_of(texts, [&](const auto& text) { return item.name.find(text) != std::string::npos; });
}

/// Predicts for the kernel that was measured.
Result<Report> predict_anew(const Plan& plan, const std::vector<std::string>& runs) {
  TH_ASSIGN(const std::string release, release_measured(runs));
  TH_ASSIGN(const auto simulated, make_simulated_bed(release));
  TH_ASSIGN(Report report, compare(plan, *simulated, nullptr));
  TH_TRY(measured_before(plan, report, runs));
  return report;
}

Result<Report> measure_now(const Plan& plan) {
  TH_ASSIGN(const auto simulated, make_simulated_bed(kernel_release()));
  TH_ASSIGN(const auto real, make_real_bed(RealDisk::plain));
  std::unique_ptr<OwnedBed> disk;
  if (std::any_of(plan.cases.begin(), plan.cases.end(), [](const Case& item) {
        return item.family == Family::io_limits || item.family == Family::io_shares;
      })) {
    TH_ASSIGN(disk, make_real_bed(RealDisk::own));
  }
  const RealBeds beds{*real, disk.get()};
  return compare(plan, *simulated, &beds);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"fidelity: predicted by the simulator beside measured on the real kernel"};
  unsigned count = 100, repetitions = 3;
  double length = 4, fail_above = 0;
  std::uint64_t seed = 1;
  std::string out = "build/reports", name = "fidelity", preface, notes_file;
  std::vector<std::string> families, anew, only, measured;
  bool chosen = false;
  app.add_option("--cases", count, "Cases in all: the chosen ones, then generated ones; fewer than chosen: some of each kind")
      ->check(CLI::Range(1, 10'000));
  app.add_option("--seconds", length, "Length of one measurement, at least")->check(CLI::Range(0.1, 600.0));
  app.add_option("--seed", seed, "Of the generated cases");
  app.add_option("--repetitions", repetitions, "Measurements of each CPU case")->check(CLI::Range(1, 100));
  app.add_option("--only", only, "Only cases whose names contain one of these");
  app.add_flag("--chosen", chosen, "No generated cases");
  app.add_option("--kind", families, "Only cases of these kinds")
      ->check(CLI::IsMember(kFamilies));
  app.add_option("--out", out, "Folder for the report: Markdown, JSON and two plots");
  app.add_option("--name", name, "What its files are called");
  app.add_option("--preface", preface, "File that the Markdown begins with")->check(CLI::ExistingFile);
  app.add_option("--notes", notes_file, "File that stands after the result")->check(CLI::ExistingFile);
  app.add_option("--measured", measured, "JSON of an earlier run of these cases, or of several runs of some of "
                                         "them: their measurements, with new predictions; needs no root")
      ->check(CLI::ExistingFile);
  app.add_option("--anew", anew, "With --measured: cases of these kinds, or whose names contain one of these "
                                 "texts, are measured now; needs root")
      ->needs("--measured");
  app.add_option("--fail", fail_above, "Exit with 3 when a median error is above this many percent");
  CLI11_PARSE(app, argc, argv);

  Plan plan;
  plan.length = Duration(static_cast<std::int64_t>(length * 1e9));
  plan.repetitions = repetitions;
  // The chosen ones of every kind, then generated ones: one of disk limits for every four of CPU.
  const auto take = [&](std::vector<Case> more) {
    std::move(more.begin(), more.end(), std::back_inserter(plan.cases));
  };
  take(chosen_cpu_cases());
  take(chosen_memory_cases());
  take(chosen_slow_down_cases());
  take(chosen_io_cases());
  for (unsigned i = 0; !chosen && plan.cases.size() < count; ++i)
    plan.cases.push_back(i % 5 == 4 ? generated_io_case(seed, i) : generated_cpu_case(seed, i));
  if (!only.empty())
    std::erase_if(plan.cases, [&](const Case& item) { return !named_in(item, only); });
  if (!families.empty())
    std::erase_if(plan.cases, [&](const Case& item) {
      return std::find(families.begin(), families.end(), family_name(item.family)) == families.end();
    });
  if (count < plan.cases.size()) {  // a short run takes some of each kind
    std::vector<Case> some;
    for (std::size_t i = 0; i < count; ++i) some.push_back(plan.cases[i * plan.cases.size() / count]);
    plan.cases = std::move(some);
  }
  if (plan.cases.empty()) return std::fprintf(stderr, "fidelity: no case is of that name and kind\n"), 1;

  const auto is_anew = [&](const Case& item) {
    return measured.empty() || named_in(item, anew) ||
           std::find(anew.begin(), anew.end(), family_name(item.family)) != anew.end();
  };
  for (const std::string& text : anew)
    if (std::ranges::find(kFamilies, text) == kFamilies.end() &&
        std::ranges::none_of(plan.cases, [&](const Case& item) { return named_in(item, {text}); }))
      return std::fprintf(stderr, "fidelity: --anew %s: neither a kind nor part of a case's name\n", text.c_str()), 1;
  Plan now = plan, before = plan;
  std::erase_if(now.cases, [&](const Case& item) { return !is_anew(item); });
  std::erase_if(before.cases, is_anew);
  Result<Report> report = Report{};
  if (!before.cases.empty()) report = predict_anew(before, texts_of(measured));
  if (report && !now.cases.empty()) {
    auto fresh = measure_now(now);
    if (fresh)
      report->add(std::move(*fresh));
    else
      report = fresh.error();
  }
  if (!report) return std::fprintf(stderr, "fidelity: %s\n", report.error().message().c_str()), 1;

  std::string heading = text_of(preface), command = "--cases " + std::to_string(count);
  command += " --seconds " + CLI::detail::to_string(length) + " --seed " + std::to_string(seed) +
             " --repetitions " + std::to_string(repetitions);
  if (chosen) command += " --chosen";
  for (const std::string& family : families) command += " --kind " + family;
  std::string again;
  for (const std::string& text : anew) again += (again.empty() ? "measured anew on " + describe_machine() + ": " : ", ") + text;
  if (!again.empty()) report->anew += (report->anew.empty() ? "" : "; ") + again;
  const std::string machine = report->machine.empty() ? describe_machine() : report->machine;
  heading += "\nMeasured on " + machine + " with `ci/fidelity " + command + "`" +
             (measured.empty() ? "." : "; the model has changed since, and its predictions were made anew (`--measured`)" + (report->anew.empty() ? "" : "; " + report->anew) + ".") +
             "\n\n![errors](" + name +
             "-errors.svg)\n\n![predicted against measured](" + name + ".svg)\n";
  std::error_code ignored;  // a folder that cannot be made shows in the first file
  std::filesystem::create_directories(out, ignored);
  const std::filesystem::path folder(out);
  const std::string table = markdown(plan, *report, heading, text_of(notes_file));
  if (!put(folder / (name + ".md"), table) || !put(folder / (name + ".svg"), svg(*report)) ||
      !put(folder / (name + "-errors.svg"), errors_svg(*report)) ||
      !put(folder / (name + ".json"), json(plan, *report, machine)))
    return 1;
  std::printf("%s", table.substr(table.find("\n## Result")).c_str());
  if (fail_above <= 0) return 0;
  for (const Bar& bar : bars())
    if (judge(*report, bar.kind).median * 100 > fail_above) {
      std::fprintf(stderr, "fidelity: %s: the median error is above %g %%\n", bar.title, fail_above);
      return 3;
    }
  return 0;
}
