// The Checkpoints port of a simulated node.
#include <algorithm>

#include "backends/sim/checkpoint/capture.h"
#include "backends/sim/checkpoint/dirty_pages.h"
#include "backends/sim/checkpoint/images.h"
#include "backends/sim/ports/ports.h"

namespace twinhull::sim {
namespace {

// What a dump or a restore takes beside the memory, measured with CRIU 4.2 on Linux 6.18: the
// tool's own start, the namespaces, the network's lock; memory comes back much slower than it goes.
constexpr Duration kFixedDump = milliseconds(150);
constexpr Duration kFixedRestore = milliseconds(130);
constexpr Duration kFixedPreDump = milliseconds(30);
constexpr Duration kTask = milliseconds(3);  ///< parasite in, state out; or fork and state in
constexpr std::uint64_t kRestoreRate = std::uint64_t{256}
                                       << 20U;  ///< pages into processes, bytes/s
constexpr Duration kFreezeBase = milliseconds(1);
constexpr Duration kFreezeTask = microseconds(100);
constexpr std::uint64_t kCopyRate = std::uint64_t{1} << 30U;   ///< pages to the page cache, bytes/s
constexpr std::uint64_t kScanRate = std::uint64_t{40} << 30U;  ///< page map, bytes of memory/s
/// Pages that every process writes all the time: stack, kernel's copies.
constexpr std::uint64_t kAlwaysDirty = 8;

Duration at_rate(Bytes bytes, std::uint64_t rate) {
  return Duration(
      static_cast<std::int64_t>(static_cast<UInt128>(bytes.value) * 1'000'000'000 / rate));
}

class SimCheckpoints final : public Checkpoints {
 public:
  explicit SimCheckpoints(NodeGate gate) : gate_(gate) {}

  Result<Survey> survey(ProcessRef init, Duration length) override {
    constexpr std::string_view kCall = "checkpoints.survey";
    TH_TRY(gate_.enter(kCall, std::to_string(init.pid)));
    TH_ASSIGN(const SimProcess* first, first_process(kCall, init));
    const std::uint32_t space = first->space;
    const std::string object = "process " + std::to_string(init.pid);
    watch(space);
    TH_TRY(gate_.work(std::max(length, Duration(0)), kCall, object));
    if (table().space(space) == nullptr) return gone(kCall, object);
    Survey survey = survey_of(table(), space);
    survey.watched = std::max(length, Duration(0));
    Pages changed;
    for (SimProcess* process : table().members(space)) {
      changed += Pages{count(*process, true).changed};
      process->watch.reset();
    }
    if (length > Duration(0)) survey.changed = changed;
    node().engine.note(kCall, object, {node().index, changed.value});
    return survey;
  }
  Result<DumpResult> pre_dump(ProcessRef init, const PreDumpSpec& spec) override {
    constexpr std::string_view kCall = "checkpoints.pre_dump";
    return write(kCall, init, spec.images, spec.parent, nullptr);
  }
  Result<DumpResult> dump(ProcessRef init, const DumpSpec& spec) override {
    constexpr std::string_view kCall = "checkpoints.dump";
    return write(kCall, init, spec.images, spec.parent, &spec);
  }

  Result<RestoreResult> restore(const RestoreSpec& spec) override {
    constexpr std::string_view kCall = "checkpoints.restore";
    TH_TRY(gate_.enter(kCall, spec.label));
    const Instant begun = node().engine.now();
    TH_TRY(check_target(spec));
    TH_ASSIGN(const Inventory inventory, read_inventory(node(), spec.images, kCall));
    TH_ASSIGN(const std::string text, read_state(node(), spec.images, inventory));
    TH_ASSIGN(CapturedContainer state, parse_state(text, spec.images));
    const auto tasks = static_cast<std::int64_t>(state.processes.size());
    TH_TRY(
        gate_.work(kFixedRestore + tasks * kTask + at_rate(to_bytes(inventory.total), kRestoreRate),
                   kCall, spec.label));
    TH_TRY(check_target(spec));  // somebody else may have been quicker
    const std::string& group = spec.cgroup.text;
    table().cgroups().set_frozen(group, true);
    auto init = revive_container(node(), spec, std::move(state));
    if (!init || !spec.frozen) table().cgroups().set_frozen(group, false);
    if (!init) return std::move(init).error();
    node().engine.note(kCall, spec.label, {node().index, static_cast<std::uint64_t>(init->pid)});
    table().pump();
    return RestoreResult{*init, inventory.total, node().engine.now() - begun};
  }

 private:
  [[nodiscard]] Node& node() const { return gate_.node(); }
  [[nodiscard]] ProcessModel& table() const { return processes_of(gate_.node()); }

  Status check_target(const RestoreSpec& spec) const {
    constexpr std::string_view kCall = "checkpoints.restore";
    if (table().find_label(spec.label)) {
      return fail(ErrorCode::already_running, kCall, spec.label,
                  "a container with this label runs already");
    }
    const Cgroup* group = std::as_const(table().cgroups()).find(spec.cgroup.text);
    if (group == nullptr || spec.cgroup.text.empty()) {
      return fail(ErrorCode::not_found, kCall, spec.cgroup.text, "no such control group");
    }
    if (group->tasks > 0) {
      return fail(ErrorCode::busy, kCall, spec.cgroup.text, "the control group is not empty");
    }
    return {};
  }

  Result<SimProcess*> first_process(std::string_view call, ProcessRef init) const {
    SimProcess* process = table().find(init);
    if (process == nullptr || process->space == kNodeSpace) {
      return fail(ErrorCode::not_running, call, "process " + std::to_string(init.pid),
                  "the container is not running");
    }
    return process;
  }

  /// Pages of one process, and those of them that changed since the latest pre-dump.
  struct Count {
    std::uint64_t total = 0, changed = 0;
  };
  Count count(const SimProcess& process, bool since_watch) const {
    const Bytes held = table().cgroups().memory().held(process.memory);
    Count pages{held.value / kPageSize, 0};
    pages.changed = pages.total;
    if (!since_watch || !process.watch) return pages;
    const PageWrites writes = process.program->page_writes(node().engine.now());
    const std::uint64_t fresh = (held - process.watch->held).value / kPageSize;
    const std::uint64_t rewritten = distinct_pages(
        writes.pages, writes.count - std::min(writes.count, process.watch->writes), writes.pattern);
    pages.changed = std::min(pages.total, fresh + rewritten + kAlwaysDirty);
    return pages;
  }

  /// A dump, or without `dump` a pre-dump.
  Result<DumpResult> write(std::string_view call, ProcessRef init, const std::string& images,
                           const std::string& parent, const DumpSpec* dump) {
    TH_TRY(gate_.enter(call, images));
    TH_ASSIGN(const SimProcess* first, first_process(call, init));
    TH_TRY(check_empty(node(), images, call));
    if (!parent.empty()) {
      TH_ASSIGN(const Inventory before, read_inventory(node(), parent, call));
      if (before.whole || !first->watch ||
          beside(images, parent.substr(parent.rfind('/') + 1)) != parent) {
        return fail(ErrorCode::corrupt, call, parent,
                    "these are not the images of the latest pre-dump of this container");
      }
    }
    const std::uint32_t space = first->space;
    const std::string group = first->cgroup;
    TH_TRY(find_hindrance(table(), space, dump == nullptr ? ends_of(space) : dump->devices, call));

    CgroupModel& groups = table().cgroups();
    const bool was_frozen = groups.frozen(group);
    const Instant begun = node().engine.now();
    hold(space, group, true);
    auto result = freeze_and_write(call, space, images, parent, dump);
    // Nobody is left to let go when the command was killed or the power went.
    if (!result && result.error().code == ErrorCode::node_down) return result;
    if (!result) {
      hold(space, group, was_frozen);
      return result;
    }
    result->frozen = node().engine.now() - begun - result->freezing;
    if (dump != nullptr && dump->after == AfterDump::kill) {
      TH_TRY(make_durable(call, images, *result));
      node().engine.note(call, images, {node().index, result->written.value});
      table().kill(init.pid, 9);
      return result;
    }
    hold(space, group, was_frozen || (dump != nullptr && dump->after == AfterDump::stay_frozen));
    TH_TRY(make_durable(call, images, *result));
    node().engine.note(call, images, {node().index, result->written.value});
    return result;
  }

  /// Processes and network of the container stand still, or go on.
  void hold(std::uint32_t space, const std::string& group, bool held) const {
    NetNamespace* home = net_of(node()).find(space);
    if (home == nullptr) return;
    home->locked = held;
    net_of(node()).changed();
    table().cgroups().set_frozen(group, held);
    if (!held) table().pump();
  }

  std::vector<VethEnds> ends_of(std::uint32_t space) const {
    std::vector<VethEnds> ends;
    for (const auto& [name, device] : net_of(node()).find(space)->devices) {
      if (device.kind != LinkKind::loopback) ends.push_back({name, device.peer_name});
    }
    return ends;
  }

  Result<DumpResult> freeze_and_write(std::string_view call, std::uint32_t space,
                                      const std::string& images, const std::string& parent,
                                      const DumpSpec* dump) {
    DumpResult result;
    const std::vector<SimProcess*> members = table().members(space);
    result.tasks = static_cast<std::uint32_t>(members.size());
    result.freezing = kFreezeBase + result.tasks * kFreezeTask;
    TH_TRY(gate_.work(result.freezing, call, images));
    if (table().space(space) == nullptr) return gone(call, images);
    for (const SimProcess* process : table().members(space)) {
      const Count pages = count(*process, !parent.empty());
      result.scanned += Pages{pages.total};
      result.written += Pages{pages.changed};
    }
    result.skipped = result.scanned - result.written;
    const std::string state = dump == nullptr ? std::string() : capture_state(table(), space);
    Inventory inventory;
    inventory.whole = dump != nullptr;
    inventory.parent = parent.substr(parent.rfind('/') + 1);
    inventory.written = result.written;
    inventory.total = result.scanned;
    inventory.core = state.size();
    inventory.digest = hash_text(state);
    result.images = image_size(inventory);
    Duration time = at_rate(to_bytes(result.scanned), kScanRate) + result.tasks * kTask;
    time +=
        dump == nullptr ? kFixedPreDump : kFixedDump + at_rate(to_bytes(result.written), kCopyRate);
    TH_TRY(gate_.work(time, call, images));
    if (table().space(space) == nullptr) return gone(call, images);
    if (dump == nullptr) watch(space);
    TH_TRY(write_images(node(), images, state, inventory));
    return result;
  }

  static Error gone(std::string_view call, const std::string& images) {
    return fail(ErrorCode::not_running, call, images, "the container ended meanwhile");
  }

  /// From now on it is known what changes.
  void watch(std::uint32_t space) const {
    for (SimProcess* process : table().members(space)) {
      process->watch = PageWatch{table().cgroups().memory().held(process->memory),
                                 process->program->page_writes(node().engine.now()).count};
    }
  }

  Status make_durable(std::string_view call, const std::string& images, const DumpResult& result) {
    TH_TRY(gate_.work(charge_disk(node(), result.images), call, images));
    for (const std::string& path : image_files(images)) TH_TRY(sync_image(node(), path));
    return {};
  }

  NodeGate gate_;
};

}  // namespace

std::unique_ptr<Checkpoints> make_checkpoints_port(NodeGate gate) {
  return std::make_unique<SimCheckpoints>(gate);
}

}  // namespace twinhull::sim
