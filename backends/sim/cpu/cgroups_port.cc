// The Cgroups port of a simulated node: checks in the order of the kernel, then the models.
#include <algorithm>

#include "backends/sim/cpu/cgroup_model.h"
#include "backends/sim/files/file_ops.h"
#include "backends/sim/files/walker.h"
#include "backends/sim/process/process_model.h"

namespace twinhull::sim {
namespace {

bool valid(const std::string& path) {
  std::size_t components = 0, at = 0;
  while (true) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string part = path.substr(at, end - at);
    if (part.empty() || part.size() > 64 || part == "." || part == "..") return false;
    if (!std::all_of(part.begin(), part.end(), [](char c) {
          return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '.' || c == '_' || c == '-';
        })) {
      return false;
    }
    if (++components > 8) return false;
    if (end == path.size()) return true;
    at = end + 1;
  }
}

CpuSet set_of(const CpuMask& mask) {
  CpuSet set;
  for (std::uint32_t cpu = 0; cpu < kMostCpus; ++cpu) {
    if (mask.has(cpu)) set.cpus.push_back(cpu);
  }
  return set;
}

/// Whether `a` lets more CPU time through than `b`.
bool more(const CpuQuota& a, const CpuQuota& b) {
  return static_cast<UInt128>(a.quota.count()) * static_cast<std::uint64_t>(b.period.count()) >
         static_cast<UInt128>(b.quota.count()) * static_cast<std::uint64_t>(a.period.count());
}

class SimCgroups final : public Cgroups {
 public:
  explicit SimCgroups(NodeGate gate) : gate_(gate) {}

  Result<Effect> create(const CgroupPath& path) override {
    TH_TRY(enter("cgroups.create", path));
    if (model().find(path.text) != nullptr) return Effect::none;
    const std::string parent = CgroupModel::parent_of(path.text);
    if (model().find(parent) == nullptr) {
      return fail(ErrorCode::not_found, "cgroups.create", path.text,
                  "the parent group does not exist");
    }
    model().add(path.text);
    note("cgroups.create", path);
    return Effect::changed;
  }

  Result<Effect> remove(const CgroupPath& path) override {
    TH_TRY(enter("cgroups.remove", path));
    const Cgroup* group = model().find(path.text);
    if (group == nullptr) return Effect::none;
    if (!group->processes.empty()) {
      return fail(ErrorCode::busy, "cgroups.remove", path.text, "processes are inside")
          .with_amounts({}, group->processes.size(), {});
    }
    if (!group->children.empty()) {
      return fail(ErrorCode::not_empty, "cgroups.remove", path.text, "it has child groups");
    }
    model().remove(path.text);
    note("cgroups.remove", path);
    return Effect::changed;
  }

  Result<std::vector<std::string>> children(const CgroupPath& parent) override {
    TH_TRY(gate_.enter("cgroups.children", parent.text));
    if (!parent.text.empty() && !valid(parent.text)) return bad_path("cgroups.children", parent);
    const Cgroup* group = model().find(parent.text);
    if (group == nullptr) return missing("cgroups.children", parent);
    std::vector<std::string> names;
    for (const std::string& child : group->children) {
      names.push_back(child.substr(parent.text.empty() ? 0 : parent.text.size() + 1));
    }
    return names;
  }

  Result<CpuShares> set_cpu_shares(const CgroupPath& path, CpuShares shares) override {
    TH_ASSIGN(Cgroup * group, open("cgroups.set_cpu_shares", path));
    shares.value = std::clamp<std::uint64_t>(shares.value, 2, 262144);
    model().cpu().set_weight(group->cpu, shares.value);
    model().touch_cpu();
    note("cgroups.set_cpu_shares", path, shares.value);
    return shares;
  }

