#include "backends/linux/process/records.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <sstream>
#include <utility>

#include "backends/linux/cgroup/proc_stat.h"
#include "backends/linux/errno_error.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

constexpr std::string_view kSuffix = ".init";
constexpr const char* kOperation = "processes.records";

bool live(const ProcessRef& process) {
  const auto stat = read_proc_stat(process.pid);
  return stat && !stat->dead() && stat->start_time == process.generation;
}

/// Content of a small file; std::nullopt when it does not exist.
Result<std::optional<std::string>> read_small(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    if (errno == ENOENT) return std::optional<std::string>{};
    return system_error(kOperation, path, errno, "cannot read the record");
  }
  std::array<char, 256> text{};
  const ssize_t got = ::read(file.get(), text.data(), text.size());
  if (got < 0) return system_error(kOperation, path, errno, "cannot read the record");
  return std::optional<std::string>(std::string(text.data(), static_cast<std::size_t>(got)));
}

Status make_directories(const std::string& path) {
  for (std::size_t at = 1; at != std::string::npos;) {
    at = path.find('/', at);
    const auto part = path.substr(0, at);
    if (::mkdir(part.c_str(), 0755) != 0 && errno != EEXIST) {
      return system_error(kOperation, part, errno, "cannot make the node's run directory");
    }
    if (at != std::string::npos) ++at;
  }
  return {};
}

}  // namespace

bool valid_label(std::string_view label) {
  constexpr std::size_t kLongest = 64;
  if (label.empty() || label.size() > kLongest || label == "." || label == "..") return false;
  return std::ranges::all_of(label, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '.' || c == '_' || c == '-';
  });
}

std::string InitRecords::path_of(const std::string& label) const {
  return fmt::format("{}/{}{}", directory_, label, kSuffix);
}

Result<std::string> InitRecords::boot_id() {
  // A run directory that is no tmpfs keeps records over a reboot, after which numbers and start
  // times begin again.
  TH_ASSIGN(const auto text, read_small("/proc/sys/kernel/random/boot_id"));
  if (!text) return fail(ErrorCode::not_found, kOperation, "boot_id", "the kernel tells none");
  return text->substr(0, text->find('\n'));
}

Result<int> InitRecords::lock() {
  int directory = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0 && errno == ENOENT) {
    TH_TRY(make_directories(directory_));
    directory = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }
  if (directory < 0) return system_error(kOperation, directory_, errno, "cannot open it");
  while (::flock(directory, LOCK_EX) != 0) {
    if (errno == EINTR) continue;
    const int number = errno;
    ::close(directory);
    return system_error(kOperation, directory_, number, "cannot lock it");
  }
  return directory;
}

Result<std::optional<ProcessRef>> InitRecords::read(const std::string& path) {
  TH_ASSIGN(const auto text, read_small(path));
  if (!text) return std::optional<ProcessRef>{};
  std::istringstream words(*text);
  ProcessRef process;
  std::string boot;
  if (!(words >> process.pid >> process.generation >> boot)) {
    return fail(ErrorCode::corrupt, kOperation, path, "the record is damaged")
        .with_hint("remove the file if the container is not running");
  }
  TH_ASSIGN(const std::string now, boot_id());
  if (boot != now) return std::optional<ProcessRef>{};
  return std::optional<ProcessRef>(process);
}

Status InitRecords::add(const std::string& label, ProcessRef init) {
  TH_ASSIGN(const int locked, lock());
  const UniqueFd directory(locked);
  const auto path = path_of(label);
  TH_ASSIGN(const auto former, read(path));
  if (former && live(*former)) {
    return fail(ErrorCode::already_running, "processes.spawn", label,
                fmt::format("process {} is its init already", former->pid));
  }
  TH_ASSIGN(const std::string boot, boot_id());
  const auto text = fmt::format("{} {} {}\n", init.pid, init.generation, boot);
  const auto temporary = fmt::format("{}.{}.new", path, init.pid);
  const UniqueFd file(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return system_error(kOperation, temporary, errno, "cannot write the record");
  const auto written = ::write(file.get(), text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size()) ||
      ::rename(temporary.c_str(), path.c_str()) != 0) {
    const int number = errno;
    ::unlink(temporary.c_str());
    return system_error(kOperation, path, number, "cannot write the record");
  }
  return {};
}

Result<std::optional<ProcessRef>> InitRecords::find(const std::string& label) {
  const auto path = path_of(label);
  TH_ASSIGN(const auto known, read(path));
  if (!known) return std::optional<ProcessRef>{};
  if (live(*known)) return known;
  // Look again under the lock: a new init may have taken the label meanwhile.
  TH_ASSIGN(const int locked, lock());
  const UniqueFd directory(locked);
  TH_ASSIGN(const auto again, read(path));
  if (!again) return std::optional<ProcessRef>{};
  if (live(*again)) return again;
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return system_error(kOperation, path, errno, "cannot remove the record of a gone init");
  }
  return std::optional<ProcessRef>{};
}

Result<std::vector<std::string>> InitRecords::labels() {
  std::vector<std::string> labels;
  DIR* const directory = ::opendir(directory_.c_str());
  if (directory == nullptr) {
    if (errno == ENOENT) return labels;
    return system_error(kOperation, directory_, errno, "cannot list it");
  }
  while (const dirent* const entry = ::readdir(directory)) {
    std::string_view name = entry->d_name;
    if (!name.ends_with(kSuffix)) continue;
    name.remove_suffix(kSuffix.size());
    if (valid_label(name)) labels.emplace_back(name);
  }
  ::closedir(directory);
  std::ranges::sort(labels);
  return labels;
}

Result<std::vector<LabeledProcess>> InitRecords::list() {
  TH_ASSIGN(const auto names, labels());
  std::vector<LabeledProcess> found;
  for (const auto& label : names) {
    TH_ASSIGN(const auto init, find(label));
    if (init) found.push_back({label, *init});
  }
  return found;
}

Status InitRecords::remove(ProcessRef init) {
  TH_ASSIGN(const auto names, labels());
  if (names.empty()) return {};
  TH_ASSIGN(const int locked, lock());
  const UniqueFd directory(locked);
  for (const auto& label : names) {
    const auto path = path_of(label);
    TH_ASSIGN(const auto known, read(path));
    if (known != init) continue;
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
      return system_error(kOperation, path, errno, "cannot remove the record of a gone init");
    }
  }
  return {};
}

}  // namespace twinhull::linux_backend
