#include "backends/sim/checkpoint/page_exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <map>

namespace twinhull::sim {
namespace {

constexpr std::uint64_t kPiece = 64;  ///< pages: userfaultfd tools fetch 256 KiB around a fault
constexpr std::size_t kAhead = 2;     ///< pieces on their way: the cable never idles for an answer
constexpr std::string_view kWant = "want ";
constexpr std::string_view kDone = "done ";
/// A peer that is there and says nothing is waited for; one that is gone the channel notices.
constexpr Duration kPatience = std::chrono::hours(1);

struct Wish {
  std::int32_t inner_pid = 0;
  std::uint64_t pages = 0;
};

std::optional<Wish> parse_wish(std::string_view text) {
  if (!text.starts_with(kWant)) return std::nullopt;
  text.remove_prefix(kWant.size());
  Wish wish;
  const char* const end = text.data() + text.size();
  const auto pid = std::from_chars(text.data(), end, wish.inner_pid);
  if (pid.ec != std::errc{} || pid.ptr == end || *pid.ptr != ' ') return std::nullopt;
  const auto pages = std::from_chars(pid.ptr + 1, end, wish.pages);
  if (pages.ec != std::errc{} || pages.ptr != end) return std::nullopt;
  if (wish.pages == 0 || wish.pages > kPiece) return std::nullopt;
  return wish;
}

/// How many pages were waited for, when the peer needs no more.
std::optional<std::uint64_t> parse_done(std::string_view text) {
  if (!text.starts_with(kDone)) return std::nullopt;
  text.remove_prefix(kDone.size());
  std::uint64_t faults = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), faults);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size()) return std::nullopt;
  return faults;
}

Error not_running(std::string_view call, ProcessRef init) {
  return fail(ErrorCode::not_running, call, "process " + std::to_string(init.pid),
              "the container is not running");
}

/// The container's space.
Result<std::uint32_t> space_of(const ProcessModel& table, ProcessRef init, std::string_view call) {
  const SimProcess* process = table.find(init);
  if (process == nullptr || process->space == kNodeSpace) return not_running(call, init);
  return process->space;
}

Result<std::string> receive(Channel& channel, std::string_view call, ProcessRef init) {
  TH_ASSIGN(std::optional<std::string> text, channel.receive(kPatience));
  if (text) return std::move(*text);
  return fail(ErrorCode::connection_lost, call, "process " + std::to_string(init.pid),
              "the peer closed the connection before all of the memory was there");
}

/// What is on its way to the destination, by process.
class Flight {
 public:
  explicit Flight(ProcessModel& table, std::uint32_t space) : table_(table), space_(space) {}

  /// The next piece that is worth asking for.
  [[nodiscard]] std::optional<Wish> next() const {
    std::optional<Wish> rest;
    for (const SimProcess* process : table_.members(space_)) {
      if (!process->late) continue;
      const auto found = asked_.find(process->inner_pid);
      const std::uint64_t asked = found == asked_.end() ? 0 : found->second;
      const LatePages& late = *process->late;
      if (late.missing <= asked) continue;
      const Wish wish{process->inner_pid, std::min(kPiece, late.missing - asked)};
      if (late.awaited > asked) return wish;
      if (!rest) rest = wish;
    }
    return rest;
  }
  void add(const Wish& wish) {
    asked_[wish.inner_pid] += wish.pages;
    order_.push_back(wish);
  }
  [[nodiscard]] std::size_t size() const { return order_.size(); }
  /// The oldest has come.
  Wish take() {
    const Wish wish = order_.front();
    order_.pop_front();
    asked_[wish.inner_pid] -= wish.pages;
    return wish;
  }

 private:
  ProcessModel& table_;
  std::uint32_t space_;
  std::map<std::int32_t, std::uint64_t> asked_;
  std::deque<Wish> order_;
};

SimProcess* member(const ProcessModel& table, std::uint32_t space, std::int32_t inner_pid) {
  for (SimProcess* process : table.members(space)) {
    if (process->inner_pid == inner_pid) return process;
  }
  return nullptr;
}

}  // namespace

void hold_back_nothing(ProcessModel& table, std::uint32_t space) {
  table.space(space)->holds_back = false;
  for (SimProcess* process : table.members(space)) process->held_back = 0;
}

Result<PagesMoved> give_pages(const NodeGate& gate, ProcessRef init, Channel& channel) {
  constexpr std::string_view kCall = "checkpoints.give_pages";
  const std::string object = "process " + std::to_string(init.pid);
  TH_TRY(gate.enter(kCall, object));
  ProcessModel& table = processes_of(gate.node());
  TH_ASSIGN(const std::uint32_t space, space_of(table, init, kCall));
  if (!table.space(space)->holds_back) {
    return fail(ErrorCode::not_found, kCall, object, "no memory of it is held back");
  }
  PagesMoved moved;
  while (true) {
    TH_ASSIGN(const std::string text, receive(channel, kCall, init));
    TH_TRY(gate.enter(kCall, object));
    if (table.find(init) == nullptr) return not_running(kCall, init);
    if (const auto faults = parse_done(text)) {
      moved.faults = Pages{*faults};
      break;
    }
    const std::optional<Wish> wish = parse_wish(text);
    const SimProcess* process = wish ? member(table, space, wish->inner_pid) : nullptr;
    if (process == nullptr || process->held_back < wish->pages) {
      return fail(ErrorCode::protocol, kCall, object, "the peer asks for memory that is not held back");
    }
    TH_TRY(channel.send(std::string(wish->pages * kPageSize, '\0')));
    moved.pages += Pages{wish->pages};
  }
  hold_back_nothing(table, space);
  gate.node().engine.note(kCall, object, {gate.node().index, moved.pages.value});
  return moved;
}

Result<PagesMoved> take_pages(const NodeGate& gate, ProcessRef init, Channel& channel) {
  constexpr std::string_view kCall = "checkpoints.take_pages";
  const std::string object = "process " + std::to_string(init.pid);
  TH_TRY(gate.enter(kCall, object));
  ProcessModel& table = processes_of(gate.node());
  TH_ASSIGN(const std::uint32_t space, space_of(table, init, kCall));
  if (!table.lacks(space)) {
    return fail(ErrorCode::not_found, kCall, object, "no memory of it is missing");
  }
  PagesMoved moved;
  Flight flight(table, space);
  while (true) {
    while (flight.size() < kAhead) {
      const std::optional<Wish> wish = flight.next();
      if (!wish) break;
      TH_TRY(channel.send(fmt::format("{}{} {}", kWant, wish->inner_pid, wish->pages)));
      flight.add(*wish);
    }
    if (flight.size() == 0) break;
    TH_ASSIGN(const std::string pages, receive(channel, kCall, init));
    TH_TRY(gate.enter(kCall, object));
    const Wish came = flight.take();
    if (pages.size() != came.pages * kPageSize) {
      return fail(ErrorCode::protocol, kCall, object, "the peer sends something that is no memory");
    }
    moved.pages += Pages{came.pages};
    SimProcess* process = member(table, space, came.inner_pid);
    if (process == nullptr) continue;  // it has ended since
    moved.faults += Pages{table.bring(*process, came.pages)};
    table.pump();
  }
  TH_TRY(channel.send(fmt::format("{}{}", kDone, moved.faults.value)));
  gate.node().engine.note(kCall, object, {gate.node().index, moved.pages.value, moved.faults.value});
  if (table.find(init) == nullptr) return not_running(kCall, init);
  return moved;
}

}  // namespace twinhull::sim