  Result<std::optional<CpuQuota>> set_cpu_quota(const CgroupPath& path,
                                                std::optional<CpuQuota> quota) override {
    constexpr std::string_view kCall = "cgroups.set_cpu_quota";
    TH_ASSIGN(Cgroup * group, open(kCall, path));
    if (quota) {
      if (quota->quota < milliseconds(1) || quota->period < milliseconds(1) ||
          quota->period > seconds(1) || quota->quota > seconds(1'000'000)) {
        return fail(ErrorCode::invalid_argument, kCall, path.text,
                    "a quota is at least 1 ms and a period 1 ms to 1 s");
      }
      // The kernel counts in microseconds.
      quota->quota = std::chrono::floor<microseconds>(quota->quota);
      quota->period = std::chrono::floor<microseconds>(quota->period);
      for (std::string at = path.text; !at.empty();) {
        at = CgroupModel::parent_of(at);
        const auto outer = model().cpu().quota(model().find(at)->cpu);
        if (outer && more(*quota, *outer)) {
          return fail(ErrorCode::invalid_argument, kCall, path.text,
                      "the quota is above that of the group around it")
              .with_hint("raise the outer quota first");
        }
      }
      for (const std::string& below : descendants(path.text)) {
        const auto inner = model().cpu().quota(model().find(below)->cpu);
        if (inner && more(*inner, *quota)) {
          return fail(ErrorCode::invalid_argument, kCall, path.text,
                      "the quota is below that of group " + below + " inside")
              .with_hint("lower the inner quota first");
        }
      }
    }
    model().cpu().set_quota(group->cpu, quota);
    model().touch_cpu();
    note(kCall, path, quota ? static_cast<std::uint64_t>(quota->quota.count()) : kUnlimited);
    return quota;
  }

  Result<CpuSet> set_cpus(const CgroupPath& path, std::optional<CpuSet> cpus) override {
    constexpr std::string_view kCall = "cgroups.set_cpus";
    TH_ASSIGN(Cgroup * group, open(kCall, path));
    CpuTree& tree = model().cpu();
    const CpuMask outer = tree.allowed(model().find(CgroupModel::parent_of(path.text))->cpu);
    std::optional<CpuMask> mask;
    if (cpus) {
      mask.emplace();
      if (cpus->cpus.empty()) {
        return fail(ErrorCode::invalid_argument, kCall, path.text, "the set of CPUs is empty");
      }
      for (std::uint32_t cpu : cpus->cpus) {
        if (cpu >= kMostCpus || !outer.has(cpu)) {
          return fail(ErrorCode::invalid_argument, kCall, path.text,
                      "CPU " + std::to_string(cpu) + " is not among those of the group around it")
              .with_hint("it may use " + std::to_string(outer.count()) + " CPUs of the parent");
        }
        mask->add(cpu);
      }
    }
    for (const std::string& below : descendants(path.text)) {
      const auto inner = tree.own_allowed(model().find(below)->cpu);
      if (inner && !inner->inside(mask.value_or(outer))) {
        return fail(ErrorCode::busy, kCall, path.text, "group " + below + " uses more CPUs");
      }
    }
    tree.set_allowed(group->cpu, mask);
    model().touch_cpu();
    const CpuSet kept = set_of(tree.allowed(group->cpu));
    note(kCall, path, kept.cpus.size());
    return kept;
  }

  Result<CpuSet> set_memory_nodes(const CgroupPath& path, std::optional<CpuSet> nodes) override {
    constexpr std::string_view kCall = "cgroups.set_memory_nodes";
    TH_ASSIGN(Cgroup * group, open(kCall, path));
    const std::vector<std::uint32_t> outer = nodes_of(CgroupModel::parent_of(path.text));
    if (nodes && nodes->cpus.empty()) {
      return fail(ErrorCode::invalid_argument, kCall, path.text, "the set of memory nodes is empty");
    }
    const std::vector<std::uint32_t>& wanted = nodes ? nodes->cpus : outer;
    for (const std::uint32_t number : wanted) {
      if (std::binary_search(outer.begin(), outer.end(), number)) continue;
      return fail(ErrorCode::invalid_argument, kCall, path.text,
                  "memory node " + std::to_string(number) +
                      " is not among those of the group around it")
          .with_hint("choose from " + CpuSet{outer}.text());
    }
    for (const std::string& below : descendants(path.text)) {
      const auto& inner = model().find(below)->memory_nodes;
      if (inner && !std::includes(wanted.begin(), wanted.end(), inner->begin(), inner->end())) {
        return fail(ErrorCode::busy, kCall, path.text, "group " + below + " uses more memory nodes");
      }
    }
    group->memory_nodes.reset();
    if (nodes) group->memory_nodes = nodes->cpus;
    note(kCall, path, wanted.size());
    return CpuSet{wanted};
  }

  Result<MemoryLimit> set_memory(const CgroupPath& path, MemoryLimit limit) override {
    TH_ASSIGN(Cgroup * group, open("cgroups.set_memory", path));
    auto kept = model().memory().set_limit(group->memory, limit);
    if (!kept) {
      Error error = std::move(kept).error();
      error.object = path.text + " (" + error.object + ")";
      return error;
    }
    note("cgroups.set_memory", path, kept->memory.value);
    return *kept;
  }

  Result<Bytes> set_memory_high(const CgroupPath& path, Bytes high) override {
    TH_ASSIGN(Cgroup * group, open("cgroups.set_memory_high", path));
    const Bytes kept = model().memory().set_high(group->memory, high);
    note("cgroups.set_memory_high", path, kept.value);
    return kept;
  }

