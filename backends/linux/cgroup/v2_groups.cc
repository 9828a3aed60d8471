#include "backends/linux/cgroup/v2_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "backends/linux/cgroup/device_program.h"
#include "backends/linux/cgroup/io_values.h"
#include "backends/linux/cgroup/unified_state.h"
#include "backends/linux/cgroup/values.h"
#include "backends/linux/errno_error.h"

namespace twinhull::linux_backend {

std::vector<std::string> V2Groups::mounts() const { return {layout().unified}; }

std::string V2Groups::directory(const CgroupPath& path) const {
  return below(layout().unified, path);
}

Status V2Groups::prepare(const std::string&, const std::string& made, const CgroupPath& path) {
  if (const int number = tree().mark(made); number != 0) {
    return system_error("cgroups.create", made, number, "cannot mark the group as the node's");
  }
  // A group has only the controllers that its parent hands down.
  const auto parent = made.substr(0, made.rfind('/'));
  TH_ASSIGN(const std::string offered, read("create", path, parent + "/cgroup.controllers"));
  for (const char* const name : {"cpu", "cpuset", "memory", "pids", "io"}) {
    const auto words = ' ' + offered.substr(0, offered.find('\n')) + ' ';
    if (words.find(fmt::format(" {} ", name)) == std::string::npos) continue;
    const int number = tree().write(parent + "/cgroup.subtree_control", fmt::format("+{}", name));
    // EBUSY: the parent has processes of its own, so its children get no controllers. The group
    // is still good for freezing and killing; its setters say what is missing.
    if (number != 0 && number != EBUSY && number != EOPNOTSUPP) {
      return file_error("create", path, parent + "/cgroup.subtree_control", number);
    }
  }
  return {};
}

bool V2Groups::ours(const std::string& directory) { return tree().marked(directory); }

Result<std::string> V2Groups::file(std::string_view call, const CgroupPath& path,
                                   std::string_view name) {
  TH_TRY(require(call, path));
  auto full = fmt::format("{}/{}", directory(path), name);
  if (tree().exists(full)) return full;
  const auto controller = name.substr(0, name.find('.'));
  if (!layout().unified_has(controller)) {
    return error(ErrorCode::not_supported, call, path,
                 fmt::format("the kernel offers no cgroup controller {}", controller));
  }
  return error(ErrorCode::not_supported, call, path,
               fmt::format("the parent group hands down no controller {}", controller))
      .with_hint("a parent with processes of its own cannot; put them into a child group");
}

Result<CpuShares> V2Groups::set_cpu_shares(const CgroupPath& path, CpuShares shares) {
  constexpr auto kCall = "set_cpu_shares";
  TH_ASSIGN(const std::string name, file(kCall, path, "cpu.weight"));
  TH_TRY(write(kCall, path, name, std::to_string(weight_of(shares))));
  TH_ASSIGN(const std::uint64_t kept, read_number(kCall, path, name));
  return shares_of(kept);
}

Result<std::optional<CpuQuota>> V2Groups::read_quota(const CgroupPath& path,
                                                     const std::string& name) {
  TH_ASSIGN(const std::string text, read("set_cpu_quota", path, name));
  if (text.starts_with("max")) return std::optional<CpuQuota>{};
  std::uint64_t quota = 0, period = 0;
  const auto* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, quota);
  if (first.ec != std::errc{} || first.ptr == end ||
      std::from_chars(first.ptr + 1, end, period).ec != std::errc{}) {
    return error(ErrorCode::corrupt, "set_cpu_quota", path, name + " holds no quota: " + text);
  }
  return std::optional<CpuQuota>(
      CpuQuota{.quota = from_microseconds(quota), .period = from_microseconds(period)});
}

Status V2Groups::check_ancestors(const CgroupPath& path, const CpuQuota& quota) {
  for (auto text = path.text; text.find('/') != std::string::npos;) {
    text.resize(text.rfind('/'));
    const CgroupPath ancestor{text};
    const auto name = directory(ancestor) + "/cpu.max";
    if (!tree().exists(name)) continue;
    TH_ASSIGN(const auto bound, read_quota(ancestor, name));
    if (!bound) continue;
    const auto ratio = [](const CpuQuota& limit) {
      return static_cast<double>(limit.quota.count()) / static_cast<double>(limit.period.count());
    };
    if (ratio(quota) > ratio(*bound)) {
      return error(ErrorCode::invalid_argument, "set_cpu_quota", path,
                   fmt::format("group {} above it has less CPU time", text));
    }
  }
  return {};
}

