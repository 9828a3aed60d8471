#include "backends/linux/checkpoint/survey.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "backends/linux/mount_table.h"
#include "backends/linux/process/small_file.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

namespace fs = std::filesystem;

constexpr std::array kDevices = {"/dev/null",   "/dev/zero",    "/dev/full",
                                 "/dev/random", "/dev/urandom", "/dev/tty",
                                 "/dev/ptmx",   "/dev/kmsg",    "/dev/console"};
constexpr std::array kInodes = {"io_uring", "perf_event", "bpf", "kvm", "userfaultfd", "iommufd"};
constexpr std::array kFileSystems = {"overlay", "proc",   "sysfs",   "tmpfs",    "devpts",
                                     "mqueue",  "cgroup", "cgroup2", "devtmpfs", "fuse.lxcfs"};

/// "process 12 (nginx)", by the number inside.
std::string name_of(std::int32_t pid) {
  std::string name = read_small_file(fmt::format("/proc/{}/comm", pid)).value_or("?\n");
  while (!name.empty() && name.back() == '\n') name.pop_back();
  std::string inner = std::to_string(pid);
  std::istringstream status(read_small_file(fmt::format("/proc/{}/status", pid)).value_or(""));
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("NSpid:")) inner = line.substr(line.find_last_of('\t') + 1);
  return fmt::format("process {} ({})", inner, name);
}

/// Kibibytes of a line of smaps_rollup.
std::uint64_t kibibytes(std::string_view text, std::string_view key) {
  const auto at = text.find(key);
  if (at == std::string_view::npos) return 0;
  const char* first =
      text.data() + std::min(text.find_first_not_of(' ', at + key.size()), text.size());
  std::uint64_t value = 0;
  std::from_chars(first, text.data() + text.size(), value);
  return value;
}

}  // namespace

std::string descriptor_hindrance(std::string_view target) {
  constexpr std::string_view kAnonymous = "anon_inode:";
  if (target.starts_with(kAnonymous)) {
    for (const std::string_view name : kInodes)
      if (target.substr(kAnonymous.size()).find(name) != std::string_view::npos)
        return fmt::format("is {}, which cannot be saved", target.substr(kAnonymous.size()));
    return {};
  }
  if (!target.starts_with("/dev/")) return {};
  if (target.starts_with("/dev/pts/") || target.starts_with("/dev/shm/") ||
      target.starts_with("/dev/mqueue/") || std::ranges::find(kDevices, target) != kDevices.end())
    return {};
  return fmt::format("is the device {}, whose state is the node's", target);
}

Result<std::vector<Hindrance>> mount_hindrances(std::string_view mountinfo) {
  TH_ASSIGN(const auto mounts, parse_mount_table(mountinfo, "checkpoints.survey"));
  std::vector<Hindrance> found;
  for (const MountEntry& mount : mounts) {
    if (std::ranges::find(kFileSystems, mount.type) != kFileSystems.end()) continue;
    found.push_back({"mount " + mount.target,
                     "is of the type " + mount.type + ", which lives outside",
                     "unmount it in the container, and mount it again after the move", false});
  }
  return found;
}

void survey_process(std::int32_t pid, Survey& survey) {
  std::error_code error;
  const fs::directory_iterator entries(fmt::format("/proc/{}/fd", pid), error);
  if (error) return;
  ++survey.tasks;
  for (const auto& entry : entries) {
    const std::string target = fs::read_symlink(entry.path(), error).string();
    if (error) continue;
    ++survey.descriptors;
    if (target.starts_with("socket:")) ++survey.sockets;
    const std::string why = descriptor_hindrance(target);
    if (why.empty()) continue;
    survey.hindrances.push_back(
        {fmt::format("{}, descriptor {}", name_of(pid), entry.path().filename().string()), why,
         "end it before the move, or move without --online", false});
  }
  // CRIU reads the limits of every process, which for another user's takes a capability of the
  // node.
  rlimit files{};
  if (::prlimit(pid, RLIMIT_NOFILE, nullptr, &files) != 0 && errno == EPERM) {
    survey.hindrances.push_back(
        {name_of(pid),
         "runs as another user, and its limits cannot be read: this node lacks CAP_SYS_RESOURCE",
         "move it from a node that has it, or without --online", false});
  }
  const auto memory = read_small_file(fmt::format("/proc/{}/smaps_rollup", pid)).value_or("");
  survey.held += Pages{(kibibytes(memory, "\nAnonymous:") + kibibytes(memory, "\nPss_Shmem:") +
                        kibibytes(memory, "\nSwap:")) /
                       (kPageSize / 1024)};
}

void clear_soft_dirty(std::int32_t pid) {
  std::ofstream(fmt::format("/proc/{}/clear_refs", pid)) << "4";
}

Pages count_soft_dirty(std::int32_t pid) {
  constexpr std::uint64_t kSoftDirty = std::uint64_t{1} << 55, kThere = std::uint64_t{3} << 62;
  const UniqueFd map(::open(fmt::format("/proc/{}/pagemap", pid).c_str(), O_RDONLY | O_CLOEXEC));
  std::ifstream maps(fmt::format("/proc/{}/maps", pid));
  Pages changed;
  std::vector<std::uint64_t> words(512);
  for (std::string line; map && std::getline(maps, line);) {
    std::uint64_t begin = 0, end = 0;
    const char* const last = line.data() + line.size();
    const auto dash = std::from_chars(line.data(), last, begin, 16);
    const auto blank = std::from_chars(std::min(dash.ptr + 1, last), last, end, 16);
    if (blank.ptr + 2 >= last || blank.ptr[2] != 'w') continue;
    for (std::uint64_t page = begin / kPageSize; page < end / kPageSize;) {
      const std::uint64_t most = std::min<std::uint64_t>(words.size(), end / kPageSize - page);
      const ssize_t got = ::pread(map.get(), words.data(), most * sizeof(std::uint64_t),
                                  static_cast<off_t>(page * sizeof(std::uint64_t)));
      if (got <= 0) break;
      const auto count = static_cast<std::uint64_t>(got) / sizeof(std::uint64_t);
      for (std::uint64_t i = 0; i < count; ++i)
        if ((words[i] & kSoftDirty) != 0 && (words[i] & kThere) != 0) ++changed.value;
      page += count;
    }
  }
  return changed;
}

}  // namespace twinhull::linux_backend
