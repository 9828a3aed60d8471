// What programs read below /proc and /dev.
#include <fmt/format.h>

#include "backends/sim/programs/launch.h"

namespace twinhull::sim {

MemoryView memory_view(ProcessModel& table, const SimProcess& process) {
  const MemoryTree& memory = table.cgroups().memory();
  const MemoryGroupId group = table.cgroups().find(process.cgroup)->memory;
  const MemorySample sample = memory.sample(group);
  const std::uint64_t hard = memory.limit(group).memory.value;
  MemoryView view;
  view.total = memory.effective_limit(group).value;
  view.free = view.total - std::min(view.total, sample.usage.value);
  view.used = std::min(view.total, sample.anonymous.value);
  view.cache = sample.cache.value;
  view.swap_total = std::min(memory.limit(group).swap.value, memory.swap().value);
  view.swap_used = std::min(view.swap_total, sample.swap.value);
  if (hard > view.total && hard <= memory.memory().value) {
    // Virtual swap: what lies above the soft bound is shown as swapped out (spec F4.14).
    view.swap_total = hard - view.total;
    view.swap_used = sample.usage.value - std::min(sample.usage.value, view.total);
  }
  return view;
}

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
    const MemoryView seen = memory_view(table, process);
    return fmt::format(
        "MemTotal: {:>15} kB\nMemFree: {:>16} kB\nMemAvailable: {:>11} kB\nCached: {:>17} kB\n"
        "SwapTotal: {:>14} kB\nSwapFree: {:>15} kB\n",
        seen.total / 1024, seen.free / 1024, (seen.free + seen.cache) / 1024, seen.cache / 1024,
        seen.swap_total / 1024, (seen.swap_total - seen.swap_used) / 1024);
  }
  if (path == "/proc/cpuinfo") {
    std::string text;
    const CpuMask allowed = groups.cpu().allowed(group.cpu);
    // As lxcfs does it: no more processors than the quota can fill.
    std::uint64_t most = node.spec.cpus;
    if (const auto quota = groups.cpu().quota(group.cpu)) {
      most = static_cast<std::uint64_t>((quota->quota + quota->period - Duration(1)) / quota->period);
    }
    for (std::uint32_t cpu = 0; cpu < node.spec.cpus; ++cpu) {
      if (!allowed.has(cpu)) continue;
      if (most-- == 0) break;
      text += fmt::format(
          "processor\t: {}\nmodel name\t: simulated\ncpu MHz\t\t: {}.000\nflags\t\t: {}\n\n", cpu,
          node.spec.cpu_mhz, fmt::join(node.spec.cpu_features, " "));
    }
    return text;
  }
  if (path == kOomAdjustFile) {
    return std::to_string(groups.memory().oom_adjust(process.memory)) + "\n";
  }
  if (path == "/proc/sys/kernel/hostname") return table.hostname(process.space) + "\n";
  if (path == "/proc/sys/kernel/osrelease") return node.spec.kernel + "\n";
  if (path == "/proc/version") return "Linux version " + node.spec.kernel + " (simulated)\n";
  if (path == "/proc/mounts" || path == "/proc/self/mounts") {
    return process.space == kNodeSpace ? "simfs / simfs rw 0 0\n" : "overlay / overlay rw 0 0\nproc /proc proc rw 0 0\n";
  }
  if (path == "/proc/1/comm" || path == "/proc/1/cmdline") {
    for (const SimProcess* member : table.members(process.space)) {
      if (member->inner_pid != 1) continue;
      const std::string& program = member->argv[0];
      // proc(5): comm is the last part of the path, at most 15 bytes of it.
      return path == "/proc/1/comm" ? program.substr(program.rfind('/') + 1).substr(0, 15) + "\n"
                                    : program + "\n";
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
  auto text = view.read(path, Bytes{16 << 20});
  if (text) table.read_cached(process, path);
  return text;
}

}  // namespace twinhull::sim