Result<std::optional<CpuQuota>> V2Groups::set_cpu_quota(const CgroupPath& path,
                                                        std::optional<CpuQuota> quota) {
  constexpr auto kCall = "set_cpu_quota";
  TH_ASSIGN(const std::string name, file(kCall, path, "cpu.max"));
  if (!quota) {
    TH_TRY(write(kCall, path, name, "max"));
    return std::optional<CpuQuota>{};
  }
  if (!valid_quota(*quota)) return error(ErrorCode::invalid_argument, kCall, path, kQuotaRange);
  TH_TRY(check_ancestors(path, *quota));
  TH_TRY(write(kCall, path, name,
               fmt::format("{} {}", in_microseconds(quota->quota), in_microseconds(quota->period))));
  return read_quota(path, name);
}

Result<CpuSet> V2Groups::set_cpus(const CgroupPath& path, std::optional<CpuSet> cpus) {
  constexpr auto kCall = "set_cpus";
  TH_ASSIGN(const std::string name, file(kCall, path, "cpuset.cpus"));
  const auto at = directory(path);
  if (cpus) {
    const auto parent = at.substr(0, at.rfind('/')) + "/cpuset.cpus.effective";
    TH_ASSIGN(const CpuSet allowed, read_cpus(tree(), parent));
    TH_TRY(check_cpus(
        fail(ErrorCode::invalid_argument, "cgroups.set_cpus", "cgroup " + path.text, ""), *cpus,
        allowed));
  }
  TH_TRY(write(kCall, path, name, cpus ? cpus->text() : "\n"));  // empty = the parent's
  return read_cpus(tree(), at + "/cpuset.cpus.effective");
}

Result<CpuSet> V2Groups::set_memory_nodes(const CgroupPath& path, std::optional<CpuSet> nodes) {
  constexpr auto kCall = "set_memory_nodes";
  TH_ASSIGN(const std::string name, file(kCall, path, "cpuset.mems"));
  const auto at = directory(path);
  if (nodes) {
    TH_ASSIGN(const CpuSet allowed,
              read_cpus(tree(), at.substr(0, at.rfind('/')) + "/cpuset.mems.effective"));
    TH_TRY(check_memory_nodes(
        fail(ErrorCode::invalid_argument, "cgroups.set_memory_nodes", "cgroup " + path.text, ""),
        *nodes, allowed));
  }
  TH_TRY(write(kCall, path, name, nodes ? nodes->text() : "\n"));  // empty = the parent's
  return read_cpus(tree(), at + "/cpuset.mems.effective");
}

Result<Bytes> V2Groups::set_memory_high(const CgroupPath& path, Bytes high) {
  constexpr auto kCall = "set_memory_high";
  TH_ASSIGN(const std::string name, file(kCall, path, "memory.high"));
  TH_TRY(write(kCall, path, name, number_or_max(round_down_to_pages(high.value))));
  TH_ASSIGN(const std::uint64_t kept, read_number(kCall, path, name));
  return Bytes{kept};
}

Status V2Groups::raise_prefix_low(std::string_view call) {
  for (auto at = directory({}); at.size() > layout().unified.size(); at.resize(at.rfind('/'))) {
    if (!ours(at)) break;  // what somebody else made and set is not ours to change
    const auto name = at + "/memory.low";
    if (!tree().exists(name)) continue;
    const auto children = tree().directories(at);
    if (!children) return file_error(call, {}, at, children.error());
    std::uint64_t sum = 0;
    for (const auto& child : *children) {
      const auto file = at + '/' + child + "/memory.low";
      if (!tree().exists(file)) continue;  // gone meanwhile, or without the controller
      TH_ASSIGN(const std::uint64_t low, read_number(call, {}, file));
      sum = saturated_sum(sum, low);
    }
    TH_TRY(write(call, {}, name, number_or_max(sum)));
  }
  return {};
}

Result<Bytes> V2Groups::set_memory_low(const CgroupPath& path, Bytes low) {
  constexpr auto kCall = "set_memory_low";
  TH_ASSIGN(const std::string name, file(kCall, path, "memory.low"));
  TH_TRY(write(kCall, path, name, number_or_max(round_down_to_pages(low.value))));
  TH_TRY(raise_prefix_low(kCall));
  TH_ASSIGN(const std::uint64_t kept, read_number(kCall, path, name));
  return Bytes{kept};
}

Result<Effect> V2Groups::remove(const CgroupPath& path) {
  const auto name = directory(path) + "/memory.low";
  const auto low = valid_group_path(path.text) ? tree().read(name) : std::string();
  TH_ASSIGN(const Effect effect, GroupBase::remove(path));
  if (low && !low->empty() && !low->starts_with("0")) TH_TRY(raise_prefix_low("remove"));
  return effect;
}

