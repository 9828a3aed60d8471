#include "runtime/physical/profile.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/kernel/clock.h"
#include "runtime/kernel/links.h"
#include "runtime/resource/amounts.h"
#include "runtime/resource/size_text.h"

namespace twinhull::physical {
namespace {

using resource::size_text;
using resource::times;

constexpr std::uint64_t kMega = std::uint64_t{1} << 20;
constexpr std::uint64_t kLeastRam = 256 * kMega;
constexpr std::uint64_t kLeastTasks = 100;
constexpr std::uint64_t kLeastCpu = 50;  ///< per cent of one CPU
/// Watched for less, the CPU says nothing: a machine rests most of the time.
constexpr Duration kTellingPeriod = seconds(60);
constexpr std::uint64_t kLeastDisk = (std::uint64_t{1} << 30) / 1024;  ///< KiB
constexpr std::uint64_t kInodeSpace = 16;  ///< KiB for each inode, as in the basic sample

struct Traffic {
  Bytes received, sent;
};

/// Of the devices that lead out of the machine. Where none is physical all but loopback and bridges
/// count.
Result<Traffic> traffic(Kernel& kernel) {
  TH_ASSIGN(const std::vector<LinkInfo> links, kernel.links().list(NetScope::node()));
  const bool physical = std::any_of(links.begin(), links.end(), [](const LinkInfo& link) {
    return link.kind == LinkKind::physical;
  });
  Traffic sum;
  for (const LinkInfo& link : links) {
    if (physical ? link.kind != LinkKind::physical
                 : link.kind == LinkKind::loopback || link.kind == LinkKind::bridge)
      continue;
    sum.received += link.counters.received;
    sum.sent += link.counters.sent;
  }
  return sum;
}

/// Averages and peaks of what comes in one after the other.
class Tally {
 public:
  void add(std::uint64_t value) {
    sum_ += value;
    ++count_;
    peak_ = std::max(peak_, value);
  }
  [[nodiscard]] Level level() const { return {count_ == 0 ? 0 : sum_ / count_, peak_}; }

