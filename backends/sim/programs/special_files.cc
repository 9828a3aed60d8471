// What programs read below /proc and /dev.
#include <fmt/format.h>

#include "backends/sim/programs/launch.h"

namespace twinhull::sim {

std::optional<std::string> read_special(ProcessModel& table, const SimProcess& process,
                                        const std::string& path) {
  const Node& node = table.node();
  CgroupModel& groups = table.cgroups();
  const Cgroup& group = *groups.find(process.cgroup);
  if (path == "/dev/null") return "";
  if (path == "/proc/uptime") {
    const SimProcess* first =
        table.space(process.space) == nullptr ? nullptr : table.find(table.space(process.space)->init);
    const Instant since = first == nullptr ? node.booted_at : first->started;
    const std::int64_t up = (node.engine.now() - since).count() / 10'000'000;
    return fmt::format("{}.{:02} 0.00\n", up / 100, up % 100);
  }
  if (path == "/proc/loadavg") {
    const LoadAverage load = groups.load_average();
    const auto& h = load.hundredths;
    return fmt::format("{}.{:02} {}.{:02} {}.{:02} 1/{} {}\n", h[0] / 100, h[0] % 100, h[1] / 100,
                       h[1] % 100, h[2] / 100, h[2] % 100, groups.find(process.cgroup)->tasks,
                       process.inner_pid);
  }
  if (path == "/proc/meminfo") {
    const std::uint64_t total = groups.memory().effective_limit(group.memory).value;
    const MemorySample sample = groups.memory().sample(group.memory);
    const std::uint64_t free = total - std::min(total, sample.usage.value);
    return fmt::format(
        "MemTotal: {:>15} kB\nMemFree: {:>16} kB\nMemAvailable: {:>11} kB\nCached: {:>17} kB\n"
        "SwapTotal: {:>14} kB\nSwapFree: {:>15} kB\n",
        total / 1024, free / 1024, (free + sample.cache.value) / 1024, sample.cache.value / 1024,
        groups.memory().swap().value / 1024,
        (groups.memory().swap().value - sample.swap.value) / 1024);
  }
  if (path == "/proc/cpuinfo") {
    std::string text;
    const CpuMask allowed = groups.cpu().allowed(group.cpu);
    for (std::uint32_t cpu = 0; cpu < node.spec.cpus; ++cpu) {
      if (!allowed.has(cpu)) continue;
      text += fmt::format("processor\t: {}\nmodel name\t: simulated\ncpu MHz\t\t: {}.000\n\n", cpu,
                          node.spec.cpu_mhz);
    }
    return text;
  }
  if (path == "/proc/sys/kernel/hostname") return table.hostname(process.space) + "\n";
  if (path == "/proc/sys/kernel/osrelease") return "sim-1\n";
  if (path == "/proc/version") return "Linux version sim-1 (simulated)\n";
  if (path == "/proc/mounts" || path == "/proc/self/mounts") {
    return process.space == kNodeSpace ? "simfs / simfs rw 0 0\n" : "overlay / overlay rw 0 0\nproc /proc proc rw 0 0\n";
  }
  if (path == "/proc/1/comm" || path == "/proc/1/cmdline") {
    for (const SimProcess* member : table.members(process.space)) {
      if (member->inner_pid == 1) return member->argv[0] + "\n";
    }
    return std::nullopt;
  }
  if (path == "/proc/self/cgroup") return "0::/" + process.cgroup + "\n";
  return std::nullopt;
}

Result<std::string> read_for(ProcessModel& table, const SimProcess& process,
                             const std::string& path) {
  struct Device {
    std::string_view path;
    std::uint32_t minor;
  };
  static constexpr Device kDevices[] = {
      {"/dev/null", 3}, {"/dev/zero", 5}, {"/dev/full", 7}, {"/dev/random", 8}, {"/dev/urandom", 9}};
  for (const Device& device : kDevices) {
    if (path != device.path) continue;
    if (!table.cgroups().device_allowed(process.cgroup, 'c', 1, device.minor, false)) {
      return fail(ErrorCode::not_permitted, "files.open", path, "the devices rules refuse it");
    }
    if (device.minor == 3) return std::string();
    return std::string(4096, '\0');
  }
  if (auto special = read_special(table, process, path)) return std::move(*special);
  const FileView view = table.view(process);
  if (const auto info = view.stat_target(path); info && *info && (*info)->kind == FileKind::device) {
    // A device node that somebody made: which device it is, is not modelled; the rules decide
    // whether any device of this kind could be opened.
    return fail(ErrorCode::not_permitted, "files.open", path, "the devices rules refuse it");
  }
  return view.read(path, Bytes{16 << 20});
}

}  // namespace twinhull::sim
