#include "backends/linux/host/host.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include "backends/linux/cgroup/cgroups.h"
#include "backends/linux/checkpoint/criu.h"
#include "backends/linux/errno_error.h"
#include "backends/linux/file/entry.h"
#include "backends/linux/file/path.h"
#include "backends/linux/host/proc_text.h"
#include "backends/linux/io.h"
#include "backends/linux/link/links.h"
#include "backends/linux/mount_table.h"
#include "backends/linux/process/proc_view.h"
#include "backends/linux/process/processes.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

/// The path itself, or its nearest ancestor that exists.
Result<std::string> nearest_existing(std::string_view operation, const std::string& path) {
  TH_TRY(check_path(operation, path));
  std::string place = clean_path(path);
  for (;;) {
    EntryFacts facts;
    const int error = read_facts(AT_FDCWD, place.c_str(), facts);
    if (error == 0) return place;
    if (error != ENOENT && error != ENOTDIR) return system_error(operation, place, error);
    if (place == "/") return system_error(operation, place, error);
    place = parent_path(place);
  }
}

/// Whether a program is found as execvp(3) would find it.
bool is_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return ::access(name.c_str(), X_OK) == 0;
  const char* variable = ::getenv("PATH");
  std::string_view list = variable != nullptr ? variable : "/usr/bin:/bin";
  for (;;) {
    const auto colon = list.find(':');
    const std::string directory(list.substr(0, colon));
    if (::access((directory + "/" + name).c_str(), X_OK) == 0) return true;
    if (colon == std::string_view::npos) return false;
    list.remove_prefix(colon + 1);
  }
}

Support overlay_support() {
  // Loads the module where it is one.
  UniqueFd context(::fsopen("overlay", FSOPEN_CLOEXEC));
  if (context) return {true, "overlayfs"};
  if (errno == EPERM) return {false, "mounting needs CAP_SYS_ADMIN"};
  if (errno == ENOSYS) {  // before Linux 5.2
    const auto list = read_kernel_file("/proc/filesystems", "host.supports");
    if (list && list->find("\toverlay\n") != std::string::npos) return {true, "overlayfs"};
  }
  return {false, "this kernel has no overlayfs (CONFIG_OVERLAY_FS)"};
}

/// /sys/devices/system/node (absent without CONFIG_NUMA: one node with everything). A node without
/// CPUs, or one that goes away meanwhile, has an empty set.
std::vector<MemoryNode> read_memory_nodes(const CpuSet& online) {
  const std::string top = "/sys/devices/system/node/";
  const auto set_in = [](const std::string& file) {
    auto text = read_kernel_file(file, "host.info");
    while (text && !text->empty() && text->back() == '\n') text->pop_back();
    return text ? CpuSet::parse(*text).value_or(CpuSet{}) : CpuSet{};
  };
  std::vector<MemoryNode> nodes;
  for (const std::uint32_t number : set_in(top + "online").cpus)
    nodes.push_back({number, set_in(top + "node" + std::to_string(number) + "/cpulist")});
  if (nodes.empty()) nodes.push_back({0, online});
  return nodes;
}

class LinuxHost final : public Host {
 public:
  LinuxHost(const NodeOptions& options, Quotas& quotas) : options_(options), quotas_(quotas) {}

  Result<HostInfo> info() override {
    constexpr auto kOperation = "host.info";
    utsname names{};
    if (::uname(&names) != 0) return system_error(kOperation, "uname", errno);
    struct sysinfo memory{};
    if (::sysinfo(&memory) != 0) return system_error(kOperation, "sysinfo", errno);
    TH_ASSIGN(std::string online, read_kernel_file("/sys/devices/system/cpu/online", kOperation));
    while (!online.empty() && online.back() == '\n') online.pop_back();
    const auto cpus = CpuSet::parse(online);
    if (!cpus) {
      return fail(ErrorCode::corrupt, kOperation, "/sys/devices/system/cpu/online",
                  "not a list of CPUs: " + online);
    }
    TH_ASSIGN(const std::string cpuinfo, read_kernel_file("/proc/cpuinfo", kOperation));
    HostInfo info;
    // A node beside others on one machine has its own name.
    info.hostname = options_.name == "localhost" ? names.nodename : options_.name;
    info.kernel = names.release;
    info.architecture = names.machine;
    info.online_cpus = *cpus;
    info.cpu_mhz = parse_cpu_mhz(cpuinfo);
    info.cpu_features = parse_cpu_features(cpuinfo);
    info.memory = {std::uint64_t{memory.totalram} * memory.mem_unit};
    info.swap = {std::uint64_t{memory.totalswap} * memory.mem_unit};
    info.memory_nodes = read_memory_nodes(*cpus);
    info.backend = "linux";
    return info;
  }

  Result<Support> supports(Feature feature) override {
    switch (feature) {
      case Feature::containers: return containers();
      case Feature::seccomp:
      case Feature::user_namespace:
      case Feature::raise_limits: return process_support(feature);
      case Feature::proc_view: return proc_view_support(options_);
      case Feature::cpu_shares:
      case Feature::cpu_quota:
      case Feature::cpuset:
      case Feature::memory_limit:
      case Feature::swap_limit:
      case Feature::memory_high:
      case Feature::memory_low:
      case Feature::pids_limit:
      case Feature::device_rules:
      case Feature::freezer: return cgroup_support(feature);
      case Feature::io_weight:
      case Feature::io_limit: {
        TH_ASSIGN(const std::string place,
                  nearest_existing("host.supports", options_.data_directory));
        return io_support(feature, place);
      }
      case Feature::veth:
      case Feature::bridge: return link_support(feature);
      case Feature::overlay: return overlay_support();
      case Feature::tree_quota_bytes:
      case Feature::tree_quota_inodes: return quota(feature);
      case Feature::channels: return channels();
      case Feature::checkpoint:
      case Feature::dirty_tracking:
      case Feature::lazy_pages: return criu_support(options_, feature);
    }
    return fail(ErrorCode::invalid_argument, "host.supports",
                std::to_string(static_cast<int>(feature)), "no such feature");
  }

