#include "backends/sim/programs/load.h"

#include <fmt/format.h>

#include <algorithm>

#include "backends/sim/net/net_model.h"
#include "backends/sim/programs/disk_use.h"

namespace twinhull::sim {
namespace {

constexpr Duration kStep = milliseconds(100);
constexpr std::uint64_t kMostBlock = 16U << 20U;
constexpr std::uint64_t kMostPiece = std::uint64_t{1} << 30U;
// What a real vzload costs its group beside the bytes that it grows by: half a MiB in all (measured,
// docs/fidelity.md), of which every simulated process has 64 KiB already; and a page of page tables
// for each 2 MiB.
constexpr Bytes kOwnMemory{std::uint64_t{432} << 10};
constexpr std::uint64_t kTableReach = std::uint64_t{2} << 20;
constexpr std::string_view kNames[] = {"cpu",  "memory", "write", "serve",
                                       "send", "trace",  "read",  "files"};
constexpr std::uint64_t kStandardStreams = 3;
constexpr std::uint64_t kMostFiles = 1'000'000;

std::uint64_t in_time(std::uint64_t rate, Duration length) {
  return static_cast<std::uint64_t>(
      static_cast<UInt128>(rate) * static_cast<std::uint64_t>(length.count()) / 1'000'000'000);
}

/// Percent with up to two decimals, as hundredths; std::nullopt for nonsense.
std::optional<std::uint32_t> parse_percent(std::string_view text) {
  const auto value = parse_seconds(text);  // the same form: digits with decimals
  if (!value || text.empty() || text.back() < '0' || text.back() > '9') return std::nullopt;
  const std::int64_t hundredths = value->count() / 10'000'000;
  if (hundredths > 10'000'000) return std::nullopt;
  return static_cast<std::uint32_t>(hundredths);
}

}  // namespace

void LoadProgram::handle(ProcessModel& table, SimProcess& process, const ProcessEvent& event) {
  switch (event.kind) {
    case ProcessEvent::Kind::start: return start(table, process);
    case ProcessEvent::Kind::timer:
      switch (spec_.kind) {
        case LoadSpec::Kind::memory:
          if (holding_ && spec_.dirty != 0) return dirty(table, process);
          if (holding_) return end(table, process);
          return grow(table, process);
        case LoadSpec::Kind::write: return write(table, process);
        case LoadSpec::Kind::read: return read(table, process);
        case LoadSpec::Kind::trace:
          ++line_;
          return demand(table, process);
        default: return end(table, process);
      }
    case ProcessEvent::Kind::disk:
      if (flushing_) return end_writing(table, process);
      if (spec_.kind == LoadSpec::Kind::read) return read(table, process);
      if (spec_.kind == LoadSpec::Kind::write) return write(table, process);
      return;
    case ProcessEvent::Kind::network: {
      const NetFlow* flow = net_of(table.node()).find_flow(flow_);
      if (flow == nullptr || !flow->done) return;
      if (flow->lost) return refuse(table, process, "connection lost");
      return end(table, process);
    }
    default: return;
  }
}

void LoadProgram::start(ProcessModel& table, SimProcess& process) {
  Node& node = table.node();
  begun_ = node.engine.now();
  switch (spec_.kind) {
    case LoadSpec::Kind::cpu: {
      if (spec_.threads > 1) {
        if (!table.cgroups().may_fork(process.cgroup, spec_.threads - 1)) {
          return refuse(table, process, "cannot start threads: Resource temporarily unavailable");
        }
        table.cgroups().change_tasks(process.cgroup, spec_.threads - 1);
        process.threads = spec_.threads;
      }
      table.demand_cpu(process, CpuDemand{spec_.threads,
                                          {kOneCpu / 10'000 * spec_.hundredths_of_percent}, {}});
      if (spec_.has_end) table.arm(process, begun_ + spec_.length);
      return;
    }
    case LoadSpec::Kind::memory:
      if (!table.charge(process, kOwnMemory)) return;  // the OOM killer took us
      return grow(table, process);
    case LoadSpec::Kind::write: {
      const Status made = table.view(process).write(spec_.file, "");
      if (!made) return refuse(table, process, spec_.file + ": " + reason_of(made.error()));
      return write(table, process);
    }
    case LoadSpec::Kind::serve: {
      const Status listening =
          net_of(node).listen(process.space, spec_.port, process.ref.pid);
      if (!listening) return refuse(table, process, "cannot listen: Address already in use");
      if (spec_.has_end) table.arm(process, begun_ + spec_.length);
      return;
    }
    case LoadSpec::Kind::send: {
      NetFlow flow;
      flow.pid = process.ref.pid;
      flow.space = process.space;
      flow.destination = spec_.address;
      flow.port = spec_.port;
      flow.total = spec_.bytes.value;
      if (spec_.rate != 0) flow.most_rate = spec_.rate;
      const auto started = net_of(node).start_flow(std::move(flow));
      if (!started) {
        return refuse(table, process, "cannot connect to " + spec_.address.text() + ": " +
                                          started.error().detail);
      }
      flow_ = *started;
      if (spec_.has_end) table.arm(process, begun_ + spec_.length);
      return;
    }
    case LoadSpec::Kind::trace: return demand(table, process);
    case LoadSpec::Kind::files: {
      const std::uint64_t most =
          table.open_files(process) - std::min(table.open_files(process), kStandardStreams);
      if (spec_.files > most) {
        return refuse(table, process, fmt::format("refused after {} files: Too many open files", most));
      }
      operations_ = spec_.files;
      return table.arm(process, begun_ + spec_.length);
    }
    case LoadSpec::Kind::read: {
      const auto file = table.view(process).stat_target(spec_.file);
      if (!file) return refuse(table, process, spec_.file + ": " + reason_of(file.error()));
      if (!*file) return refuse(table, process, spec_.file + ": No such file or directory");
      if ((*file)->size.value == 0) return refuse(table, process, spec_.file + ": it is empty");
      if (spec_.bytes.value == kUnlimited) spec_.bytes = (*file)->size;
      return read(table, process);
    }
  }
}

/// Touches the next pages: a tenth of a second's worth at a time.
void LoadProgram::grow(ProcessModel& table, SimProcess& process) {
  const std::uint64_t rate = spec_.rate == 0 ? kMemoryRate : spec_.rate;
  std::uint64_t part =
      std::min(spec_.bytes.value - bytes_, std::max(kPageSize, in_time(rate, kStep)));
  // Above a soft bound each batch of the kernel has a delay of its own.
  constexpr std::uint64_t kBatch = 64 * kPageSize;
  CgroupModel& groups = table.cgroups();
  const std::uint64_t room =
      groups.memory().room_below_high(groups.find(process.cgroup)->memory);
  part = std::min(part, std::max(room, kBatch));
  const auto tables = [](std::uint64_t bytes) {
    return bytes / kTableReach + (bytes % kTableReach != 0 ? 1 : 0);
  };
  const std::uint64_t more = (tables(bytes_ + part) - tables(bytes_)) * kPageSize;
  Duration slowed{0};
  if (part > 0 && !table.charge(process, {part + more}, &slowed)) return;  // the OOM killer took us
  bytes_ += part;
  const Instant now = table.node().engine.now();
  const auto took = slowed + Duration(static_cast<std::int64_t>(
                                 static_cast<UInt128>(part) * 1'000'000'000 / rate));
  if (bytes_ < spec_.bytes.value) return table.arm(process, now + std::max(took, Duration(1)));
  holding_ = true;
  if (spec_.dirty != 0) {
    looked_ = now + took;
    held_until_ = looked_ + spec_.length;
    return table.arm(process, std::min(looked_ + kStep, held_until_));
  }
  table.arm(process, now + took + (spec_.has_end ? spec_.length : Duration(0)));
}

std::uint64_t LoadProgram::freshly_dirtied(Instant now) const {
  if (spec_.dirty == 0 || !holding_ || now <= looked_) return 0;
  return in_time(spec_.dirty, std::min(now - looked_, kStep));
}

void LoadProgram::dirty(ProcessModel& table, SimProcess& process) {
  const Instant now = table.node().engine.now();
  dirtied_ += freshly_dirtied(now);
  looked_ = now;
  if (now >= held_until_) return end(table, process);
  table.arm(process, std::min(now + kStep, held_until_));
}

PageWrites LoadProgram::page_writes(Instant now) const {
  return {(dirtied_ + freshly_dirtied(now)) / kPageSize, bytes_ / kPageSize, spec_.pattern};
}

std::uint64_t LoadProgram::pages_read(const ProcessEvent& event) const {
  const bool last = spec_.kind == LoadSpec::Kind::memory && spec_.sync && holding_ &&
                    event.kind == ProcessEvent::Kind::timer;
  return last ? bytes_ / kPageSize : 0;
}

void LoadProgram::relocate(const Relocation& relocation) {
  if (flow_ == 0) return;
  const auto found = relocation.flows.find(flow_);
  flow_ = found == relocation.flows.end() ? 0 : found->second;
}

bool LoadProgram::done(const ProcessModel& table) const {
  if (spec_.has_end) return table.node().engine.now() >= begun_ + spec_.length;
  return bytes_ >= spec_.bytes.value;
}

Instant LoadProgram::due() const {
  if (spec_.rate == 0) return begun_;
  return later(begun_, Duration(static_cast<std::int64_t>(std::min<UInt128>(
                           static_cast<UInt128>(bytes_) * 1'000'000'000 / spec_.rate,
                           std::uint64_t{1} << 61U))));
}

bool LoadProgram::extend(ProcessModel& table, SimProcess& process, std::uint64_t part) {
  part = std::min(part, spec_.bytes.value - std::min(size_, spec_.bytes.value));
  if (part == 0) return true;
  const auto grown = table.view(process).append_synthetic(
      spec_.file, {part}, hash_text(spec_.file) ^ static_cast<std::uint64_t>(process.ref.pid));
  if (!grown) {
    refuse(table, process, spec_.file + ": " + reason_of(grown.error()));
    return false;
  }
  size_ += grown->appended.value;
  if (!grown->refusal) return true;
  refuse(table, process, fmt::format("{}: {} after {} bytes", spec_.file,
                                     reason_of(*grown->refusal), bytes_ + grown->appended.value));
  return false;
}

/// Into the page cache, a tenth of a second's worth at a time.
void LoadProgram::write(ProcessModel& table, SimProcess& process) {
  if (spec_.direct) return write_direct(table, process);
  if (done(table)) return end_writing(table, process);
  std::uint64_t part = spec_.rate == 0 ? kCachePiece : std::max(kPageSize, in_time(spec_.rate, kStep));
  // With an end in time the file is written over and over, many times in a piece when it is small.
  part = std::min(part, spec_.has_end ? kMostPiece : spec_.bytes.value - bytes_);
  const std::uint64_t before = size_;
  if (!extend(table, process, part)) return;
  bytes_ += part;
  if (write_to_cache(table, process, part, size_ - before)) return;  // waits for its dirty data
  const Instant now = table.node().engine.now();
  table.arm(process, std::max({due(), now + copy_time(part), now + Duration(1)}));
}

void LoadProgram::request(ProcessModel& table, SimProcess& process, IoDirection direction,
                          std::uint64_t most) {
  // A program with a pace of its own asks as it goes.
  if (spec_.rate != 0) {
    const std::uint64_t due = std::max<std::uint64_t>(1, in_time(spec_.rate, kStep) / spec_.block);
    most = std::min(most, due * spec_.block);
  }
  const std::uint64_t blocks = ask_disk(table, process, direction, spec_.block, most);
  issued_ = std::min(blocks * spec_.block, most);
  operations_ += blocks;
}

void LoadProgram::write_direct(ProcessModel& table, SimProcess& process) {
  bytes_ += std::exchange(issued_, 0U);
  if (done(table)) return end_writing(table, process);
  const Instant now = table.node().engine.now();
  if (due() > now) return table.arm(process, due());
  // With an end in time the file is written over and over.
  const std::uint64_t most =
      spec_.has_end ? spec_.bytes.value : spec_.bytes.value - bytes_;
  request(table, process, IoDirection::write, most);
  const ProcessRef self = process.ref;
  if (!extend(table, process, issued_)) table.cgroups().io().cancel(self);
}

void LoadProgram::read(ProcessModel& table, SimProcess& process) {
  bytes_ += std::exchange(issued_, 0U);
  if (done(table)) return end(table, process);
  const Instant now = table.node().engine.now();
  if (due() > now) return table.arm(process, due());
  request(table, process, IoDirection::read,
          spec_.has_end ? spec_.bytes.value : spec_.bytes.value - bytes_);
}

void LoadProgram::end_writing(ProcessModel& table, SimProcess& process) {
  if (spec_.sync) {
    // Time first: what is durable when sync returns was not before it.
    const IoGroupId group = table.cgroups().find(process.cgroup)->io;
    if (!std::exchange(flushing_, true) && table.cgroups().io().flush(group, process.ref)) return;
    const Status synced = table.view(process).sync(spec_.file);
    if (!synced) return refuse(table, process, spec_.file + ": " + reason_of(synced.error()));
  }
  return end(table, process);
}

/// The demand of the trace's present line.
void LoadProgram::demand(ProcessModel& table, SimProcess& process) {
  if (line_ >= spec_.trace.size()) return end(table, process);
  const std::uint64_t each = kOneCpu / 10'000 * spec_.trace[line_];
  table.demand_cpu(process, CpuDemand{spec_.threads, {std::min(each, kOneCpu)}, {}});
  table.arm(process, table.node().engine.now() + spec_.length);
}

void LoadProgram::end(ProcessModel& table, SimProcess& process) {
  NetModel& net = net_of(table.node());
  if (spec_.kind == LoadSpec::Kind::send) {
    bytes_ = net.moved(flow_);
    // Streams are amounts here, without content.
    const std::uint64_t arrived = spec_.sync ? net.arrived(flow_) : bytes_;
    if (arrived < bytes_)
      return refuse(table, process, fmt::format("of {} bytes only {} arrived", bytes_, arrived));
  }
  if (spec_.kind == LoadSpec::Kind::serve) bytes_ = net.received(process.ref.pid);
  const Duration elapsed = table.node().engine.now() - begun_;
  const std::string line = fmt::format(
      "{{\"kind\":\"{}\",\"cpu_ns\":{},\"bytes\":{},\"operations\":{},\"elapsed_ns\":{}}}\n",
      kNames[static_cast<std::size_t>(spec_.kind)], table.cpu_used(process).count(), bytes_,
      operations_, elapsed.count());
  const Status told = table.write(process, process.streams.out, line);
  table.finish(process, {false, told ? 0 : 1});
}

void LoadProgram::refuse(ProcessModel& table, SimProcess& process, const std::string& text) {
  static_cast<void>(table.write(process, process.streams.err, "vzload: " + text + "\n"));
  table.finish(process, {false, 1});
}

void LoadProgram::leave(ProcessModel& table, SimProcess& process) {
  NetModel& net = net_of(table.node());
  if (spec_.kind == LoadSpec::Kind::write || spec_.kind == LoadSpec::Kind::read) {
    table.cgroups().io().cancel(process.ref);
  }
  if (flow_ != 0) net.end_flow(std::exchange(flow_, 0U));
  if (spec_.kind == LoadSpec::Kind::serve) {
    const NetNamespace* home = net.find(process.space);
    if (home == nullptr) return;
    const auto server = home->servers.find(spec_.port);
    if (server != home->servers.end() && server->second == process.ref.pid) {
      net.unlisten(process.space, spec_.port);
    }
  }
}

void LoadProgram::save(SaveArchive& archive) const {
  archive(spec_.kind, spec_.threads, spec_.hundredths_of_percent, spec_.has_end, spec_.length,
          spec_.bytes, spec_.rate, spec_.sync, spec_.direct, spec_.block, spec_.file, spec_.address,
          spec_.port, spec_.files, spec_.trace, begun_, bytes_, operations_, size_, issued_, flushing_, line_, flow_, holding_,
          spec_.dirty, spec_.pattern, held_until_, looked_, dirtied_);
}

void LoadProgram::load(LoadArchive& archive) {
  archive(spec_.kind, spec_.threads, spec_.hundredths_of_percent, spec_.has_end, spec_.length,
          spec_.bytes, spec_.rate, spec_.sync, spec_.direct, spec_.block, spec_.file, spec_.address,
          spec_.port, spec_.files, spec_.trace, begun_, bytes_, operations_, size_, issued_, flushing_, line_, flow_, holding_,
          spec_.dirty, spec_.pattern, held_until_, looked_, dirtied_);
  require_sane(spec_.pattern <= DirtyPattern::sequential && dirtied_ <= kUnlimited / 2 &&
                   spec_.dirty <= (std::uint64_t{1} << 62U),
               "a load's writes are damaged");
  require_sane(spec_.kind <= LoadSpec::Kind::files && spec_.threads >= 1 &&
                   spec_.threads <= 100'000 && spec_.hundredths_of_percent <= 10'000 &&
                   spec_.length.count() >= 0 &&
                   spec_.address.family <= IpAddress::Family::v6 && begun_.time_since_epoch().count() >= 0 &&
                   spec_.block >= 512 && spec_.block <= kMostBlock && issued_ <= kMostPiece &&
                   (bytes_ <= spec_.bytes.value || spec_.has_end) &&
                   (spec_.bytes.value > 0 || spec_.kind != LoadSpec::Kind::read) && bytes_ <= kUnlimited / 2,
               "a load is damaged");
}

int applet_vzload(AppletCall& call) {
  constexpr std::string_view kUsage =
      "vzload: usage: vzload cpu|memory|write FILE|read FILE|files|serve PORT|send ADDRESS PORT|trace FILE [options]\n";
  const auto wrong = [&](const std::string& text) {
    call.err += text.empty() ? std::string(kUsage) : "vzload: " + text + "\n";
    return 2;
  };
  if (call.argv.size() < 2) return wrong("");
  LoadSpec spec;
  const auto name = std::find(std::begin(kNames), std::end(kNames), call.argv[1]);
  if (name == std::end(kNames)) return wrong("");
  spec.kind = static_cast<LoadSpec::Kind>(name - std::begin(kNames));
  if (spec.kind == LoadSpec::Kind::trace) spec.length = seconds(300);
  std::vector<std::string> words;
  for (std::size_t i = 2; i < call.argv.size(); ++i) {
    const std::string& option = call.argv[i];
    if (!option.starts_with("--")) {
      words.push_back(option);
      continue;
    }
    if (option == "--sync" || option == "--direct" || option == "--verify") {
      (option == "--direct" ? spec.direct : spec.sync) = true;
      continue;
    }
    if (i + 1 >= call.argv.size()) return wrong(option + " needs a value");
    const std::string& value = call.argv[++i];
    const auto amount = parse_amount(value);
    const auto length = parse_seconds(value);
    const auto bad = [&] { return wrong(option + ": \"" + value + "\" is not valid"); };
    if (option == "--threads" || option == "--cpus") {
      if (!amount || *amount < 1 || *amount > 1024) return bad();
      spec.threads = static_cast<std::uint32_t>(*amount);
    } else if (option == "--count") {
      if (!amount || *amount < 1 || *amount > kMostFiles) return bad();
      spec.files = static_cast<std::uint32_t>(*amount);
    } else if (option == "--percent") {
      const auto percent = parse_percent(value);
      if (!percent || *percent > 10'000) return bad();
      spec.hundredths_of_percent = *percent;
    } else if (option == "--for" || option == "--hold" || option == "--interval") {
      if (!length || (option == "--interval" && length->count() == 0)) return bad();
      spec.length = *length;
      spec.has_end = true;
    } else if (option == "--grow" || option == "--bytes") {
      if (!amount) return bad();
      spec.bytes = {*amount};
    } else if (option == "--block") {
      if (!amount || *amount < kPageSize || *amount > kMostBlock || *amount % kPageSize != 0) {
        return bad();
      }
      spec.block = *amount;
    } else if (option == "--rate") {
      if (!amount || *amount == 0) return bad();
      spec.rate = *amount;
    } else if (option == "--dirty") {
      if (!amount || *amount < kPageSize) return bad();
      spec.dirty = *amount;
    } else if (option == "--pattern") {
      constexpr std::string_view kPatterns[] = {"uniform", "hot", "sequential"};
      const auto pattern = std::find(std::begin(kPatterns), std::end(kPatterns), value);
      if (pattern == std::end(kPatterns)) return bad();
      spec.pattern = static_cast<DirtyPattern>(pattern - std::begin(kPatterns));
    } else {
      return wrong("unknown option " + option);
    }
  }
  const auto port_of = [&](const std::string& text) -> bool {
    const auto port = parse_amount(text);
    if (!port || *port == 0 || *port > 65535) return false;
    spec.port = static_cast<std::uint16_t>(*port);
    return true;
  };
  std::size_t wanted = 0;
  switch (spec.kind) {
    case LoadSpec::Kind::cpu: break;
    case LoadSpec::Kind::files:
      if (spec.files == 0) return wrong("files needs --count N");
      break;
    case LoadSpec::Kind::memory:
      if (spec.bytes.value == kUnlimited) return wrong("memory needs --grow BYTES");
      if (spec.sync && spec.dirty != 0) return wrong("--verify and --dirty exclude each other");
      if (spec.dirty != 0 && (!spec.has_end || spec.bytes.value < kPageSize)) {
        return wrong("--dirty needs --hold, and a page to write to");
      }
      break;
    case LoadSpec::Kind::write:
    case LoadSpec::Kind::read:
    case LoadSpec::Kind::trace:
      wanted = 1;
      if (words.size() == 1) spec.file = call.path(words[0]);
      if (spec.kind == LoadSpec::Kind::write && spec.bytes.value == kUnlimited) {
        return wrong("write needs --bytes N");
      }
      if ((spec.direct || spec.kind == LoadSpec::Kind::read) && spec.bytes.value != kUnlimited &&
          (spec.bytes.value == 0 || spec.bytes.value % kPageSize != 0)) {
        return wrong("direct I/O needs --bytes as a multiple of 4096");
      }
      break;
    case LoadSpec::Kind::serve:
      wanted = 1;
      if (words.size() == 1 && !port_of(words[0])) return wrong("bad port " + words[0]);
      break;
    case LoadSpec::Kind::send: {
      wanted = 2;
      if (words.size() != 2) break;
      const auto address = IpAddress::parse(words[0]);
      if (!address) return wrong("bad address " + words[0]);
      if (!port_of(words[1])) return wrong("bad port " + words[1]);
      spec.address = *address;
      if (spec.bytes.value == kUnlimited && !spec.has_end) return wrong("send needs --bytes or --for");
      break;
    }
  }
  if (words.size() != wanted) return wrong("");
  if (spec.kind == LoadSpec::Kind::trace) {
    const auto text = read_for(call.table, call.process, spec.file);
    if (!text) return call.refuse(words[0], text.error());
    std::size_t at = 0, number = 0;
    while (at < text->size()) {
      const std::size_t end = std::min(text->find('\n', at), text->size());
      std::string_view line = std::string_view(*text).substr(at, end - at);
      at = end + 1;
      ++number;
      while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.remove_suffix(1);
      while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
      if (line.empty() || line.front() == '#') continue;
      const auto percent = parse_percent(line);
      if (!percent || *percent > 10'000) {
        return call.refuse(fmt::format("{}:{}: \"{}\" is no percentage", words[0], number,
                                       line.substr(0, 40)));
      }
      spec.trace.push_back(*percent);
    }
  }
  call.then = std::make_unique<LoadProgram>(std::move(spec));
  return 0;
}

}  // namespace twinhull::sim