Result<MemoryLimit> V2Groups::kept_memory(const CgroupPath& path) {
  MemoryLimit kept;
  const auto at = directory(path);
  TH_ASSIGN(kept.memory.value, read_number("set_memory", path, at + "/memory.max"));
  if (tree().exists(at + "/memory.swap.max")) {
    TH_ASSIGN(kept.swap.value, read_number("set_memory", path, at + "/memory.swap.max"));
  }
  return kept;
}

Status V2Groups::reclaim_below(const CgroupPath& path, std::uint64_t memory) {
  // memory.max would kill what does not fit. memory.high reclaims first and tells by its effect.
  constexpr auto kCall = "set_memory";
  const auto at = directory(path);
  TH_ASSIGN(const std::uint64_t used, read_number(kCall, path, at + "/memory.current"));
  if (used <= memory) return {};
  TH_ASSIGN(const std::uint64_t high, read_number(kCall, path, at + "/memory.high"));
  TH_TRY(write(kCall, path, at + "/memory.high", std::to_string(memory)));
  auto left = read_number(kCall, path, at + "/memory.current");
  TH_TRY(write(kCall, path, at + "/memory.high", number_or_max(high)));
  if (!left) return std::move(left).error();
  if (*left <= memory) return {};
  return error(ErrorCode::busy, kCall, path,
               "the processes inside use more, and so much cannot be reclaimed")
      .with_amounts(memory, *left, std::nullopt)
      .with_hint("stop programs inside, or choose a higher limit");
}

Result<MemoryLimit> V2Groups::set_memory(const CgroupPath& path, MemoryLimit limit) {
  constexpr auto kCall = "set_memory";
  TH_ASSIGN(const std::string memory_file, file(kCall, path, "memory.max"));
  const auto swap_file = directory(path) + "/memory.swap.max";
  const bool with_swap = tree().exists(swap_file);
  if (!with_swap && limit.swap.value != kUnlimited) {
    return error(ErrorCode::not_supported, kCall, path,
                 "this kernel does not account swap (no memory.swap.max)")
        .with_hint("boot with swapaccount=1, or leave swap unlimited");
  }
  const auto memory = round_down_to_pages(limit.memory.value);
  // More swap first: it makes room for what has to leave the memory.
  TH_ASSIGN(const MemoryLimit old, kept_memory(path));
  const auto swap_text = number_or_max(round_down_to_pages(limit.swap.value));
  const bool more_swap = with_swap && limit.swap >= old.swap;
  if (more_swap) TH_TRY(write(kCall, path, swap_file, swap_text));
  auto status = memory == kUnlimited ? Status{} : reclaim_below(path, memory);
  if (status) status = write(kCall, path, memory_file, number_or_max(memory));
  if (!status) {
    if (more_swap) TH_TRY(write(kCall, path, swap_file, number_or_max(old.swap.value)));
    return std::move(status).error();
  }
  if (with_swap && !more_swap) TH_TRY(write(kCall, path, swap_file, swap_text));
  return kept_memory(path);
}

Result<std::uint64_t> V2Groups::set_pids(const CgroupPath& path, std::uint64_t most) {
  TH_ASSIGN(const std::string name, file("set_pids", path, "pids.max"));
  TH_TRY(write("set_pids", path, name, number_or_max(most)));
  return read_number("set_pids", path, name);
}

Status V2Groups::set_devices(const CgroupPath& path, const std::vector<DeviceRule>& allowed) {
  constexpr auto kCall = "set_devices";
  TH_TRY(require(kCall, path));
  for (const auto& rule : allowed) {
    const auto line = device_line(
        fail(ErrorCode::invalid_argument, "cgroups.set_devices", "cgroup " + path.text, ""), rule);
    if (!line) return line.error();
  }
  const int number = tree().replace_device_program(directory(path), device_program(allowed));
  if (number == 0) return {};
  const auto code = number == EINVAL || number == ENOSYS ? ErrorCode::not_supported
                                                         : code_of(number);
  return error(code, kCall, path,
               fmt::format("the kernel takes no device program (CONFIG_CGROUP_BPF): {}",
                           errno_text(number)))
      .with_errno(number);
}

Status V2Groups::freeze(const CgroupPath& path) {
  TH_TRY(require("freeze", path));
  const auto result = unified_freeze(tree(), directory(path), kPatience, kStep);
  if (result.number != 0) {
    return file_error("freeze", path, directory(path) + "/cgroup.freeze", result.number);
  }
  if (result.state == FreezeState::frozen) return {};
  return error(ErrorCode::timed_out, "freeze", path,
               "a process inside does not stop; the group was thawed again");
}