  Result<Bytes> set_memory_low(const CgroupPath& path, Bytes low) override {
    TH_ASSIGN(Cgroup * group, open("cgroups.set_memory_low", path));
    const Bytes kept = model().memory().set_low(group->memory, low);
    note("cgroups.set_memory_low", path, kept.value);
    return kept;
  }

  Result<std::uint64_t> set_pids(const CgroupPath& path, std::uint64_t most) override {
    TH_ASSIGN(Cgroup * group, open("cgroups.set_pids", path));
    if (most != kUnlimited && most > 4'194'304) {
      return fail(ErrorCode::invalid_argument, "cgroups.set_pids", path.text,
                  "no kernel counts so many tasks")
          .with_amounts(most, {}, 4'194'304);
    }
    group->most_tasks = most;
    note("cgroups.set_pids", path, most);
    return most;
  }

  Result<IoWeight> set_io_weight(const CgroupPath& path, const std::string& place,
                                 IoWeight weight) override {
    constexpr std::string_view kCall = "cgroups.set_io_weight";
    TH_ASSIGN(Cgroup * group, open(kCall, path));
    if (!weight.valid()) {
      return fail(ErrorCode::invalid_argument, kCall, path.text,
                  "a weight for disk time is " + std::to_string(IoWeight::kLeast) + " to " +
                      std::to_string(IoWeight::kMost))
          .with_amounts(weight.value, {}, IoWeight::kMost);
    }
    TH_TRY(check_place(kCall, place));
    model().io().tree().set_weight(group->io, weight.value);
    note(kCall, path, weight.value);
    return weight;
  }

  Result<IoLimit> set_io_limits(const CgroupPath& path, const std::string& place,
                                IoLimit limit) override {
    constexpr std::string_view kCall = "cgroups.set_io_limits";
    TH_ASSIGN(Cgroup * group, open(kCall, path));
    if (!limit.valid_bandwidth() || !limit.valid_operations()) {
      return fail(ErrorCode::invalid_argument, kCall, path.text,
                  "a disk limit is at least " + std::to_string(IoLimit::kLeast) +
                      ", and operations are at most " + std::to_string(IoLimit::kMostOperations));
    }
    TH_TRY(check_place(kCall, place));
    model().io().tree().set_limit(group->io, limit, gate_.node().engine.now());
    model().io().touch();
    note(kCall, path, limit.bandwidth.value ^ (limit.operations << 1U));
    return limit;
  }

  Status set_devices(const CgroupPath& path, const std::vector<DeviceRule>& allowed) override {
    TH_ASSIGN(Cgroup * group, open("cgroups.set_devices", path));
    for (const DeviceRule& rule : allowed) {
      if (rule.type != 'c' && rule.type != 'b') {
        return fail(ErrorCode::invalid_argument, "cgroups.set_devices", path.text,
                    "a device is of type c or b");
      }
    }
    group->restricts_devices = true;
    group->devices = allowed;
    note("cgroups.set_devices", path, allowed.size());
    return {};
  }

  Status freeze(const CgroupPath& path) override { return set_frozen("cgroups.freeze", path, true); }
  Status thaw(const CgroupPath& path) override { return set_frozen("cgroups.thaw", path, false); }

  Result<FreezeState> freeze_state(const CgroupPath& path) override {
    TH_ASSIGN(Cgroup * group, open("cgroups.freeze_state", path));
    static_cast<void>(group);
    return model().frozen(path.text) ? FreezeState::frozen : FreezeState::thawed;
  }

  Result<std::uint64_t> kill_all(const CgroupPath& path) override {
    TH_ASSIGN(Cgroup * group, open("cgroups.kill_all", path));
    static_cast<void>(group);
    const std::vector<std::int32_t> pids = model().members(path.text);
    note("cgroups.kill_all", path, pids.size());
    for (std::int32_t pid : pids) processes_of(gate_.node()).kill(pid, 9);
    return static_cast<std::uint64_t>(pids.size());
  }

  Result<std::vector<ProcessRef>> processes(const CgroupPath& path) override {
    TH_ASSIGN(Cgroup * group, open("cgroups.processes", path));
    static_cast<void>(group);
    std::vector<ProcessRef> refs;
    for (std::int32_t pid : model().members(path.text)) {
      refs.push_back(processes_of(gate_.node()).find(pid)->ref);
    }
    return refs;
  }

