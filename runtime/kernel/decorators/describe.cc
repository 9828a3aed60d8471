#include "runtime/kernel/decorators/describe.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>

namespace twinhull::decorators {
namespace {

constexpr std::size_t kQuotedAtMost = 64;

bool printable(std::string_view content) {
  return std::ranges::all_of(content, [](char letter) {
    return (letter >= ' ' && letter <= '~') || letter == '\n' || letter == '\t';
  });
}

}  // namespace

std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::string hex16(std::uint64_t value) {
  return fmt::format("{:016x}", value);
}

void Describer::add(std::string_view content) {
  if (content.size() > kQuotedAtMost || !printable(content)) {
    out_ += fmt::format("<{} B {}>", content.size(), hex16(hash_bytes(content)));
    return;
  }
  out_ += '"';
  for (const char letter : content) {
    if (letter == '\n')
      out_ += "\\n";
    else if (letter == '\t')
      out_ += "\\t";
    else if (letter == '"' || letter == '\\')
      (out_ += '\\') += letter;
    else
      out_ += letter;
  }
  out_ += '"';
}

void Describer::add(std::uint64_t value) {
  if (value == kUnlimited)
    out_ += "unlimited";
  else
    out_ += std::to_string(value);
}

void Describer::add(FileKind kind) {
  static constexpr std::array names = {"regular", "directory", "symlink",
                                       "device",  "fifo",      "socket"};
  out_ += names[static_cast<std::size_t>(kind)];
}

// The inode number is left out: it is an address in disguise and differs between equal runs.
void Describer::add(const FileInfo& info) {
  add(info.kind);
  out_ += fmt::format("({} B, {} allocated, {:04o}, {}:{}, {} links)", info.size.value,
                      info.allocated.value, info.mode, info.uid, info.gid, info.links);
}

void Describer::add(const DirectoryEntry& entry) {
  add(entry.name);
  out_ += ':';
  add(entry.kind);
}

void Describer::add(const Ownership& owner) {
  out_ += fmt::format("{}:{}", owner.uid, owner.gid);
}

void Describer::add(const TreeSize& size) {
  out_ += fmt::format("({} B, {} inodes)", size.bytes.value, size.inodes.value);
}

void Describer::add(const OverlaySpec& spec) {
  out_ += "lowers=";
  add(spec.lowers);
  out_ += " upper=";
  add(spec.upper);
  out_ += " work=";
  add(spec.work);
}

void Describer::add(const MountInfo& info) {
  out_ += fmt::format("{}({} of {}{})", info.target, info.type, info.source,
                      info.read_only ? ", read-only" : "");
}

// Numbers of processes are the kernel's choice; the generation is left out as it counts real time.
void Describer::add(const ProcessRef& process) {
  out_ += fmt::format("pid:{}", process.pid);
}

void Describer::add(Signal signal) {
  static constexpr std::array names = {"hangup", "interrupt",  "kill", "terminate", "user1",
                                       "user2",  "power_fail", "stop", "resume"};
  out_ += names[static_cast<std::size_t>(signal)];
}

void Describer::add(const ExitStatus& status) {
  out_ += fmt::format("{} {}", status.signaled ? "signal" : "exit", status.value);
}

void Describer::add(const EnvironmentVariable& variable) {
  out_ += variable.name;
  out_ += '=';
  add(variable.value);
}

void Describer::add(const DeviceRule& rule) {
  out_ += rule.type;
  out_ += ' ';
  out_ += rule.major ? std::to_string(*rule.major) : "*";
  out_ += ':';
  out_ += rule.minor ? std::to_string(*rule.minor) : "*";
  out_ += ' ';
  if (rule.read) out_ += 'r';
  if (rule.write) out_ += 'w';
  if (rule.mknod) out_ += 'm';
}

void Describer::add(const IdMapping& mapping) {
  out_ += fmt::format("{}+{}", mapping.base, mapping.count);
}

void Describer::add(const ResourceLimit& limit) {
  static constexpr std::array names = {"open_files", "core_size", "locked_memory", "processes"};
  out_ += names[static_cast<std::size_t>(limit.kind)];
  out_ += '=';
  add(limit.soft);
  out_ += ':';
  add(limit.hard);
}

void Describer::add(const SpawnSpec& spec) {
  out_ += "root=";
  add(spec.root);
  out_ += " argv=";
  add(spec.argv);
  out_ += " environment=";
  add(spec.environment);
  out_ += fmt::format(" hostname={} cgroup={} capabilities={:x} limits=", spec.hostname,
                      spec.cgroup.text, spec.capabilities.mask);
  add(spec.limits);
  out_ += fmt::format(" seccomp={} user_namespace=", spec.seccomp);
  add(spec.user_namespace);
  out_ += " console=";
  add(spec.console_log);
  out_ += " oom_adjust=";
  add(spec.oom_adjust);
}

void Describer::add(const ExecSpec& spec) {
  static constexpr std::array names = {"capture", "inherit", "terminal"};
  out_ += "argv=";
  add(spec.argv);
  out_ += " environment=";
  add(spec.environment);
  out_ += fmt::format(" directory={} streams={} input=", spec.directory,
                      names[static_cast<std::size_t>(spec.streams)]);
  add(spec.input);
  out_ += " timeout=";
  add(spec.timeout);
  out_ += " oom_adjust=";
  add(spec.oom_adjust);
}

void Describer::add(const ExecOutcome& outcome) {
  add(outcome.status);
  out_ += " out=";
  add(outcome.out);
  out_ += " err=";
  add(outcome.err);
}

void Describer::add(const ProcessFacts& facts) {
  out_ += fmt::format("{} of {} uid={} oom_adjust={}", facts.name, facts.parent, facts.uid,
                      facts.oom_adjust);
}

void Describer::add(const LabeledProcess& process) {
  out_ += process.label;
  out_ += '=';
  add(process.init);
}

void Describer::add(const CpuQuota& quota) {
  add(quota.quota);
  out_ += '/';
  add(quota.period);
}

void Describer::add(const MemoryLimit& limit) {
  out_ += "memory=";
  add(limit.memory);
  out_ += " swap=";
  add(limit.swap);
}

void Describer::add(const IoLimit& limit) {
  out_ += "bandwidth=";
  add(limit.bandwidth);
  out_ += " operations=";
  add(limit.operations);
}

void Describer::add(FreezeState state) {
  static constexpr std::array names = {"thawed", "freezing", "frozen"};
  out_ += names[static_cast<std::size_t>(state)];
}

void Describer::add(const CgroupSample& sample) {
  out_ += fmt::format(
      "cpu={}ns periods={} throttled={} throttled_time={}ns memory={} peak={} anonymous={} "
      "cache={} swap={} limit_hits={} oom_kills={} pids={} pids_limit_hits={} high_hits={} "
      "low_hits={} read={}/{} written={}/{} io_throttled=",
      sample.cpu.usage.count(), sample.cpu.periods, sample.cpu.throttled_periods,
      sample.cpu.throttled.count(), sample.memory.usage.value, sample.memory.peak.value,
      sample.memory.anonymous.value, sample.memory.cache.value, sample.memory.swap.value,
      sample.memory.limit_hits, sample.memory.oom_kills, sample.pids, sample.pids_limit_hits,
      sample.memory.high_hits.value_or(0), sample.memory.low_hits.value_or(0), sample.io.read.value,
      sample.io.reads, sample.io.written.value, sample.io.writes);
  add(sample.io.throttled);
}

void Describer::add(const CgroupLimits& limits) {
  out_ += "shares=";
  (*this)(limits.shares);
  out_ += " quota=";
  (*this)(limits.quota);
  out_ += " cpus=";
  (*this)(limits.cpus);
  out_ += " memory=";
  (*this)(limits.memory);
  out_ += " high=";
  (*this)(limits.memory_high);
  out_ += " low=";
  (*this)(limits.memory_low);
  out_ += " nodes=";
  (*this)(limits.memory_nodes);
  out_ += " pids=";
  (*this)(limits.pids);
  out_ += " io_weight=";
  (*this)(limits.io_weight);
  out_ += " io=";
  (*this)(limits.io);
}

void Describer::add(const TreeLimit& limit) {
  out_ += "bytes=";
  add(limit.bytes);
  out_ += " inodes=";
  add(limit.inodes);
}

void Describer::add(const TreeUsage& usage) {
  out_ += fmt::format("used({} B, {} inodes) of ", usage.bytes.value, usage.inodes.value);
  add(usage.limit);
}

void Describer::add(const NetScope& scope) {
  if (scope.init)
    add(*scope.init);
  else
    out_ += "node";
}

void Describer::add(const VethSpec& spec) {
  out_ += "peer=";
  add(spec.peer_scope);
  out_ += ':' + spec.peer_name;
  if (!spec.node_mac.empty()) out_ += " node_mac=" + spec.node_mac;
  if (!spec.peer_mac.empty()) out_ += " peer_mac=" + spec.peer_mac;
}

void Describer::add(const Route& route) {
  add(route.destination);
  out_ += " dev " + route.device;
  if (route.gateway) out_ += " via " + route.gateway->text();
}

// The MAC address is left out: without a wish the kernel invents it.
void Describer::add(const LinkInfo& link) {
  static constexpr std::array kinds = {"loopback", "veth", "bridge", "physical", "other"};
  out_ += fmt::format("{}({}, {}", link.name, kinds[static_cast<std::size_t>(link.kind)],
                      link.up ? "up" : "down");
  if (!link.bridge.empty()) out_ += ", port of " + link.bridge;
  out_ += ", ";
  add(link.addresses);
  const LinkCounters& counters = link.counters;
  out_ += fmt::format(", received {}/{}, sent {}/{}, dropped {})", counters.received.value,
                      counters.packets_received, counters.sent.value, counters.packets_sent,
                      counters.dropped);
}

void Describer::add(const TransferOptions& options) {
  out_ += "rate=";
  add(options.rate);
  if (options.compress) out_ += " compress";
  if (options.changing) out_ += " changing";
  if (options.update) out_ += " update";
  if (options.unchanged_before)
    out_ += fmt::format(" unchanged_before={}",
                        options.unchanged_before->time_since_epoch().count());
  for (const std::string& directory : options.hollow) out_ += " hollow=" + directory;
  if (options.author != nullptr) out_ += " growing";
}

void Describer::add(const TransferResult& result) {
  add(result.size);
  if (result.sent != result.size || result.removed.value > 0) {
    out_ += " sent=(";
    add(result.sent);
    out_ += fmt::format(") removed={}", result.removed.value);
  }
  out_ += fmt::format(" wire={} digest={}", result.wire.value, result.digest);
}

void Describer::add(AfterDump after) {
  static constexpr std::array names = {"kill", "stay_frozen", "run"};
  out_ += names[static_cast<std::size_t>(after)];
}

void Describer::add(const Survey& survey) {
  out_ += fmt::format("tasks={} descriptors={} sockets={} held={} changed={} watched={}ns",
                      survey.tasks, survey.descriptors, survey.sockets, survey.held.value,
                      survey.changed ? std::to_string(survey.changed->value) : "unknown",
                      survey.watched.count());
  for (const Hindrance& hindrance : survey.hindrances)
    out_ += " [" + hindrance.object + ": " + hindrance.cause + "]";
}

void Describer::add(const PreDumpSpec& spec) {
  out_ += "images=";
  add(spec.images);
  out_ += " parent=";
  add(spec.parent);
}

void Describer::add(const DumpSpec& spec) {
  out_ += "images=";
  add(spec.images);
  out_ += " parent=";
  add(spec.parent);
  out_ += " devices=";
  add(spec.devices);
  out_ += " after=";
  add(spec.after);
  if (spec.lazy) out_ += " lazy";
}

void Describer::add(const DumpResult& result) {
  out_ += fmt::format("scanned={} written={} skipped={} images={} tasks={} freezing={}ns frozen={}ns",
                      result.scanned.value, result.written.value, result.skipped.value,
                      result.images.value, result.tasks, result.freezing.count(),
                      result.frozen.count());
}

void Describer::add(const SentDump& sent) {
  add(sent.dump);
  out_ += ' ';
  add(sent.sent);
}

void Describer::add(const RestoreSpec& spec) {
  out_ += "root=";
  add(spec.root);
  out_ += " cgroup=" + spec.cgroup.text + " images=";
  add(spec.images);
  out_ += " devices=";
  add(spec.devices);
  out_ += fmt::format(" frozen={}", spec.frozen);
  if (spec.lazy) out_ += " lazy";
}

void Describer::add(const PagesMoved& moved) {
  out_ += fmt::format("pages={} faults={}", moved.pages.value, moved.faults.value);
}

void Describer::add(const RestoreResult& result) {
  add(result.init);
  out_ += fmt::format(" pages={} took={}ns", result.pages.value, result.took.count());
}

void Describer::add(const Support& support) {
  add(support.available);
  out_ += ' ';
  add(support.reason);
}

void Describer::add(const HostInfo& info) {
  out_ += fmt::format("{} {} {} cpus={} mhz={} memory={} swap={} nodes={} backend={}", info.hostname,
                      info.kernel, info.architecture, info.online_cpus.text(), info.cpu_mhz,
                      info.memory.value, info.swap.value, info.memory_nodes.size(), info.backend);
}

void Describer::add(const LoadAverage& load) {
  out_ += fmt::format("{}/{}/{}", load.hundredths[0], load.hundredths[1], load.hundredths[2]);
}

void Describer::add(const HostUsage& usage) {
  out_ += fmt::format("memory={} swap={} processes={} threads={} cpu={}", usage.memory.value,
                      usage.swap.value, usage.processes, usage.threads, usage.cpu.count());
}

void Describer::add(const DiskInfo& disk) {
  out_ += fmt::format("{} {}/{}", disk.file_system, disk.available.value, disk.capacity.value);
}

}  // namespace twinhull::decorators
