#include "backends/linux/checkpoint/criu.h"

#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <utility>

#include "backends/linux/run_tool.h"

namespace twinhull::linux_backend {
namespace {

constexpr const char* kPrivate = "/usr/local/lib/twinhull/criu/usr/sbin/criu";
constexpr std::array kSystem = {"/usr/local/sbin/criu", "/usr/local/bin/criu", "/usr/sbin/criu",
                                "/usr/bin/criu"};
constexpr std::uint64_t kFullDisk = std::uint64_t{1} << 20;

/// Said in every run, or by helpers whose absence does no harm.
constexpr std::string_view kHarmless[] = {
    "RLIMIT_NOFILE", "tables", "exited, status=", "ddress already assigned", "kdat cache"};

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

Support ask(const std::string& criu, Feature feature) {
  std::vector<std::string> words = {criu, "check"};
  if (feature == Feature::dirty_tracking)
    words.insert(words.end(), {"--feature", "mem_dirty_track"});
  const auto outcome = run_tool(words, "host.supports");
  if (!outcome) return {false, criu + ": " + outcome.error().detail};
  if (outcome->exit_code == 0) return {true, criu};
  const std::string cause = cause_in_log(outcome->output);
  const bool tracking = feature == Feature::dirty_tracking;
  return {false, fmt::format("{} {}: {}", criu,
                             tracking ? "cannot see here which pages of memory change"
                                      : "does not work on this kernel",
                             cause.empty() ? outcome->last_line() : cause)};
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
  const auto found = known.find({criu, feature});
  if (found != known.end()) return found->second;
  Support support = ask(criu, Feature::checkpoint);
  known[{criu, Feature::checkpoint}] = support;
  if (feature == Feature::dirty_tracking && support.available) support = ask(criu, feature);
  return known[{criu, feature}] = support;
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

Result<std::string> run_criu(const NodeOptions& options, std::vector<std::string> arguments,
                             const std::string& images, const std::string& log,
                             std::string_view operation, const std::string& object) {
  const bool dump = log != "restore.log";
  std::vector<std::string> words = {find_criu(options)};
  words.insert(words.end(), arguments.begin(), arguments.end());
  words.insert(words.end(), {"--images-dir", images, "--log-file", log, "-v2", "--display-stats"});
  TH_ASSIGN(ToolOutcome outcome, run_tool(words, operation));
  if (outcome.exit_code == 0) return std::move(outcome.output);
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