  Result<CgroupSample> sample(const CgroupPath& path) override {
    TH_ASSIGN(Cgroup * group, open("cgroups.sample", path));
    CgroupSample sample;
    sample.cpu = model().cpu().sample(group->cpu);
    sample.memory = model().memory().sample(group->memory);
    sample.io = model().io().tree().sample(group->io);
    sample.pids = group->tasks;
    sample.pids_peak = group->tasks_peak;
    sample.pids_limit_hits = group->task_hits;
    return sample;
  }

  Result<CgroupLimits> limits(const CgroupPath& path, const std::string& place) override {
    constexpr std::string_view kCall = "cgroups.limits";
    TH_ASSIGN(Cgroup * group, open(kCall, path));
    const CpuTree& cpu = model().cpu();
    const MemoryTree& memory = model().memory();
    CgroupLimits limits{.shares = CpuShares{cpu.weight(group->cpu)},
                        .quota = cpu.quota(group->cpu),
                        .cpus = set_of(cpu.allowed(group->cpu)),
                        .memory = memory.limit(group->memory),
                        .memory_high = memory.high(group->memory),
                        .memory_low = memory.low(group->memory),
                        .memory_nodes = CpuSet{nodes_of(path.text)},
                        .pids = group->most_tasks,
                        .io_weight = {},
                        .io = {}};
    if (place.empty()) return limits;
    if (Status found = check_place(kCall, place); !found) {
      if (found.error().code == ErrorCode::not_supported) return limits;
      return std::move(found).error();
    }
    limits.io_weight = IoWeight{model().io().tree().weight(group->io)};
    limits.io = model().io().tree().limit(group->io);
    return limits;
  }

 private:
  [[nodiscard]] CgroupModel& model() const { return cgroups_of(gate_.node()); }

  static Error bad_path(std::string_view call, const CgroupPath& path) {
    return fail(ErrorCode::invalid_argument, call, path.text,
                "a group's path is 1 to 8 names of letters, digits, '.', '_' and '-'");
  }
  static Error missing(std::string_view call, const CgroupPath& path) {
    return fail(ErrorCode::not_found, call, path.text, "no such control group");
  }
  Status enter(std::string_view call, const CgroupPath& path) const {
    TH_TRY(gate_.enter(call, path.text));
    if (!valid(path.text)) return bad_path(call, path);
    return {};
  }
  Result<Cgroup*> open(std::string_view call, const CgroupPath& path) const {
    TH_TRY(enter(call, path));
    Cgroup* group = model().find(path.text);
    if (group == nullptr) return missing(call, path);
    return group;
  }
  /// As on Linux: the disk is found through a path on it, and memory file systems have none.
  Status check_place(std::string_view call, const std::string& place) const {
    TH_TRY(Walker::check_path(call, place));
    TH_ASSIGN(const auto found, FileOps(gate_.node()).stat(place, FinalLink::follow));
    if (!found) return fail(ErrorCode::not_found, call, place, "no such file or directory");
    TH_ASSIGN(const DiskInfo disk, FileOps(gate_.node()).disk(place));
    if (disk.file_system != "tmpfs") return {};
    return fail(ErrorCode::not_supported, call, place, "its file system (tmpfs) is on no disk")
        .with_hint("keep the private areas on a disk");
  }
  Status set_frozen(std::string_view call, const CgroupPath& path, bool frozen) const {
    TH_TRY(open(call, path));
    model().set_frozen(path.text, frozen);
    note(call, path);
    return {};
  }
  /// The memory nodes that a group may use: its own set or the nearest one above.
  [[nodiscard]] std::vector<std::uint32_t> nodes_of(std::string path) const {
    for (;; path = CgroupModel::parent_of(path)) {
      if (const auto& own = model().find(path)->memory_nodes) return *own;
      if (path.empty()) break;
    }
    std::vector<std::uint32_t> all(gate_.node().spec.memory_nodes);
    for (std::uint32_t number = 0; number < all.size(); ++number) all[number] = number;
    return all;
  }
  [[nodiscard]] std::vector<std::string> descendants(const std::string& path) const {
    std::vector<std::string> all;
    const auto& top = model().find(path)->children;
    all.assign(top.begin(), top.end());
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto& next = model().find(all[i])->children;
      all.insert(all.end(), next.begin(), next.end());
    }
    return all;
  }
  void note(std::string_view call, const CgroupPath& path, std::uint64_t value = 0) const {
    gate_.node().engine.note(call, path.text, {gate_.node().index, value});
  }

  NodeGate gate_;
};

}  // namespace

std::unique_ptr<Cgroups> make_cgroups_port(NodeGate gate) {
  return std::make_unique<SimCgroups>(gate);
}

}  // namespace twinhull::sim