  Result<LoadAverage> load() override {
    TH_ASSIGN(const std::string text, read_kernel_file("/proc/loadavg", "host.load"));
    const auto load = parse_load(text);
    if (load) return *load;
    return fail(ErrorCode::corrupt, "host.load", "/proc/loadavg", "of unknown form: " + text);
  }

  Result<HostUsage> usage() override {
    constexpr auto kOperation = "host.usage";
    const auto strange = [&](std::string_view file) {
      return fail(ErrorCode::corrupt, kOperation, file, "of unknown form");
    };
    TH_ASSIGN(const std::string memory, read_kernel_file("/proc/meminfo", kOperation));
    TH_ASSIGN(const std::string times, read_kernel_file("/proc/stat", kOperation));
    TH_ASSIGN(const std::string load, read_kernel_file("/proc/loadavg", kOperation));
    const auto total = parse_meminfo(memory, "MemTotal");
    const auto available = parse_meminfo(memory, "MemAvailable");
    const auto swap = parse_meminfo(memory, "SwapTotal");
    const auto swap_free = parse_meminfo(memory, "SwapFree");
    if (!total || !available || !swap || !swap_free) return strange("/proc/meminfo");
    const auto cpu = parse_cpu_time(times, static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)));
    if (!cpu) return strange("/proc/stat");
    const auto threads = parse_threads(load);
    if (!threads) return strange("/proc/loadavg");
    HostUsage usage;
    usage.memory = *total - *available;
    usage.swap = *swap - *swap_free;
    usage.threads = *threads;
    usage.cpu = *cpu;
    const std::unique_ptr<DIR, decltype([](DIR* list) { ::closedir(list); })> list(
        ::opendir("/proc"));
    if (!list) return system_error(kOperation, "/proc", errno);
    while (const dirent* entry = ::readdir(list.get()))
      if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') ++usage.processes;
    return usage;
  }

  Result<DiskInfo> disk(const std::string& path) override {
    constexpr auto kOperation = "host.disk";
    TH_ASSIGN(const std::string place, nearest_existing(kOperation, path));
    struct statvfs space{};
    if (::statvfs(place.c_str(), &space) != 0) return system_error(kOperation, place, errno);
    EntryFacts facts;
    if (const int error = read_facts(AT_FDCWD, place.c_str(), facts); error != 0)
      return system_error(kOperation, place, error);
    TH_ASSIGN(const auto mounts, read_mount_table(kOperation));
    DiskInfo info;
    for (const MountEntry& mount : mounts)
      if (mount.id == facts.mount) info.file_system = mount.type;
    info.capacity = {std::uint64_t{space.f_blocks} * space.f_frsize};
    info.available = {std::uint64_t{space.f_bavail} * space.f_frsize};
    info.used = {std::uint64_t{space.f_blocks - space.f_bfree} * space.f_frsize};
    info.inodes_used = {std::uint64_t{space.f_files - space.f_ffree}};
    return info;
  }

  Result<std::string> boot_id() override {
    TH_ASSIGN(std::string id, read_kernel_file("/proc/sys/kernel/random/boot_id", "host.boot_id"));
    while (!id.empty() && id.back() == '\n') id.pop_back();
    return id;
  }

 private:
  /// The least that start needs. Limits may be missing one by one, cgroups as such may not.
  static Support containers() {
    Support support = process_support(Feature::containers);
    if (!support.available) return support;
    for (const Feature feature : {Feature::cpu_shares, Feature::memory_limit, Feature::pids_limit})
      if (cgroup_support(feature).available) return support;
    return {false, "no cgroup controller is usable: " + cgroup_support(Feature::cpu_shares).reason};
  }

  Result<Support> quota(Feature feature) {
    TH_ASSIGN(const QuotaMechanism mechanism, quotas_.mechanism(options_.data_directory));
    const std::string where = " at " + options_.data_directory;
    switch (mechanism) {
      case QuotaMechanism::project: return Support{true, "project quota" + where};
      case QuotaMechanism::image: return Support{true, "one ext4 image a tree" + where};
      case QuotaMechanism::btrfs_qgroup:
        if (feature == Feature::tree_quota_bytes) return Support{true, "btrfs qgroups" + where};
        return Support{false, "btrfs qgroups" + where + " count bytes only"};
      case QuotaMechanism::simulated:
      case QuotaMechanism::none: break;
    }
    TH_ASSIGN(const DiskInfo info, disk(options_.data_directory));
    return Support{false, "the file system" + where + " (" + info.file_system +
                              ") offers neither btrfs qgroups nor project quota (CONFIG_QUOTA, "
                              "mount option prjquota), and images are off"};
  }

  Support channels() const {
    if (!options_.peers.empty()) return {true, "commands of the peer table"};
    if (!options_.ssh.empty() && is_program(options_.ssh.front()))
      return {true, options_.ssh.front()};
    return {false, "there is no ssh program and no peer table"};
  }

  const NodeOptions& options_;
  Quotas& quotas_;
};

}  // namespace

std::unique_ptr<Host> make_host(const NodeOptions& options, Quotas& quotas) {
  return std::make_unique<LinuxHost>(options, quotas);
}

}  // namespace twinhull::linux_backend
