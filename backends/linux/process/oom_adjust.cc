#include "backends/linux/process/oom_adjust.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "backends/linux/errno_error.h"
#include "backends/linux/process/identity.h"
#include "backends/linux/process/small_file.h"

namespace twinhull::linux_backend {
namespace {

template <typename Number>
std::optional<Number> number_at(std::string_view text) {
  Number value{};
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return std::nullopt;
  text.remove_prefix(first);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  return value;
}

/// What follows "KEY:" in /proc/PID/status, to the end of the line.
std::string_view field(std::string_view status, std::string_view key) {
  const auto start = fmt::format("\n{}:\t", key);  // the first line is "Name:", never asked for
  const auto at = status.find(start);
  if (at == std::string_view::npos) return {};
  status.remove_prefix(at + start.size());
  return status.substr(0, status.find('\n'));
}

bool same_pid_namespace(std::int32_t a, std::int32_t b) {
  struct stat first {
  }, second{};
  return ::stat(fmt::format("/proc/{}/ns/pid", a).c_str(), &first) == 0 &&
         ::stat(fmt::format("/proc/{}/ns/pid", b).c_str(), &second) == 0 &&
         first.st_ino == second.st_ino && first.st_dev == second.st_dev;
}

std::string name_of(std::int32_t pid) {
  auto name = read_small_file(fmt::format("/proc/{}/comm", pid)).value_or("");
  if (name.ends_with('\n')) name.pop_back();
  return name;
}

}  // namespace

Status check_oom_adjust(std::string_view operation, const std::string& object,
                        std::int32_t adjust) {
  if (adjust >= kLeastOomAdjust && adjust <= kMostOomAdjust) return {};
  return fail(
      ErrorCode::invalid_argument, operation, object,
      fmt::format("oom_score_adj is {} to {}, not {}", kLeastOomAdjust, kMostOomAdjust, adjust));
}

OomAdjustFile::OomAdjustFile(std::int32_t pid)
    : file_(pid > 0 ? ::open(fmt::format("/proc/{}/oom_score_adj", pid).c_str(), O_RDWR | O_CLOEXEC)
                    : -1) {}

Result<Effect> OomAdjustFile::write(std::string_view operation, const std::string& object,
                                    std::int32_t adjust) const {
  if (!file_) return Effect::none;
  std::array<char, 16> now{};
  const ssize_t got = ::pread(file_.get(), now.data(), now.size(), 0);
  if (got > 0 && number_at<std::int32_t>({now.data(), static_cast<std::size_t>(got)}) == adjust) {
    return Effect::none;
  }
  const std::string text = std::to_string(adjust);
  if (got >= 0 && ::pwrite(file_.get(), text.data(), text.size(), 0) >= 0) return Effect::changed;
  if (errno == ESRCH) return Effect::none;
  const bool lowering = errno == EACCES || errno == EPERM;
  return system_error(operation, object, errno,
                      fmt::format("cannot set its oom_score_adj to {}", adjust))
      .with_hint(lowering ? "lowering it needs CAP_SYS_RESOURCE, which this node's root may lack"
                          : "");
}

std::optional<ProcessFacts> read_process_facts(const ProcessRef& process) {
  if (process.pid <= 0) return std::nullopt;
  const auto status = read_small_file(fmt::format("/proc/{}/status", process.pid));
  const auto adjust = read_small_file(fmt::format("/proc/{}/oom_score_adj", process.pid));
  if (!status || !adjust) return std::nullopt;
  ProcessFacts facts;
  facts.name = name_of(process.pid);
  const auto parent = number_at<std::int32_t>(field(*status, "PPid")).value_or(0);
  if (parent > 0 && same_pid_namespace(process.pid, parent)) facts.parent = name_of(parent);
  // "real effective saved filesystem"
  const std::string_view ids = field(*status, "Uid");
  facts.uid =
      number_at<std::uint32_t>(ids.substr(std::min(ids.find('\t'), ids.size()))).value_or(0);
  facts.oom_adjust = number_at<std::int32_t>(*adjust).value_or(0);
  if (!is_live(process)) return std::nullopt;
  return facts;
}

}  // namespace twinhull::linux_backend
