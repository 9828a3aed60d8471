#include <dirent.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "backends/linux/cgroup/tree.h"
#include "backends/linux/cgroup/proc_stat.h"
#include "backends/linux/unique_fd.h"

// libcgroup (2.0.2) was measured for this place and is not used on it: cgroup_init() alone takes
// 2.7 ms (the ten mkdir of a group take 0.2 ms together), it does not know named hierarchies
// ("name=systemd" = "one of the needed subsystems is not mounted") nor cgroup.kill, cgroup.freeze
// and device programs, and its errors lose the errno of the file that refused. The tests use it as
// an independent reader of what was written.

namespace twinhull::linux_backend {
namespace {

constexpr const char* kMarkName = "trusted.twinhull";
constexpr std::size_t kMostPrograms = 64;

std::uint64_t address_of(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

int bpf(int command, bpf_attr& attributes) {
  return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

class PosixTree final : public CgroupTree {
 public:
  std::expected<std::string, int> read(const std::string& path) override {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return std::unexpected(errno);
    std::string text;
    std::array<char, 4096> buffer{};
    for (;;) {
      const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
      if (got < 0) {
        if (errno == EINTR) continue;
        return std::unexpected(errno);
      }
      if (got == 0) return text;
      text.append(buffer.data(), static_cast<std::size_t>(got));
    }
  }

  int write(const std::string& path, std::string_view text) override {
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file) return errno;
    for (;;) {
      if (::write(file.get(), text.data(), text.size()) >= 0) return 0;
      if (errno != EINTR) return errno;
    }
  }

  int make_directory(const std::string& path) override {
    return ::mkdir(path.c_str(), 0755) == 0 ? 0 : errno;
  }

  int remove_directory(const std::string& path) override {
    return ::rmdir(path.c_str()) == 0 ? 0 : errno;
  }

  std::expected<std::vector<std::string>, int> directories(const std::string& path) override {
    // A group's link count is 2 + its children: most groups are leaves and need no listing.
    struct stat facts{};
    if (::stat(path.c_str(), &facts) != 0) return std::unexpected(errno);
    std::vector<std::string> names;
    if (facts.st_nlink == 2) return names;
    DIR* const directory = ::opendir(path.c_str());
    if (directory == nullptr) return std::unexpected(errno);
    while (const dirent* const entry = ::readdir(directory)) {
      const std::string_view name = entry->d_name;
      if (entry->d_type == DT_DIR && name != "." && name != "..") names.emplace_back(name);
    }
    ::closedir(directory);
    std::ranges::sort(names);
    return names;
  }

  bool exists(const std::string& path) override { return ::access(path.c_str(), F_OK) == 0; }

  int mark(const std::string& path) override {
    return ::setxattr(path.c_str(), kMarkName, "1", 1, 0) == 0 ? 0 : errno;
  }
  bool marked(const std::string& path) override {
    char value = 0;
    return ::getxattr(path.c_str(), kMarkName, &value, 1) == 1;
  }

  int replace_device_program(const std::string& path,
                             const std::vector<BpfInstruction>& program) override {
    const UniqueFd group(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!group) return errno;
    std::array<std::uint32_t, kMostPrograms> old{};
    bpf_attr query{};
    query.query.target_fd = static_cast<std::uint32_t>(group.get());
    query.query.attach_type = BPF_CGROUP_DEVICE;
    query.query.prog_ids = address_of(old.data());
    query.query.prog_cnt = kMostPrograms;
    if (bpf(BPF_PROG_QUERY, query) != 0) return errno;

    static_assert(sizeof(BpfInstruction) == sizeof(bpf_insn));
    static constexpr char kLicense[] = "Apache-2.0";
    bpf_attr load{};
    load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    load.insns = address_of(program.data());
    load.insn_cnt = static_cast<std::uint32_t>(program.size());
    load.license = address_of(kLicense);
    const UniqueFd loaded(bpf(BPF_PROG_LOAD, load));
    if (!loaded) return errno;

    bpf_attr attach{};
    attach.target_fd = static_cast<std::uint32_t>(group.get());
    attach.attach_bpf_fd = static_cast<std::uint32_t>(loaded.get());
    attach.attach_type = BPF_CGROUP_DEVICE;
    attach.attach_flags = BPF_F_ALLOW_MULTI;
    if (bpf(BPF_PROG_ATTACH, attach) != 0) return errno;
    // The new program acts already (all attached programs must agree), so there is no moment
    // without rules while the old ones go.
    for (std::uint32_t i = 0; i < query.query.prog_cnt; ++i) {
      bpf_attr by_id{};
      by_id.prog_id = old[i];
      const UniqueFd former(bpf(BPF_PROG_GET_FD_BY_ID, by_id));
      if (!former) return errno;
      bpf_attr detach{};
      detach.target_fd = static_cast<std::uint32_t>(group.get());
      detach.attach_bpf_fd = static_cast<std::uint32_t>(former.get());
      detach.attach_type = BPF_CGROUP_DEVICE;
      if (bpf(BPF_PROG_DETACH, detach) != 0) return errno;
    }
    return 0;
  }

  int kill(std::int32_t pid) override { return ::kill(pid, SIGKILL) == 0 ? 0 : errno; }

  std::optional<std::uint64_t> start_time(std::int32_t pid) override {
    const auto stat = read_proc_stat(pid);
    if (!stat || stat->dead()) return std::nullopt;
    return stat->start_time;
  }

  Result<BlockDevice> disk_of(const std::string& path, std::string_view operation) override {
    return find_disk(path, operation);
  }

  void pause(Duration length) override {
    const timespec wait{.tv_sec = length.count() / 1000000000,
                        .tv_nsec = static_cast<long>(length.count() % 1000000000)};
    ::nanosleep(&wait, nullptr);  // an early end only means that the caller looks again sooner
  }
};

}  // namespace

std::unique_ptr<CgroupTree> make_posix_tree() { return std::make_unique<PosixTree>(); }

}  // namespace twinhull::linux_backend
