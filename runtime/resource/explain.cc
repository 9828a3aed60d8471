#include "runtime/resource/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "runtime/config/setting_values.h"
#include "runtime/resource/resources.h"
#include "runtime/resource/size_text.h"

namespace twinhull::resource {
namespace {

std::string time_text(Duration length) {
  if (length < seconds(1)) return fmt::format("{} ms", length / milliseconds(1));
  return fmt::format("{}.{} s", length / seconds(1), length % seconds(1) / milliseconds(100));
}

/// "12 of 100 (12 %)".
std::string part_text(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? fmt::format("{} of 0", part)
                    : fmt::format("{} of {} ({} %)", part, whole,
                                  (part * 200 / whole + 1) / 2);
}

std::string times(std::uint64_t count) {
  return count == 1 ? std::string("once") : fmt::format("{} times", count);
}

/// What one row of the table says about its limit.
struct Telling {
  const ExplainFacts& facts;
  Explanation& out;
};

struct Row {
  std::string_view parameter;
  std::vector<std::string_view> keys;  ///< of CTID.conf; the first that is set is the source
  bool always = false;                 ///< it acts also when nobody has set it
  void (*tell)(Telling telling) = nullptr;
};

void tell_cpuunits(Telling t) {
  const std::uint64_t units = t.facts.settings.cpuunits.value;
  t.out.asked = fmt::format("{} units", units);
  t.out.meaning = fmt::format(
      "when CPUs are short it gets {}.{:02} times the time of a container with the default 1000; "
      "on an idle node the units limit nothing",
      units / 1000, units % 1000 / 10);
  if (t.facts.kept && t.facts.kept->shares)
    t.out.kept = fmt::format("weight {} (1024 = 1000 units)", t.facts.kept->shares->value);
  if (t.facts.sampled) {
    t.out.used = time_text(t.facts.sampled->cpu.usage) + " of CPU time since the start";
    if (t.facts.uptime && *t.facts.uptime > Duration::zero())
      t.out.used += fmt::format(", {} % of one CPU on average",
                                t.facts.sampled->cpu.usage * 100 / *t.facts.uptime);
  }
}

void tell_throttling(Telling t) {
  if (t.facts.kept) {
    t.out.kept = t.facts.kept->quota
                     ? fmt::format("{} of CPU time in each {}", time_text(t.facts.kept->quota->quota),
                                   time_text(t.facts.kept->quota->period))
                     : std::string("no quota");
  }
  if (!t.facts.sampled) return;
  const CpuSample& cpu = t.facts.sampled->cpu;
  t.out.used = time_text(cpu.usage) + " of CPU time since the start";
  if (cpu.throttled_periods > 0) {
    t.out.hit = fmt::format("throttled in {} periods, its queues stood still for {} in all",
                            part_text(cpu.throttled_periods, cpu.periods), time_text(cpu.throttled));
  } else if (cpu.periods > 0) {
    t.out.hit = fmt::format("never throttled in {} periods", cpu.periods);
  }
}

void tell_cpulimit(Telling t) {
  const auto& limit = t.facts.settings.cpulimit;
  if (!limit) {
    t.out.asked = "none";
    t.out.meaning = "it may use every CPU that its mask allows";
  } else {
    const bool percent = limit->unit == CpuLimitSetting::Unit::percent;
    t.out.asked = fmt::format("{} {}", limit->value, percent ? "%" : "MHz");
    const auto real = cpu_limit_percent(t.facts.settings, t.facts.host);
    if (real && *real)
      t.out.meaning = fmt::format("at most {}.{:02} CPUs' time in all, even on an idle node{}",
                                  **real / 100, **real % 100,
                                  percent ? "" : fmt::format(" (a CPU has {} MHz)", t.facts.host.cpu_mhz));
    if (t.facts.settings.cpus && real && *real == std::uint64_t{100} * *t.facts.settings.cpus &&
        **real < limit->value)
      t.out.meaning += "; --cpus is the smaller of the two and wins";
  }
  if (const auto burst = t.facts.settings.acting_burst_limit()) {
    const BurstImposed& imposed = *t.facts.settings.burst_imposed;
    t.out.meaning += fmt::format(
        "; now it is held to the burst limit of {} %, because it used {}.{:02} % of its limit on "
        "average over {}, more than BURST_CPU_AVG_USAGE={}",
        *burst, imposed.average_hundredths / 100, imposed.average_hundredths % 100,
        time_text(imposed.window), t.facts.settings.burst_average);
  }
  tell_throttling(t);
}

void tell_burst_average(Telling t) {
  const CtSettings& settings = t.facts.settings;
  t.out.asked = settings.burst_average == 0 ? "none" : fmt::format("{} %", settings.burst_average);
  if (!settings.burst_controlled()) {
    t.out.meaning = "nothing: burst control needs both --burst_cpu_avg_usage and --burst_cpulimit";
    return;
  }
  t.out.meaning = fmt::format(
      "where vzasysd runs: above this average of {} the limit of {} % comes into force, below 9/10 "
      "of it it goes",
      settings.cpulimit || settings.cpus ? "its CPU limit" : "the whole node",
      settings.burst_cpulimit);
  if (settings.burst_imposed) t.out.hit = "the burst limit is in force";
}

void tell_burst_cpulimit(Telling t) {
  const std::uint64_t limit = t.facts.settings.burst_cpulimit;
  t.out.asked = limit == 0 ? "none" : fmt::format("{} %", limit);
  t.out.meaning = t.facts.settings.burst_imposed ? "in force now: see cpulimit"
                                                 : "not in force now; vzasysd imposes it";
}

void tell_cpus(Telling t) {
  const auto& cpus = t.facts.settings.cpus;
  const std::size_t there = t.facts.host.online_cpus.cpus.size();
  t.out.asked = cpus ? std::to_string(*cpus) : "all";
  t.out.meaning = cpus ? fmt::format("at most {} of the node's {} CPUs' time; which ones is free",
                                     *cpus, there)
                       : fmt::format("all {} CPUs of the node", there);
  tell_throttling(t);
}

void tell_cpumask(Telling t) {
  t.out.asked = cpu_mask_text(t.facts.settings.cpumask);
  t.out.meaning = t.facts.settings.cpumask && !t.facts.settings.cpumask->automatic
                      ? "its processes run on these CPUs only"
                      : "its processes run on every CPU";
  if (t.facts.kept && t.facts.kept->cpus) t.out.kept = "CPUs " + t.facts.kept->cpus->text();
}

void tell_nodemask(Telling t) {
  t.out.asked = cpu_mask_text(t.facts.settings.nodemask);
  t.out.meaning = t.facts.settings.nodemask && !t.facts.settings.nodemask->automatic
                      ? "its memory comes from these memory nodes only"
                      : "its memory comes from every memory node";
  if (t.facts.kept && t.facts.kept->memory_nodes)
    t.out.kept = "memory nodes " + t.facts.kept->memory_nodes->text();
}

/// The soft bound, where one is set: RAM of a container whose swap is virtual.
std::optional<std::uint64_t> soft_bound(Telling t) {
  if (!t.facts.kept || !t.facts.kept->memory_high) return std::nullopt;
  const std::uint64_t high = t.facts.kept->memory_high->value;
  return high == kUnlimited ? std::nullopt : std::optional(high);
}

void tell_memory_hits(Telling t) {
  if (!t.facts.sampled) return;
  const MemorySample& memory = t.facts.sampled->memory;
  if (memory.oom_kills > 0) {
    t.out.hit = fmt::format("processes inside were killed for it: {}", times(memory.oom_kills));
  } else if (memory.limit_hits > 0) {
    t.out.hit = fmt::format("met {}, cache was given back, nothing was killed",
                            times(memory.limit_hits));
  } else {
    t.out.hit = "nothing was killed";
  }
}

void tell_ram(Telling t) {
  const auto ram = t.facts.settings.ram();
  t.out.asked = ram ? size_text(to_bytes(*ram).value) : "unlimited";
  t.out.meaning =
      ram ? "memory and page cache together; at the limit cache goes first, then swap fills, then "
            "a "
            "process inside this container is killed; cache of the template's files counts for the "
            "container that read them first"
          : "limited by the node alone";
  if (t.facts.kept && t.facts.kept->memory) {
    t.out.kept = size_text(t.facts.kept->memory->memory.value);
    if (const auto soft = soft_bound(t))
      t.out.kept += fmt::format(", slowed down above {}", size_text(*soft));
  }
  if (t.facts.sampled) {
    const MemorySample& memory = t.facts.sampled->memory;
    t.out.used = fmt::format("{} now ({} of it cache), {} at most", size_text(memory.usage.value),
                             size_text(memory.cache.value), size_text(memory.peak.value));
  }
  tell_memory_hits(t);
}

void tell_swap(Telling t) {
  const auto swap = t.facts.settings.swap();
  t.out.asked = swap ? size_text(to_bytes(*swap).value) : "unlimited";
  t.out.meaning = "on top of RAM; what is there is slow";
  if (t.facts.kept && t.facts.kept->memory) {
    const std::uint64_t kept = t.facts.kept->memory->swap.value;
    t.out.kept = size_text(kept);
    if (const auto soft = soft_bound(t)) {
      t.out.kept =
          fmt::format("virtual: the node has no swap; memory above {} is slowed down instead",
                      size_text(*soft));
    }
    if (swap && kept == kUnlimited) t.out.kept += ": this kernel does not limit swap";
  }
  if (t.facts.sampled) t.out.used = size_text(t.facts.sampled->memory.swap.value) + " now";
}

void tell_oomguarpages(Telling t) {
  const std::uint64_t guarantee = memory_guarantee(t.facts.settings).value;
  t.out.asked = guarantee == 0 ? std::string("nothing") : size_text(guarantee);
  if (guarantee == 0) {
    t.out.meaning = "nothing is guaranteed; when the node is short its size alone counts";
  } else {
    t.out.meaning = fmt::format(
        "while it uses no more, memory of others is taken first; when the node has none left, each "
        "of its processes counts {} thousandths of the node's memory less (oom_score_adj), where "
        "the node may set that",
        -guarantee_adjust({guarantee}, t.facts.host));
  }
  if (t.facts.kept) {
    t.out.kept =
        t.facts.kept->memory_low
            ? fmt::format("{} kept from reclaim", size_text(t.facts.kept->memory_low->value))
            : std::string("nothing is kept from reclaim: cgroup v1 has no memory.low");
  }
  if (!t.facts.sampled) return;
  const MemorySample& memory = t.facts.sampled->memory;
  t.out.used = size_text(memory.usage.value + memory.swap.value) + " now, with swap";
  if (memory.low_hits && guarantee != 0)
    t.out.hit = *memory.low_hits == 0
                    ? std::string("it was never broken")
                    : "the node was so short that it was broken: " + times(*memory.low_hits);
}

void tell_numproc(Telling t) {
  const auto most = t.facts.settings.numproc();
  t.out.asked = most ? std::to_string(*most) : "unlimited";
  t.out.meaning = "processes and threads at one time; more cannot be forked";
  if (t.facts.kept && t.facts.kept->pids) t.out.kept = quantity_text(*t.facts.kept->pids);
  if (!t.facts.sampled) return;
  t.out.used = fmt::format("{} now", t.facts.sampled->pids);
  t.out.hit = t.facts.sampled->pids_limit_hits > 0
                  ? "forks were refused: " + times(t.facts.sampled->pids_limit_hits)
                  : "no fork was refused";
}

void tell_io_counts(Telling t) {
  if (!t.facts.sampled) return;
  const IoSample& io = t.facts.sampled->io;
  t.out.used = fmt::format("{} read in {} operations, {} written in {}, since the start",
                           size_text(io.read.value), io.reads, size_text(io.written.value),
                           io.writes);
  if (io.throttled && *io.throttled > Duration::zero())
    t.out.hit = "waited for it: " + time_text(*io.throttled) + " in all";
}

std::string per_second(std::uint64_t bound, const std::string& text) {
  return bound == kUnlimited ? std::string("no limit") : text + "/s";
}
constexpr const char* kNoDisk = "nothing: no disk of this node holds the private area";

void tell_ioprio(Telling t) {
  t.out.asked = std::to_string(t.facts.settings.ioprio.value_or(kUsualIoPriority));
  t.out.meaning =
      fmt::format("weight {} when the disk is short; the default 4 has 100",
                  to_io_weight(t.facts.settings.ioprio.value_or(kUsualIoPriority)).value);
  if (t.facts.kept) {
    t.out.kept = t.facts.kept->io_weight
                     ? fmt::format("weight {}", t.facts.kept->io_weight->value)
                     : std::string("nothing: the disk of the private area heeds no weights");
  }
  tell_io_counts(t);
}

void tell_iolimit(Telling t) {
  const std::uint64_t limit = t.facts.settings.iolimit.value_or(0);
  t.out.asked = limit == 0 ? std::string("unlimited") : size_text(limit) + "/s";
  t.out.meaning = "read at most so fast, and write at most so fast";
  if (t.facts.kept) t.out.kept = kNoDisk;
  if (t.facts.kept && t.facts.kept->io) {
    const std::uint64_t kept = t.facts.kept->io->bandwidth.value;
    t.out.kept = per_second(kept, size_text(kept));
  }
  tell_io_counts(t);
}

void tell_iopslimit(Telling t) {
  const std::uint64_t limit = t.facts.settings.iopslimit.value_or(0);
  t.out.asked = limit == 0 ? std::string("unlimited") : std::to_string(limit) + "/s";
  t.out.meaning = "at most so many reads, and so many writes, a second";
  if (const std::uint64_t acts = acting_operations(limit); acts != limit)
    t.out.meaning += fmt::format("; the kernel allows whole ones each 100 ms, so it acts as {}", acts);
  if (t.facts.kept) t.out.kept = kNoDisk;
  if (t.facts.kept && t.facts.kept->io) {
    const std::uint64_t kept = t.facts.kept->io->operations;
    t.out.kept = per_second(kept, std::to_string(kept));
  }
  tell_io_counts(t);
}

/// `unit` turns an amount of the setting into text.
template <typename Text>
void tell_disk(Telling t, const std::optional<BarrierLimit>& pair, std::uint64_t used,
               std::uint64_t kept, Text text) {
  t.out.asked = pair ? fmt::format("{} soft, {} hard", text(pair->barrier), text(pair->limit))
                     : std::string("unlimited");
  if (!t.facts.settings.disk_quota) {
    t.out.meaning = "nothing: DISK_QUOTA=no";
    return;
  }
  t.out.meaning = "what differs from the template; writing more is refused";
  if (t.facts.mechanism == QuotaMechanism::none) {
    t.out.kept = "nothing: the file system below the private area offers no quota";
    return;
  }
  if (!t.facts.disk) return;
  t.out.kept = kept == kUnlimited && pair
                   ? fmt::format("nothing: {} does not count this", to_string(t.facts.mechanism))
                   : fmt::format("{} by {}", text(kept), to_string(t.facts.mechanism));
  t.out.used = text(used) + " now";
  if (kept != kUnlimited && used >= kept) t.out.hit = "it is full: writes are refused";
}

void tell_diskspace(Telling t) {
  // The setting counts KiB, the kernel bytes.
  auto pair = t.facts.settings.diskspace;
  if (pair) {
    for (std::uint64_t* value : {&pair->barrier, &pair->limit})
      *value = *value > kUnlimited / 1024 ? kUnlimited : *value * 1024;
  }
  const TreeUsage usage = t.facts.disk.value_or(TreeUsage{});
  tell_disk(t, pair, usage.bytes.value, usage.limit.bytes.value, size_text);
}

void tell_diskinodes(Telling t) {
  const TreeUsage usage = t.facts.disk.value_or(TreeUsage{});
  tell_disk(t, t.facts.settings.diskinodes, usage.inodes.value, usage.limit.inodes.value,
            quantity_text);
}

const std::vector<Row>& table() {
  static const std::vector<Row> rows = {
      {"cpuunits", {"CPUUNITS"}, true, tell_cpuunits},
      {"cpulimit", {"CPULIMIT_MHZ", "CPULIMIT"}, false, tell_cpulimit},
      {"burst-cpu-avg-usage", {"BURST_CPU_AVG_USAGE"}, false, tell_burst_average},
      {"burst-cpulimit", {"BURST_CPULIMIT"}, false, tell_burst_cpulimit},
      {"cpus", {"CPUS"}, false, tell_cpus},
      {"cpumask", {"CPUMASK"}, false, tell_cpumask},
      {"nodemask", {"NODEMASK"}, false, tell_nodemask},
      {"ram", {"PHYSPAGES"}, true, tell_ram},
      {"swap", {"SWAPPAGES"}, false, tell_swap},
      {"oomguarpages", {"OOMGUARPAGES"}, false, tell_oomguarpages},
      {"numproc", {"NUMPROC"}, false, tell_numproc},
      {"diskspace", {"DISKSPACE"}, true, tell_diskspace},
      {"diskinodes", {"DISKINODES"}, false, tell_diskinodes},
      {"ioprio", {"IOPRIO"}, false, tell_ioprio},
      {"iolimit", {"IOLIMIT"}, false, tell_iolimit},
      {"iopslimit", {"IOPSLIMIT"}, false, tell_iopslimit},
  };
  return rows;
}

/// The key of `row` that is in force, empty when none is set.
std::string_view acting_key(const Row& row, const ConfigFile& file) {
  for (const std::string_view key : row.keys)
    if (const auto value = file.get(key); value && !value->empty()) return key;
  return {};
}

std::string quoted(std::string_view key, const std::string& value) {
  return fmt::format("{}=\"{}\"", key, value);
}

void tell_origin(const ExplainFacts& facts, const Row& row, Explanation& out) {
  const std::string_view key = acting_key(row, facts.effective);
  const std::string_view saved_key = acting_key(row, facts.saved);
  const auto value = key.empty() ? std::nullopt : facts.effective.get(key);
  const auto saved = saved_key.empty() ? std::nullopt : facts.saved.get(saved_key);
  if (value != saved || key != saved_key) {
    out.origin = Origin::live;
    out.source = fmt::format("vzctl set without --save, until the container stops; saved is {}",
                             saved ? quoted(saved_key, *saved) : "nothing");
  } else if (value) {
    const bool same = facts.sample != nullptr && facts.sample->get(key) == value;
    out.origin = same ? Origin::sample : Origin::container;
    out.source = fmt::format("{} line {}, {}", facts.saved_path, facts.saved.line_of(key),
                             quoted(key, *value));
    if (same) out.source += fmt::format(", as in the sample {}", facts.settings.origin_sample);
  } else if (const std::string_view global = acting_key(row, facts.node.file); !global.empty()) {
    out.origin = Origin::node;
    out.source = fmt::format("{} line {}, {}", facts.node_path, facts.node.file.line_of(global),
                             quoted(global, *facts.node.file.get(global)));
  } else {
    out.origin = Origin::builtin;
    out.source = "nobody has set it";
  }
}

}  // namespace

std::string_view to_string(Origin origin) {
  static constexpr std::array<std::string_view, 5> kNames = {"live", "container", "sample", "node",
                                                             "default"};
  return kNames[static_cast<std::size_t>(origin)];
}

std::vector<std::string_view> explained_parameters() {
  std::vector<std::string_view> names;
  for (const Row& row : table()) names.push_back(row.parameter);
  return names;
}

std::vector<Explanation> explain(const ExplainFacts& facts,
                                 const std::vector<std::string>& wanted) {
  std::vector<Explanation> all;
  for (const Row& row : table()) {
    const bool asked_for = std::find(wanted.begin(), wanted.end(), row.parameter) != wanted.end();
    const bool set = !acting_key(row, facts.effective).empty() ||
                     !acting_key(row, facts.saved).empty();
    // Without a CPULIMIT, too, a burst limit limits.
    const bool burst = row.parameter == "cpulimit" && facts.settings.acting_burst_limit();
    if (wanted.empty() ? !(set || burst || row.always) : !asked_for) continue;
    Explanation made;
    made.parameter = row.parameter;
    tell_origin(facts, row, made);
    row.tell({facts, made});
    all.push_back(std::move(made));
  }
  return all;
}

}  // namespace twinhull::resource
