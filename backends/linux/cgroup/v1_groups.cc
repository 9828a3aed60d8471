#include "backends/linux/cgroup/v1_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "backends/linux/cgroup/unified_state.h"
#include "backends/linux/cgroup/values.h"
#include "backends/linux/errno_error.h"

namespace twinhull::linux_backend {
namespace {

std::string number_or_minus_one(std::uint64_t value) {
  return value == kUnlimited ? "-1" : std::to_string(value);
}

}  // namespace

std::vector<std::string> V1Groups::mounts() const {
  std::vector<std::string> mounts;
  for (const auto& hierarchy : layout().hierarchies) {
    if (!hierarchy.named()) mounts.push_back(hierarchy.mount);
  }
  for (const auto& hierarchy : layout().hierarchies) {
    if (hierarchy.named()) mounts.push_back(hierarchy.mount);
  }
  return mounts;
}

std::vector<std::string> HybridGroups::mounts() const {
  auto mounts = V1Groups::mounts();
  mounts.push_back(layout().unified);
  return mounts;
}

Status V1Groups::prepare(const std::string& mount, const std::string& directory,
                         const CgroupPath& path) {
  const auto* const cpuset = layout().hierarchy_of("cpuset");
  if (cpuset == nullptr || cpuset->mount != mount) return {};
  // A new cpuset is empty, and joining an empty one is refused with ENOSPC.
  const auto parent = directory.substr(0, directory.rfind('/'));
  for (const char* const name : {"/cpuset.mems", "/cpuset.cpus"}) {
    TH_ASSIGN(const std::string value, read("create", path, parent + name));
    TH_TRY(write("create", path, directory + name, value));
  }
  return {};
}

bool V1Groups::ours(const std::string&) {
  // Containers see the hierarchies with controllers read-only: only the node makes groups there.
  return true;
}

Result<std::string> V1Groups::file(std::string_view call, const CgroupPath& path,
                                   std::string_view controller, std::string_view name) {
  TH_TRY(require(call, path));
  const auto* const hierarchy = layout().hierarchy_of(controller);
  if (hierarchy == nullptr) {
    return error(ErrorCode::not_supported, call, path,
                 fmt::format("the cgroup controller {} is not mounted", controller))
        .with_hint(fmt::format("mount it: mount -t cgroup -o {} none /sys/fs/cgroup/{}",
                               controller, controller));
  }
  return fmt::format("{}/{}", below(hierarchy->mount, path), name);
}

Result<CpuShares> V1Groups::set_cpu_shares(const CgroupPath& path, CpuShares shares) {
  TH_ASSIGN(const std::string name, file("set_cpu_shares", path, "cpu", "cpu.shares"));
  TH_TRY(write("set_cpu_shares", path, name, std::to_string(shares.value)));
  TH_ASSIGN(const std::uint64_t kept, read_number("set_cpu_shares", path, name));
  return CpuShares{kept};
}

Status V1Groups::set_period_and_quota(const CgroupPath& path, const CpuQuota& quota) {
  constexpr auto kCall = "set_cpu_quota";
  TH_ASSIGN(const std::string period_file, file(kCall, path, "cpu", "cpu.cfs_period_us"));
  TH_ASSIGN(const std::string quota_file, file(kCall, path, "cpu", "cpu.cfs_quota_us"));
  const auto period = in_microseconds(quota.period);
  TH_ASSIGN(const std::uint64_t old_period, read_number(kCall, path, period_file));
  if (old_period == period) {
    return write(kCall, path, quota_file, std::to_string(in_microseconds(quota.quota)));
  }
  // The kernel checks the ratio of both at each write, so the old quota with the new period can be
  // refused though the wish is fine: lift the limit for a moment.
  TH_ASSIGN(const std::uint64_t old_quota, read_number(kCall, path, quota_file));
  TH_TRY(write(kCall, path, quota_file, "-1"));
  auto status = write(kCall, path, period_file, std::to_string(period));
  if (status) {
    status = write(kCall, path, quota_file, std::to_string(in_microseconds(quota.quota)));
  }
  if (!status) {
    TH_TRY(write(kCall, path, period_file, std::to_string(old_period)));
    TH_TRY(write(kCall, path, quota_file, number_or_minus_one(old_quota)));
  }
  return status;
}

Result<std::optional<CpuQuota>> V1Groups::set_cpu_quota(const CgroupPath& path,
                                                        std::optional<CpuQuota> quota) {
  constexpr auto kCall = "set_cpu_quota";
  TH_ASSIGN(const std::string quota_file, file(kCall, path, "cpu", "cpu.cfs_quota_us"));
  if (!quota) {
    TH_TRY(write(kCall, path, quota_file, "-1"));
    return std::optional<CpuQuota>{};
  }
  if (!valid_quota(*quota)) return error(ErrorCode::invalid_argument, kCall, path, kQuotaRange);
  if (auto status = set_period_and_quota(path, *quota); !status) {
    return error(status.error().code, kCall, path,
                 "the kernel refuses this CPU limit; it may be more than a parent group allows")
        .caused_by(std::move(status).error());
  }
  TH_ASSIGN(const std::string period_file, file(kCall, path, "cpu", "cpu.cfs_period_us"));
  TH_ASSIGN(const std::uint64_t kept_quota, read_number(kCall, path, quota_file));
  TH_ASSIGN(const std::uint64_t kept_period, read_number(kCall, path, period_file));
  return std::optional<CpuQuota>(
      CpuQuota{.quota = from_microseconds(kept_quota), .period = from_microseconds(kept_period)});
}

Result<CpuSet> V1Groups::set_cpus(const CgroupPath& path, std::optional<CpuSet> cpus) {
  constexpr auto kCall = "set_cpus";
  TH_ASSIGN(const std::string name, file(kCall, path, "cpuset", "cpuset.cpus"));
  const auto directory = name.substr(0, name.rfind('/'));
  const auto parent_file = directory.substr(0, directory.rfind('/')) + "/cpuset.cpus";
  TH_ASSIGN(const CpuSet allowed, read_cpus(tree(), parent_file));
  if (!cpus) cpus = allowed;
  TH_TRY(check_cpus(fail(ErrorCode::invalid_argument, "cgroups.set_cpus", "cgroup " + path.text, ""),
                    *cpus, allowed));
  if (const int number = tree().write(name, cpus->text()); number != 0) {
    if (number == EBUSY) {
      return error(ErrorCode::busy, kCall, path, "a child group uses a CPU that is to be taken away")
          .with_errno(number)
          .with_hint("narrow the children first");
    }
    return file_error(kCall, path, name, number);
  }
  return read_cpus(tree(), name);
}

Result<CpuSet> V1Groups::set_memory_nodes(const CgroupPath& path, std::optional<CpuSet> nodes) {
  constexpr auto kCall = "set_memory_nodes";
  TH_ASSIGN(const std::string name, file(kCall, path, "cpuset", "cpuset.mems"));
  const auto directory = name.substr(0, name.rfind('/'));
  TH_ASSIGN(const CpuSet allowed,
            read_cpus(tree(), directory.substr(0, directory.rfind('/')) + "/cpuset.mems"));
  if (!nodes) nodes = allowed;
  TH_TRY(check_memory_nodes(
      fail(ErrorCode::invalid_argument, "cgroups.set_memory_nodes", "cgroup " + path.text, ""),
      *nodes, allowed));
  if (const int number = tree().write(name, nodes->text()); number != 0) {
    if (number == EBUSY) {
      return error(ErrorCode::busy, kCall, path,
                   "a child group uses a memory node that is to be taken away")
          .with_errno(number)
          .with_hint("narrow the children first");
    }
    return file_error(kCall, path, name, number);
  }
  return read_cpus(tree(), name);
}

Result<MemoryLimit> V1Groups::kept_memory(const CgroupPath& path, bool with_swap) {
  constexpr auto kCall = "set_memory";
  TH_ASSIGN(const std::string memory_file, file(kCall, path, "memory", "memory.limit_in_bytes"));
  TH_ASSIGN(std::uint64_t memory, read_number(kCall, path, memory_file));
  memory = unlimited_if_huge(memory);
  std::uint64_t total = kUnlimited;
  if (with_swap) {
    TH_ASSIGN(const std::string total_file,
              file(kCall, path, "memory", "memory.memsw.limit_in_bytes"));
    TH_ASSIGN(total, read_number(kCall, path, total_file));
    total = unlimited_if_huge(total);
  }
  return MemoryLimit{.memory = {memory},
                     .swap = {total == kUnlimited ? kUnlimited : total - memory}};
}

Result<MemoryLimit> V1Groups::set_memory(const CgroupPath& path, MemoryLimit limit) {
  constexpr auto kCall = "set_memory";
  TH_ASSIGN(const std::string memory_file, file(kCall, path, "memory", "memory.limit_in_bytes"));
  TH_ASSIGN(const std::string total_file,
            file(kCall, path, "memory", "memory.memsw.limit_in_bytes"));
  const bool with_swap = tree().exists(total_file);
  if (!with_swap && limit.swap.value != kUnlimited) {
    return error(ErrorCode::not_supported, kCall, path,
                 "this kernel does not account swap (no memory.memsw.limit_in_bytes)")
        .with_hint("boot with swapaccount=1, or leave swap unlimited");
  }
  TH_ASSIGN(const MemoryLimit old, kept_memory(path, with_swap));
  const auto memory = round_down_to_pages(limit.memory.value);
  const auto text = number_or_minus_one(memory);
  const auto refused = [&](int number) {
    if (number == EBUSY) {
      return error(ErrorCode::busy, kCall, path,
                   "the processes inside use more, and so much cannot be reclaimed")
          .with_errno(number)
          .with_amounts(limit.memory.value, std::nullopt, old.memory.value)
          .with_hint("stop programs inside, or choose a higher limit");
    }
    return file_error(kCall, path, memory_file, number);
  };
  if (!with_swap) {
    if (const int number = tree().write(memory_file, text); number != 0) return refused(number);
    return kept_memory(path, with_swap);
  }
  // memory.memsw is a bound on the sum and can never lie below memory: raise it first, lower it
  // last. v1 cannot bound swap where memory has no bound.
  const auto total = number_or_minus_one(saturated_sum(memory, round_down_to_pages(limit.swap.value)));
  const bool raise = limit.memory >= old.memory;
  const auto& first = raise ? total_file : memory_file;
  const auto& second = raise ? memory_file : total_file;
  const auto old_first = number_or_minus_one(
      raise ? saturated_sum(old.memory.value, old.swap.value) : old.memory.value);
  if (const int number = tree().write(first, raise ? total : text); number != 0) {
    return refused(number);
  }
  if (const int number = tree().write(second, raise ? text : total); number != 0) {
    if (const int undo = tree().write(first, old_first); undo != 0) {
      return file_error(kCall, path, first, undo).caused_by(refused(number));
    }
    return refused(number);
  }
  return kept_memory(path, with_swap);
}

Result<Bytes> V1Groups::set_memory_high(const CgroupPath& path, Bytes) {
  TH_TRY(require("set_memory_high", path));
  // memory.soft_limit_in_bytes is only a wish to the node's reclaim: it slows nobody down.
  return error(ErrorCode::not_supported, "set_memory_high", path,
               "cgroup v1 has no memory bound that slows down (memory.high is of cgroup v2)")
      .with_hint("boot with the memory controller on cgroup v2, or use a hard limit");
}

Result<Bytes> V1Groups::set_memory_low(const CgroupPath& path, Bytes) {
  TH_TRY(require("set_memory_low", path));
  return error(ErrorCode::not_supported, "set_memory_low", path,
               "cgroup v1 guarantees no memory to a group (memory.low is of cgroup v2)")
      .with_hint("boot with the memory controller on cgroup v2, or give others hard limits");
}

Result<std::uint64_t> V1Groups::set_pids(const CgroupPath& path, std::uint64_t most) {
  TH_ASSIGN(const std::string name, file("set_pids", path, "pids", "pids.max"));
  TH_TRY(write("set_pids", path, name, number_or_max(most)));
  return read_number("set_pids", path, name);
}

Status V1Groups::set_devices(const CgroupPath& path, const std::vector<DeviceRule>& allowed) {
  constexpr auto kCall = "set_devices";
  TH_ASSIGN(const std::string allow, file(kCall, path, "devices", "devices.allow"));
  TH_ASSIGN(const std::string deny, file(kCall, path, "devices", "devices.deny"));
  std::vector<std::string> lines;
  for (const auto& rule : allowed) {
    TH_ASSIGN(std::string line,
              device_line(fail(ErrorCode::invalid_argument, "cgroups.set_devices",
                               "cgroup " + path.text, ""), rule));
    lines.push_back(std::move(line));
  }
  int number = tree().write(deny, "a");
  if (number == EINVAL) {
    // "a" is refused once there are child groups: take the exceptions back one by one. That is
    // complete only where the default is "deny" already; devices.list tells that.
    TH_ASSIGN(const std::string list, file(kCall, path, "devices", "devices.list"));
    TH_ASSIGN(const std::string now, read(kCall, path, list));
    if (now.starts_with("a ")) {
      return error(ErrorCode::busy, kCall, path,
                   "the group has child groups, so its first device rules cannot be set any more")
          .with_hint("set the rules before children are made");
    }
    number = 0;
    for (std::size_t at = 0; at < now.size() && number == 0;) {
      const auto end = std::min(now.find('\n', at), now.size());
      number = tree().write(deny, now.substr(at, end - at));
      at = end + 1;
    }
  }
  if (number != 0) return file_error(kCall, path, deny, number);
  for (const auto& line : lines) {
    if (const int refused = tree().write(allow, line); refused != 0) {
      return error(refused == EPERM ? ErrorCode::not_permitted : code_of(refused), kCall, path,
                   fmt::format("cannot allow the device \"{}\": {}", line, errno_text(refused)))
          .with_errno(refused);
    }
  }
  return {};
}

Status V1Groups::freeze(const CgroupPath& path) {
  TH_ASSIGN(const std::string name, file("freeze", path, "freezer", "freezer.state"));
  for (Duration waited{0};; waited += kStep) {
    // Written again each time: a fork during the freeze leaves the group FREEZING for good.
    TH_TRY(write("freeze", path, name, "FROZEN"));
    TH_ASSIGN(const FreezeState state, V1Groups::freeze_state(path));
    if (state == FreezeState::frozen) return {};
    if (waited >= kPatience) break;
    tree().pause(kStep);
  }
  TH_TRY(write("freeze", path, name, "THAWED"));
  return error(ErrorCode::timed_out, "freeze", path,
               "a process inside does not stop; the group was thawed again");
}

Status V1Groups::thaw(const CgroupPath& path) {
  TH_ASSIGN(const std::string name, file("thaw", path, "freezer", "freezer.state"));
  return write("thaw", path, name, "THAWED");
}

Result<FreezeState> V1Groups::freeze_state(const CgroupPath& path) {
  TH_ASSIGN(const std::string name, file("freeze_state", path, "freezer", "freezer.state"));
  TH_ASSIGN(const std::string state, read("freeze_state", path, name));
  if (state.starts_with("FROZEN")) return FreezeState::frozen;
  return state.starts_with("FREEZING") ? FreezeState::freezing : FreezeState::thawed;
}

Result<std::uint64_t> V1Groups::kill_all(const CgroupPath& path) {
  TH_ASSIGN(auto members, processes(path));
  const std::uint64_t count = members.size();
  // Frozen, nothing can fork between the listing and the kill; the signals act at the thaw.
  const bool can_freeze = layout().hierarchy_of("freezer") != nullptr;
  constexpr int kRounds = 100;
  for (int round = 0; round < kRounds && !members.empty(); ++round) {
    const bool frozen = can_freeze && V1Groups::freeze(path).has_value();
    TH_ASSIGN(members, processes(path));
    for (const auto& member : members) {
      if (const int number = tree().kill(member.pid); number != 0 && number != ESRCH) {
        if (can_freeze) TH_TRY(V1Groups::thaw(path));
        return error(code_of(number), "kill_all", path,
                     fmt::format("cannot kill process {}: {}", member.pid, errno_text(number)))
            .with_errno(number);
      }
    }
    // Also a freeze of somebody else's must end, or nothing dies.
    if (can_freeze) TH_TRY(V1Groups::thaw(path));
    if (frozen) break;
    tree().pause(kStep);
    TH_ASSIGN(members, processes(path));
  }
  return count;
}

Result<CgroupSample> V1Groups::sample(const CgroupPath& path) {
  constexpr auto kCall = "sample";
  TH_TRY(require(kCall, path));
  CgroupSample sample;
  // A controller that is not mounted leaves its part at zero.
  if (const auto* const cpuacct = layout().hierarchy_of("cpuacct")) {
    TH_ASSIGN(const std::uint64_t usage,
              read_number(kCall, path, below(cpuacct->mount, path) + "/cpuacct.usage"));
    sample.cpu.usage = Duration(static_cast<std::int64_t>(usage));
  }
  if (const auto* const cpu = layout().hierarchy_of("cpu")) {
    TH_ASSIGN(const std::string stat, read(kCall, path, below(cpu->mount, path) + "/cpu.stat"));
    sample.cpu.periods = keyed_value(stat, "nr_periods").value_or(0);
    sample.cpu.throttled_periods = keyed_value(stat, "nr_throttled").value_or(0);
    sample.cpu.throttled =
        Duration(static_cast<std::int64_t>(keyed_value(stat, "throttled_time").value_or(0)));
  }
  if (const auto* const memory = layout().hierarchy_of("memory")) {
    const auto at = below(memory->mount, path);
    TH_ASSIGN(sample.memory.usage.value, read_number(kCall, path, at + "/memory.usage_in_bytes"));
    TH_ASSIGN(sample.memory.peak.value,
              read_number(kCall, path, at + "/memory.max_usage_in_bytes"));
    TH_ASSIGN(sample.memory.limit_hits, read_number(kCall, path, at + "/memory.failcnt"));
    // With memory = memory + swap the kernel meets the sum's bound first and counts it there.
    if (const auto total = at + "/memory.memsw.failcnt"; tree().exists(total)) {
      TH_ASSIGN(const std::uint64_t hits, read_number(kCall, path, total));
      sample.memory.limit_hits += hits;
    }
    TH_ASSIGN(const std::string stat, read(kCall, path, at + "/memory.stat"));
    sample.memory.anonymous.value = keyed_value(stat, "total_rss").value_or(0);
    sample.memory.cache.value = keyed_value(stat, "total_cache").value_or(0);
    sample.memory.swap.value = keyed_value(stat, "total_swap").value_or(0);
    if (const auto kernel = at + "/memory.kmem.usage_in_bytes"; tree().exists(kernel)) {
      TH_ASSIGN(const std::uint64_t bytes, read_number(kCall, path, kernel));
      sample.memory.kernel = Bytes{bytes};
    }
    TH_ASSIGN(const std::string oom, read(kCall, path, at + "/memory.oom_control"));
    sample.memory.oom_kills = keyed_value(oom, "oom_kill").value_or(0);
    // There are kernels (seen: 6.18) that leave both counts at 0: a kill was a hit at least.
    sample.memory.limit_hits = std::max(sample.memory.limit_hits, sample.memory.oom_kills);
  }
  TH_TRY(add_io(path, sample.io));
  if (const auto* const pids = layout().hierarchy_of("pids")) {
    const auto at = below(pids->mount, path);
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

Status HybridGroups::freeze(const CgroupPath& path) {
  TH_TRY(require("freeze", path));
  const auto at = below(layout().unified, path);
  const auto result = unified_freeze(tree(), at, kPatience, kStep);
  if (result.number == ENOENT) return V1Groups::freeze(path);  // before Linux 5.2
  if (result.number != 0) return file_error("freeze", path, at + "/cgroup.freeze", result.number);
  if (result.state == FreezeState::frozen) return {};
  return error(ErrorCode::timed_out, "freeze", path,
               "a process inside does not stop; the group was thawed again");
}

Status HybridGroups::thaw(const CgroupPath& path) {
  TH_TRY(require("thaw", path));
  const auto name = below(layout().unified, path) + "/cgroup.freeze";
  const int number = tree().write(name, "0");
  if (number == ENOENT) return V1Groups::thaw(path);
  if (number != 0) return file_error("thaw", path, name, number);
  return {};
}

Result<FreezeState> HybridGroups::freeze_state(const CgroupPath& path) {
  TH_TRY(require("freeze_state", path));
  const auto at = below(layout().unified, path);
  const auto result = unified_freeze_state(tree(), at);
  if (result.number == ENOENT) return V1Groups::freeze_state(path);
  if (result.number != 0) {
    return file_error("freeze_state", path, at + "/cgroup.events", result.number);
  }
  return result.state;
}

Result<std::uint64_t> HybridGroups::kill_all(const CgroupPath& path) {
  TH_ASSIGN(const auto members, processes(path));
  const auto name = below(layout().unified, path) + "/cgroup.kill";
  const int number = tree().write(name, "1");
  if (number == ENOENT) return V1Groups::kill_all(path);  // before Linux 5.14
  if (number != 0) return file_error("kill_all", path, name, number);
  return members.size();
}

}  // namespace twinhull::linux_backend