Status V2Groups::thaw(const CgroupPath& path) {
  TH_TRY(require("thaw", path));
  return write("thaw", path, directory(path) + "/cgroup.freeze", "0");
}

Result<FreezeState> V2Groups::freeze_state(const CgroupPath& path) {
  TH_TRY(require("freeze_state", path));
  const auto result = unified_freeze_state(tree(), directory(path));
  if (result.number != 0) {
    return file_error("freeze_state", path, directory(path) + "/cgroup.events", result.number);
  }
  return result.state;
}

Result<std::uint64_t> V2Groups::kill_all(const CgroupPath& path) {
  constexpr auto kCall = "kill_all";
  TH_ASSIGN(auto members, processes(path));
  const std::uint64_t count = members.size();
  const auto name = directory(path) + "/cgroup.kill";
  const int number = tree().write(name, "1");
  if (number == 0) return count;
  if (number != ENOENT) return file_error(kCall, path, name, number);
  // Before Linux 5.14: one by one, until no round finds anything that is new.
  constexpr int kRounds = 100;
  for (int round = 0; round < kRounds && !members.empty(); ++round) {
    for (const auto& member : members) {
      if (const int failed = tree().kill(member.pid); failed != 0 && failed != ESRCH) {
        return error(code_of(failed), kCall, path,
                     fmt::format("cannot kill process {}: {}", member.pid, errno_text(failed)))
            .with_errno(failed);
      }
    }
    tree().pause(kStep);
    TH_ASSIGN(members, processes(path));
  }
  return count;
}

Result<CgroupSample> V2Groups::sample(const CgroupPath& path) {
  constexpr auto kCall = "sample";
  TH_TRY(require(kCall, path));
  const auto at = directory(path);
  CgroupSample sample;
  const auto duration = [](std::uint64_t count) { return from_microseconds(count); };
  // A controller that the group does not have leaves its part at zero.
  if (tree().exists(at + "/cpu.stat")) {
    TH_ASSIGN(const std::string stat, read(kCall, path, at + "/cpu.stat"));
    sample.cpu.usage = duration(keyed_value(stat, "usage_usec").value_or(0));
    sample.cpu.periods = keyed_value(stat, "nr_periods").value_or(0);
    sample.cpu.throttled_periods = keyed_value(stat, "nr_throttled").value_or(0);
    sample.cpu.throttled = duration(keyed_value(stat, "throttled_usec").value_or(0));
  }
  if (tree().exists(at + "/memory.current")) {
    TH_ASSIGN(sample.memory.usage.value, read_number(kCall, path, at + "/memory.current"));
    sample.memory.peak = sample.memory.usage;
    if (tree().exists(at + "/memory.peak")) {  // Linux 5.19
      TH_ASSIGN(sample.memory.peak.value, read_number(kCall, path, at + "/memory.peak"));
    }
    TH_ASSIGN(const std::string stat, read(kCall, path, at + "/memory.stat"));
    sample.memory.anonymous.value = keyed_value(stat, "anon").value_or(0);
    sample.memory.cache.value = keyed_value(stat, "file").value_or(0);
    if (tree().exists(at + "/memory.swap.current")) {
      TH_ASSIGN(sample.memory.swap.value, read_number(kCall, path, at + "/memory.swap.current"));
    }
    TH_ASSIGN(const std::string events, read(kCall, path, at + "/memory.events"));
    if (const auto kernel = keyed_value(stat, "kernel")) sample.memory.kernel = Bytes{*kernel};
    sample.memory.limit_hits = keyed_value(events, "max").value_or(0);
    sample.memory.high_hits = keyed_value(events, "high");
    sample.memory.low_hits = keyed_value(events, "low");
    sample.memory.oom_kills = keyed_value(events, "oom_kill").value_or(0);
  }
  if (tree().exists(at + "/io.stat")) {
    TH_ASSIGN(const std::string stat, read(kCall, path, at + "/io.stat"));
    add_io_stat(stat, sample.io);
  }
  if (tree().exists(at + "/pids.current")) {
    TH_ASSIGN(sample.pids, read_number(kCall, path, at + "/pids.current"));
    if (const auto peak = at + "/pids.peak"; tree().exists(peak)) {  // Linux 6.1
      TH_ASSIGN(const std::uint64_t most, read_number(kCall, path, peak));
      sample.pids_peak = most;
    }
    TH_ASSIGN(const std::string events, read(kCall, path, at + "/pids.events"));
    sample.pids_limit_hits = keyed_value(events, "max").value_or(0);
  }
  return sample;
}

}  // namespace twinhull::linux_backend
