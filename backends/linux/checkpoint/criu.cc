#include "backends/linux/checkpoint/criu.h"

#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <utility>

#include "backends/linux/cgroup/delegation.h"
#include "backends/linux/checkpoint/pace.h"
#include "backends/linux/run_tool.h"

namespace twinhull::linux_backend {
namespace {

constexpr const char* kPrivate = "/usr/local/lib/twinhull/criu/usr/sbin/criu";
constexpr std::array kSystem = {"/usr/local/sbin/criu", "/usr/local/bin/criu", "/usr/sbin/criu",
                                "/usr/bin/criu"};
constexpr std::uint64_t kFullDisk = std::uint64_t{1} << 20;

/// Said in every run, or by helpers whose absence does no harm.
constexpr std::string_view kHarmless[] = {
    "RLIMIT_NOFILE", "tables", "exited, status=", "ddress already assigned", "kdat cache",
    "irmap: Can't stat"};

struct Pattern {
  std::string_view text;
  ErrorCode code;
};
constexpr Pattern kDumpPatterns[] = {
    {"No space left", ErrorCode::no_space},
    {"Disk quota exceeded", ErrorCode::quota_exceeded},
    {"outside of its", ErrorCode::not_supported},
    {"Can't lookup mount", ErrorCode::not_supported},
    {"Can't get rlimit", ErrorCode::not_supported},
    {"unreachable", ErrorCode::not_supported},
    {"xternal", ErrorCode::not_supported},
    {"Can't dump", ErrorCode::not_supported},
    {"can't dump", ErrorCode::not_supported},
    {"nsupported", ErrorCode::not_supported},
    {"in-flight", ErrorCode::busy},
};
constexpr Pattern kRestorePatterns[] = {
    {"No space left", ErrorCode::no_space}, {"Cannot allocate memory", ErrorCode::no_memory},
    {"File exists", ErrorCode::exists},     {"Unable to open", ErrorCode::corrupt},
    {"Bad magic", ErrorCode::corrupt},      {"Unexpected EOF", ErrorCode::corrupt},
};

std::string read_file(const std::string& path) {
  std::ifstream stream(path);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

/// Number behind "NAME: ".
std::optional<std::uint64_t> number_after(std::string_view output, std::string_view name) {
  const auto at = output.find(std::string(name) + ": ");
  if (at == std::string_view::npos) return std::nullopt;
  const char* first = output.data() + at + name.size() + 2;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(first, output.data() + output.size(), value);
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

Duration microseconds_after(std::string_view output, std::string_view name) {
  return microseconds(static_cast<std::int64_t>(number_after(output, name).value_or(0)));
}

/// CRIU mounts the tree of control groups for itself.
Result<RunningTool> start_guarded(const std::vector<std::string>& words, std::string_view operation) {
  TH_ASSIGN(const CgroupLayout layout, detect_cgroup_layout());
  TH_ASSIGN(const CgroupMountGuard guard, CgroupMountGuard::enter(layout));
  return RunningTool::start(words, operation);
}

Result<ToolOutcome> run_guarded(const std::vector<std::string>& words, std::string_view operation) {
  TH_ASSIGN(RunningTool tool, start_guarded(words, operation));
  return tool.finish();
}

Support ask(const std::string& criu, Feature feature) {
  std::vector<std::string> words = {criu, "check"};
  if (feature == Feature::dirty_tracking)
    words.insert(words.end(), {"--feature", "mem_dirty_track"});
  if (feature == Feature::lazy_pages) words.insert(words.end(), {"--feature", "uffd-noncoop"});
  const auto begun = std::chrono::steady_clock::now();
  const auto outcome = run_guarded(words, "host.supports");
  const auto took =
      std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - begun);
  if (!outcome) return {false, criu + ": " + outcome.error().detail};
  if (outcome->exit_code == 0) return {true, criu, {.look = took, .dump = {}, .restore = {}}};
  const std::string cause = cause_in_log(outcome->output);
  const char* const what = feature == Feature::dirty_tracking
                               ? "cannot see here which pages of memory change"
                           : feature == Feature::lazy_pages
                               ? "cannot let memory follow here (userfaultfd and its events)"
                               : "does not work on this kernel";
  return {false, fmt::format("{} {}: {}", criu, what, cause.empty() ? outcome->last_line() : cause)};
}

}  // namespace

std::string find_criu(const NodeOptions& options) {
  if (!options.criu.empty()) return options.criu;
  if (::access(kPrivate, X_OK) == 0) return kPrivate;
  for (const char* const path : kSystem)
    if (::access(path, X_OK) == 0) return path;
  return {};
}

Support criu_support(const NodeOptions& options, Feature feature) {
  const std::string criu = find_criu(options);
  if (criu.empty())
    return {false, "there is no program criu: install one, or run ci/bootstrap --criu"};
  if (::access(criu.c_str(), X_OK) != 0) return {false, "there is no program " + criu};
  static std::mutex mutex;
  static std::map<std::pair<std::string, Feature>, Support> known;
  const std::scoped_lock lock(mutex);
  const auto ask_once = [&](Feature what) -> Support& {
    const auto found = known.find({criu, what});
    return found != known.end() ? found->second : known[{criu, what}] = ask(criu, what);
  };
  Support support = ask_once(Feature::checkpoint);
  if (feature != Feature::checkpoint) return support.available ? ask_once(feature) : support;
  const EnginePace runs = pace_of(options);
  support.pace.dump = runs.dump;
  support.pace.restore = runs.restore;
  return support;
}

std::optional<CriuVersion> parse_criu_version(std::string_view output) {
  constexpr std::string_view kName = "Version: ";
  const auto at = output.find(kName);
  int major = 0, minor = 0;
  if (at == std::string_view::npos ||
      std::sscanf(std::string(output.substr(at + kName.size())).c_str(), "%d.%d", &major, &minor) != 2)
    return std::nullopt;
  return CriuVersion(major, minor);
}

Result<CriuVersion> criu_version(const NodeOptions& options, std::string_view operation) {
  static std::mutex mutex;
  static std::map<std::string, CriuVersion> known;
  const std::string criu = find_criu(options);
  const std::scoped_lock lock(mutex);
  if (const auto found = known.find(criu); found != known.end()) return found->second;
  TH_ASSIGN(const ToolOutcome said, run_tool({criu, "--version"}, operation));
  const auto version = parse_criu_version(said.output);
  if (!version)
    return fail(ErrorCode::not_supported, operation, criu, "it does not tell its version")
        .with_hint("run ci/bootstrap --criu for one that is known to work");
  known[criu] = *version;
  return *version;
}

std::string cause_in_log(std::string_view log) {
  constexpr std::string_view kMark = "Error (";
  while (!log.empty()) {
    const auto end = std::min(log.find('\n'), log.size());
    const std::string_view line = log.substr(0, end);
    log.remove_prefix(std::min(end + 1, log.size()));
    const auto mark = line.find(kMark);
    if (mark == std::string_view::npos) continue;
    const auto colon = line.find("): ", mark);
    if (colon == std::string_view::npos) continue;
    const std::string_view text = line.substr(colon + 3);
    if (std::ranges::any_of(kHarmless, [text](std::string_view word) {
          return text.find(word) != std::string_view::npos;
        }))
      continue;
    return std::string(text);
  }
  return {};
}

ErrorCode code_of_cause(std::string_view cause, bool dump) {
  const auto look = [cause](const auto& patterns) {
    for (const Pattern& pattern : patterns)
      if (cause.find(pattern.text) != std::string_view::npos) return pattern.code;
    return ErrorCode::failed;
  };
  return dump ? look(kDumpPatterns) : look(kRestorePatterns);
}

DumpResult parse_dump_stats(std::string_view output) {
  DumpResult result;
  result.freezing = microseconds_after(output, "Freezing time");
  result.frozen = microseconds_after(output, "Frozen time");
  result.scanned = {number_after(output, "Memory pages scanned").value_or(0)};
  result.skipped = {number_after(output, "Memory pages skipped from parent").value_or(0)};
  result.written = {number_after(output, "Memory pages written").value_or(0)};
  return result;
}

Pages parse_restored_pages(std::string_view output) {
  return {number_after(output, "Pages restored").value_or(0)};
}

namespace {

/// The images of a failed dump are removed: its log is kept where the latest one stays.
std::string kept_log(const NodeOptions& options, const std::string& path, const std::string& name) {
  const std::string kept = options.run_directory + "/criu-" + name;
  std::error_code error;
  std::filesystem::copy_file(path, kept, std::filesystem::copy_options::overwrite_existing, error);
  return error ? path : kept;
}

}  // namespace

Result<RunningTool> start_criu(const NodeOptions& options, std::vector<std::string> arguments,
                               const std::string& images, const std::string& log,
                               std::string_view operation) {
  std::vector<std::string> words = {find_criu(options)};
  words.insert(words.end(), arguments.begin(), arguments.end());
  words.insert(words.end(), {"--images-dir", images, "--log-file", log, "-v2", "--display-stats"});
  return start_guarded(words, operation);
}

Result<std::string> run_criu(const NodeOptions& options, std::vector<std::string> arguments,
                             const std::string& images, const std::string& log,
                             std::string_view operation, const std::string& object) {
  TH_ASSIGN(RunningTool criu, start_criu(options, std::move(arguments), images, log, operation));
  TH_ASSIGN(ToolOutcome outcome, criu.finish());
  if (outcome.exit_code == 0) return std::move(outcome.output);
  return criu_failure(options, outcome, images, log, operation, object);
}

Error criu_failure(const NodeOptions& options, const ToolOutcome& outcome,
                   const std::string& images, const std::string& log, std::string_view operation,
                   const std::string& object) {
  const bool dump = log != "restore.log";
  const std::string path = images + "/" + log;
  std::string cause = cause_in_log(read_file(path));
  if (cause.empty()) cause = cause_in_log(outcome.output);
  struct statvfs space {};
  const bool full = ::statvfs(images.c_str(), &space) == 0 &&
                    std::uint64_t{space.f_bavail} * space.f_frsize < kFullDisk;
  if (dump && full) return fail(ErrorCode::no_space, operation, images, "the disk is full");
  if (cause.empty()) cause = fmt::format("criu ended with {}", outcome.exit_code);
  return fail(code_of_cause(cause, dump), operation, object, cause)
      .with_hint("the full log is " + kept_log(options, path, log));
}

}  // namespace twinhull::linux_backend
