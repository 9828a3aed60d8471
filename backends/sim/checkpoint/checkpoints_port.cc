// The Checkpoints port of a simulated node.
#include <algorithm>

#include "backends/sim/checkpoint/capture.h"
#include "backends/sim/checkpoint/dirty_pages.h"
#include "backends/sim/checkpoint/images.h"
#include "backends/sim/checkpoint/page_exchange.h"
#include "backends/sim/ports/ports.h"

namespace twinhull::sim {
namespace {

// What a dump or a restore takes beside the memory, measured with CRIU 4.2 on Linux 6.18: the
// tool's own start, the namespaces, the network's lock. Memory comes back faster than it goes: its images
// are still in the cache.
constexpr Duration kFixedDump = milliseconds(150);
constexpr Duration kFixedRestore = milliseconds(130);
constexpr Duration kFixedPreDump = milliseconds(30);
constexpr Duration kTask = milliseconds(3);  ///< parasite in, state out; or fork and state in
constexpr std::uint64_t kRestoreRate = std::uint64_t{1536}
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
    return write(kCall, init, spec.images, spec.parent, nullptr, spec.durable);
  }
  Result<DumpResult> dump(ProcessRef init, const DumpSpec& spec) override {
    constexpr std::string_view kCall = "checkpoints.dump";
    TH_TRY(gate_.enter(kCall, spec.images));
    if (spec.lazy) {
      TH_TRY(require_lazy_pages(kCall, spec.images));
      if (spec.after != AfterDump::stay_frozen) {
        return fail(ErrorCode::invalid_argument, kCall, spec.images,
                    "memory can be held back only by processes that stay frozen");
      }
    }
    return write(kCall, init, spec.images, spec.parent, &spec, spec.durable);
  }

  Result<SentDump> dump_over(ProcessRef init, const DumpSpec& spec, Channel& channel,
                             const TransferOptions& how) override;