 private:
  std::uint64_t sum_ = 0, count_ = 0, peak_ = 0;
};

/// `amount` in `length`, for each second.
std::uint64_t each_second(std::uint64_t amount, Duration length) {
  return times(amount, 1'000'000'000, static_cast<std::uint64_t>(length.count()));
}

/// Hundredths of a per cent of one CPU.
std::uint64_t cpu_share(Duration worked, Duration length) {
  const auto busy = static_cast<std::uint64_t>(std::max(worked, Duration::zero()).count());
  return times(busy, 10'000, static_cast<std::uint64_t>(length.count()));
}

std::string percent_text(std::uint64_t hundredths) {
  return fmt::format("{}.{:02} %", hundredths / 100, hundredths % 100);
}

std::uint64_t rounded_up(std::uint64_t value, std::uint64_t step) {
  return (value + step - 1) / step * step;
}

std::string figures(const Profile& profile) {
  const auto line = [](const char* what, const std::string& average, const std::string& peak) {
    return fmt::format("# {:<18} average {}, peak {}\n", what, average, peak);
  };
  const auto sizes = [&](const char* what, const Level& level, const char* unit) {
    return line(what, size_text(level.average) + unit, size_text(level.peak) + unit);
  };
  const auto counts = [&](const char* what, const Level& level) {
    return line(what, std::to_string(level.average), std::to_string(level.peak));
  };
  std::string text = fmt::format(
      "# {}, watched by vzhwcalc for {} s in {} intervals.\n"
      "# {} {}, {} CPUs at {} MHz, {} of memory, {} of swap\n",
      profile.host.hostname, profile.period / seconds(1), profile.samples, profile.host.kernel,
      profile.host.architecture, profile.host.online_cpus.cpus.size(), profile.host.cpu_mhz,
      size_text(profile.host.memory.value), size_text(profile.host.swap.value));
  text += line("CPU (of one):", percent_text(profile.cpu.average), percent_text(profile.cpu.peak));
  text += sizes("Memory:", profile.memory, "");
  text += sizes("Swap:", profile.swap, "");
  text += counts("Processes:", profile.processes);
  text += counts("Threads:", profile.threads);
  text += sizes("Received:", profile.received, "/s");
  text += sizes("Sent:", profile.sent, "/s");
  for (const Partition& partition : profile.partitions)
    text += fmt::format("# Disk: {} ({}) holds {} in {} inodes, of {}\n", partition.place,
                        partition.file_system, size_text(partition.used.value),
                        partition.inodes.value, size_text(partition.capacity.value));
  return text;
}

}  // namespace

Result<Profile> watch_machine(Kernel& kernel, const Watch& watch) {
  if (watch.interval < kLeastInterval || watch.interval > watch.period ||
      watch.period > kLongestWatch)
    return fail(ErrorCode::invalid_argument, "machine.watch", "period and interval",
                "accepted: an interval of at least 100 ms, a period not shorter than it and of at "
                "most 31 days");
  Profile profile;
  TH_ASSIGN(profile.host, kernel.host().info());
  Tally cpu, memory, swap, processes, threads, received, sent;
  const Instant begin = kernel.clock().now();
  Instant at = begin;
  TH_ASSIGN(HostUsage before, kernel.host().usage());
  TH_ASSIGN(Traffic carried, traffic(kernel));
  while (at - begin < watch.period) {
    TH_TRY(kernel.clock().sleep(std::min(watch.interval, watch.period - (at - begin))));
    const Instant now = kernel.clock().now();
    if (now <= at) continue;
    TH_ASSIGN(const HostUsage usage, kernel.host().usage());
    TH_ASSIGN(const Traffic moved, traffic(kernel));
    cpu.add(cpu_share(usage.cpu - before.cpu, now - at));
    memory.add(usage.memory.value);
    swap.add(usage.swap.value);
    processes.add(usage.processes);
    threads.add(usage.threads);
    received.add(each_second((moved.received - carried.received).value, now - at));
    sent.add(each_second((moved.sent - carried.sent).value, now - at));
    ++profile.samples;
    before = usage;
    carried = moved;
    at = now;
  }
  profile.period = at - begin;
  profile.cpu = cpu.level();
  profile.memory = memory.level();
  profile.swap = swap.level();
  profile.processes = processes.level();
  profile.threads = threads.level();
  profile.received = received.level();
  profile.sent = sent.level();
  TH_ASSIGN(profile.partitions, partitions(kernel));
  return profile;
}

DiskRoom disk_room(const TreeSize& size) {
  DiskRoom room;
  room.kibibytes = std::max(kLeastDisk, rounded_up(times(size.bytes.value, 12, 10), kMega) / 1024);
  room.inodes = std::max(room.kibibytes / kInodeSpace, times(size.inodes.value, 12, 10));
  return room;
}

std::string suggested_config(const Profile& profile) {
  const HostInfo& host = profile.host;
  const std::uint64_t cpus = host.online_cpus.cpus.size();
  const std::uint64_t cpu = std::max(kLeastCpu, rounded_up(times(profile.cpu.peak, 3, 200), 5));
  const std::uint64_t ram =
      std::max(kLeastRam, rounded_up(times(profile.memory.peak, 5, 4), kMega)) / kPageSize;
  const std::uint64_t swap = rounded_up(times(profile.swap.peak, 5, 4), kMega) / kPageSize;
  const std::uint64_t tasks =
      std::max(kLeastTasks, times(std::max(profile.threads.peak, profile.processes.peak), 3, 2));
  const DiskRoom room = disk_room(contents(profile.partitions));
  std::string text = figures(profile) + fmt::format(
                                            "\nVERSION=\"2\"\nPLATFORM=\"linux\"\n\nONBOOT=\"no\"\n"
                                            "HOSTNAME=\"{}\"\nCPUUNITS=\"1000\"\n",
                                            host.hostname);
  if (profile.period >= kTellingPeriod)
    text += fmt::format("CPULIMIT=\"{}\"\n", std::min(cpu, cpus * 100));
  text += fmt::format(
      "PHYSPAGES=\"{0}:{0}\"\nSWAPPAGES=\"{1}\"\nNUMPROC=\"{2}\"\nDISK_QUOTA=\"yes\"\n"
      "DISKSPACE=\"{3}:{4}\"\nDISKINODES=\"{5}:{6}\"\nQUOTATIME=\"0\"\n",
      ram, swap, tasks, room.kibibytes, times(room.kibibytes, 11, 10), room.inodes,
      times(room.inodes, 11, 10));
  return text;
}

}  // namespace twinhull::physical