  Result<RestoreResult> restore(const RestoreSpec& spec) override {
    constexpr std::string_view kCall = "checkpoints.restore";
    TH_TRY(gate_.enter(kCall, spec.label));
    if (spec.lazy) TH_TRY(require_lazy_pages(kCall, spec.label));
    const Instant begun = node().engine.now();
    TH_TRY(check_target(spec));
    TH_ASSIGN(const Inventory inventory, read_inventory(node(), spec.images, kCall));
    if (inventory.lazy != spec.lazy) {
      return fail(ErrorCode::invalid_argument, kCall, spec.images,
                  spec.lazy ? "the images are of a dump that held no memory back"
                            : "the images are of a lazy dump: memory is missing in them");
    }
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

  Result<PagesMoved> give_pages(ProcessRef init, Channel& channel) override {
    return sim::give_pages(gate_, init, channel);
  }
  Result<PagesMoved> take_pages(ProcessRef init, Channel& channel) override {
    return sim::take_pages(gate_, init, channel);
  }
  Result<Effect> drop_pages(ProcessRef init) override {
    constexpr std::string_view kCall = "checkpoints.drop_pages";
    TH_TRY(gate_.enter(kCall, std::to_string(init.pid)));
    TH_ASSIGN(const SimProcess* first, first_process(kCall, init));
    if (!table().space(first->space)->holds_back) return Effect::none;
    hold_back_nothing(table(), first->space);
    node().engine.note(kCall, {node().index, static_cast<std::uint64_t>(init.pid)});
    return Effect::changed;
  }
  Result<bool> lacks_pages(ProcessRef init) override {
    constexpr std::string_view kCall = "checkpoints.lacks_pages";
    TH_TRY(gate_.enter(kCall, std::to_string(init.pid)));
    TH_ASSIGN(const SimProcess* first, first_process(kCall, init));
    return table().lacks(first->space);
  }

 private:
  Status require_lazy_pages(std::string_view call, const std::string& object) const {
    if (node().spec.lazy_pages) return {};
    return fail(ErrorCode::not_supported, call, object, "this node has no lazy pages")
        .with_hint("copy all of the memory before the processes go on");
  }
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

  /// A dump, or without `spec` a pre-dump, whose processes stand still.
  struct Writing {
    std::string_view call;
    std::string images;
    const DumpSpec* spec = nullptr;
    std::uint32_t space = 0;
    std::string group{};
    bool was_frozen = false;
    Instant begun{};
    DumpResult result{};
    std::string state{};
    Inventory inventory{};
    Duration left{0};  ///< until the images are there
  };

  /// Writes as long as it is let, and says how much there will be.
  class Author;

  /// A dump, or without `dump` a pre-dump.
  Result<DumpResult> write(std::string_view call, ProcessRef init, const std::string& images,
                           const std::string& parent, const DumpSpec* dump, bool durable) {
    TH_ASSIGN(Writing writing, begin(call, init, images, parent, dump));
    Status done = gate_.work(writing.left, call, images);
    if (done) done = put(writing);
    if (done) return conclude(writing, init, durable);
    take_back(writing, done.error());
    return std::move(done).error();
  }

  /// Checks, freezes, and has the state of that moment.
  Result<Writing> begin(std::string_view call, ProcessRef init, const std::string& images,
                        const std::string& parent, const DumpSpec* dump) {
    TH_TRY(gate_.enter(call, images));
    TH_ASSIGN(const SimProcess* first, first_process(call, init));
    TH_TRY(check_empty(node(), images, call));
    if (table().space(first->space)->holds_back) {
      return fail(ErrorCode::busy, call, images, "an earlier lazy dump of it still holds memory back")
          .with_hint("give that away, or drop it");
    }
    if (!parent.empty()) {
      TH_ASSIGN(const Inventory before, read_inventory(node(), parent, call));
      if (before.whole || !first->watch ||
          beside(images, parent.substr(parent.rfind('/') + 1)) != parent) {
        return fail(ErrorCode::corrupt, call, parent,
                    "these are not the images of the latest pre-dump of this container");
      }
    }
    Writing writing{.call = call, .images = images, .spec = dump};
    writing.space = first->space;
    writing.group = first->cgroup;
    TH_TRY(find_hindrance(table(), writing.space,
                          dump == nullptr ? ends_of(writing.space) : dump->devices, call));
    writing.was_frozen = table().cgroups().frozen(writing.group);
    writing.begun = node().engine.now();
    hold(writing.space, writing.group, true);
    const Status captured = freeze_and_capture(writing, parent);
    if (captured) return writing;
    take_back(writing, captured.error());
    return captured.error();
  }

  /// After an error: as before.
  void take_back(const Writing& writing, const Error& error) const {
    // Nobody is left to let go when the command was killed or the power went.
    if (error.code == ErrorCode::node_down) return;
    if (table().space(writing.space) != nullptr) hold_back_nothing(table(), writing.space);
    hold(writing.space, writing.group, writing.was_frozen);
  }

  Result<DumpResult> conclude(Writing& writing, ProcessRef init, bool durable) {
    DumpResult& result = writing.result;
    const AfterDump after = writing.spec != nullptr ? writing.spec->after : AfterDump::run;
    result.frozen = node().engine.now() - writing.begun - result.freezing;
    if (after != AfterDump::kill)
      hold(writing.space, writing.group, writing.was_frozen || after == AfterDump::stay_frozen);
    if (durable) TH_TRY(make_durable(writing.call, writing.images, result));
    node().engine.note(writing.call, writing.images, {node().index, result.written.value});
    if (after == AfterDump::kill) table().kill(init.pid, 9);
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

  Status freeze_and_capture(Writing& writing, const std::string& parent) {
    const std::string_view call = writing.call;
    const std::string& images = writing.images;
    const std::uint32_t space = writing.space;
    const DumpSpec* const dump = writing.spec;
    DumpResult& result = writing.result;
    const std::vector<SimProcess*> members = table().members(space);
    result.tasks = static_cast<std::uint32_t>(members.size());
    result.freezing = kFreezeBase + result.tasks * kFreezeTask;
    TH_TRY(gate_.work(result.freezing, call, images));
    if (table().space(space) == nullptr) return gone(call, images);
    const bool lazy = dump != nullptr && dump->lazy;
    Pages held_back;
    for (SimProcess* process : table().members(space)) {
      const Count pages = count(*process, !parent.empty());
      // What the next instructions need goes along; the rest waits here.
      const std::uint64_t at_once = lazy ? std::min(pages.changed, kAlwaysDirty) : pages.changed;
      process->held_back = pages.changed - at_once;
      result.scanned += Pages{pages.total};
      result.written += Pages{at_once};
      held_back += Pages{process->held_back};
    }
    if (lazy) table().space(space)->holds_back = true;
    result.skipped = result.scanned - result.written - held_back;
    writing.state = dump == nullptr ? std::string() : capture_state(table(), space);
    Inventory& inventory = writing.inventory;
    inventory.whole = dump != nullptr;
    inventory.parent = parent.substr(parent.rfind('/') + 1);
    inventory.written = result.written;
    inventory.lazy = lazy;
    inventory.total = result.scanned - held_back;
    inventory.core = writing.state.size();
    inventory.digest = hash_text(writing.state);
    result.images = image_size(inventory);
    writing.left = at_rate(to_bytes(result.scanned), kScanRate) + result.tasks * kTask;
    writing.left +=
        dump == nullptr ? kFixedPreDump : kFixedDump + at_rate(to_bytes(result.written), kCopyRate);
    return {};
  }

  /// Its time is over: the images are there.
  Status put(const Writing& writing) const {
    if (table().space(writing.space) == nullptr) return gone(writing.call, writing.images);
    if (writing.spec == nullptr) watch(writing.space);
    return write_images(node(), writing.images, writing.state, writing.inventory);
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

class SimCheckpoints::Author final : public TreeAuthor {
 public:
  Author(SimCheckpoints& port, ProcessRef init, const DumpSpec& spec, const TransferOptions& how)
      : port_(port), init_(init), spec_(spec), how_(how) {}

  Result<bool> go_on(Duration at_most) override {
    if (!failure_ && !complete_) {
      if (const Status written = step(at_most); !written) failure_ = written.error();
    }
    if (failure_) return *failure_;
    return complete_;
  }
  [[nodiscard]] bool only_grows(const std::string& name) const override { return name == "pages.img"; }
  [[nodiscard]] Bytes expected() const override {
    return writing ? image_size(writing->inventory) : Bytes{};
  }

  /// A dump that has begun ends, whoever looks at its images.
  void end() {
    while (writing && !complete_ && !failure_) static_cast<void>(go_on(seconds(1)));
  }
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }

  std::optional<Writing> writing;

 private:
  Status step(Duration at_most) {
    constexpr std::string_view kCall = "checkpoints.dump_over";
    if (!writing) {
      if (spec_.lazy || spec_.after == AfterDump::kill) {
        return fail(ErrorCode::invalid_argument, kCall, spec_.images,
                    "what is sent while it is written is the memory of processes that are not ended");
      }
      if (how_.author != nullptr || how_.changing || how_.update || !how_.hollow.empty()) {
        return fail(ErrorCode::invalid_argument, kCall, spec_.images,
                    "images are sent as they are: rate, compression and durability can be chosen");
      }
      TH_ASSIGN(writing, port_.begin(kCall, init_, spec_.images, spec_.parent, &spec_));
      return {};
    }
    const Duration now = std::min(at_most, writing->left);
    TH_TRY(port_.gate_.work(now, kCall, spec_.images));
    writing->left -= now;
    if (writing->left > Duration(0)) return {};
    TH_TRY(port_.put(*writing));
    complete_ = true;
    return {};
  }

  SimCheckpoints& port_;
  const ProcessRef init_;
  const DumpSpec& spec_;
  const TransferOptions& how_;
  bool complete_ = false;
  std::optional<Error> failure_;
};

Result<SentDump> SimCheckpoints::dump_over(ProcessRef init, const DumpSpec& spec, Channel& channel,
                                           const TransferOptions& how) {
  TH_TRY(gate_.enter("checkpoints.dump_over", spec.images));
  Author author(*this, init, spec, how);
  TransferOptions options;
  options.rate = how.rate;
  options.compress = how.compress;
  options.durable = how.durable;
  options.author = &author;
  const auto sent = channel.send_tree(spec.images, options);
  author.end();
  if (author.failure() || !sent) {
    Error error = author.failure() ? *author.failure() : sent.error();
    if (author.writing) take_back(*author.writing, error);
    return error;
  }
  TH_ASSIGN(const DumpResult dumped, conclude(*author.writing, init, spec.durable));
  return SentDump{dumped, *sent};
}

}  // namespace

std::unique_ptr<Checkpoints> make_checkpoints_port(NodeGate gate) {
  return std::make_unique<SimCheckpoints>(gate);
}

}  // namespace twinhull::sim
