#include "backends/linux/checkpoint/lazy_pages.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <memory>
#include <set>
#include <thread>
#include <utility>

#include "backends/linux/checkpoint/criu.h"
#include "backends/linux/checkpoint/page_line.h"
#include "backends/linux/checkpoint/page_protocol.h"
#include "backends/linux/errno_error.h"
#include "backends/linux/io.h"
#include "backends/linux/process/identity.h"
#include "backends/linux/stop.h"

namespace twinhull::linux_backend {
namespace {

using Kind = PageMessage::Kind;

/// For one answer of the peer, which may be a few MiB over a slow line.
constexpr Duration kPatience = seconds(120);
/// For the peer's farewell, when everything is there.
constexpr Duration kFarewell = seconds(10);
constexpr int kPollMs =
    static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(kStopPoll).count());

std::string name_of(ProcessRef init) {
  return fmt::format("process {}", init.pid);
}

Status check_running(ProcessRef init, std::string_view operation) {
  if (is_live(init)) return {};
  return fail(ErrorCode::not_running, operation, name_of(init), "the container is not running");
}

/// The holder of one container, as a command speaks with it.
class HolderCall {
 public:
  HolderCall(const NodeOptions& options, UniqueFd socket, ProcessRef init,
             std::string_view operation)
      : options_(options), line_(std::move(socket)), init_(init), operation_(operation) {}

  Status send(std::string_view message) {
    line_.queue(message);
    while (true) {
      if (!line_.flush()) return gone();
      if (!line_.has_queued()) return {};
      TH_TRY(wait(POLLOUT));
    }
  }
  /// What is there already, std::nullopt when there is nothing.
  Result<std::optional<std::string>> poll_next() {
    if (auto message = line_.next()) return message;
    pollfd ready{line_.fd(), POLLIN, 0};
    if (::poll(&ready, 1, 0) <= 0) return std::optional<std::string>();
    if (!line_.read_some()) return gone();
    return line_.next();
  }
  Result<std::string> receive() {
    while (true) {
      TH_ASSIGN(auto message, poll_next());
      if (message) return std::move(*message);
      TH_TRY(wait(POLLIN));
    }
  }
  /// The dump's name, which the holder says first.
  Result<std::string> hello() {
    TH_ASSIGN(const std::string bytes, receive());
    TH_ASSIGN(const PageMessage message, parse_page_message(bytes, operation_));
    return message.text;
  }

 private:
  Status wait(short events) {
    if (take_stop(options_))
      return fail(ErrorCode::interrupted, operation_, name_of(init_), "asked to stop");
    pollfd ready{line_.fd(), events, 0};
    ::poll(&ready, 1, kPollMs);
    return {};
  }
  [[nodiscard]] Error gone() const {
    return fail(ErrorCode::failed, operation_, name_of(init_),
                "the process that holds its memory has ended");
  }

  const NodeOptions& options_;
  PageLine line_;
  const ProcessRef init_;
  const std::string_view operation_;
};

/// Errors: not_running; not_found: no holder.
Result<HolderCall> call_holder(const NodeOptions& options, ProcessRef init,
                               const std::string& socket, std::string_view operation) {
  TH_TRY(check_running(init, operation));
  TH_ASSIGN(auto connected, connect_to(socket, operation));
  if (!connected)
    return fail(ErrorCode::not_found, operation, name_of(init),
                "no memory of this container is on its way");
  return HolderCall(options, std::move(*connected), init, operation);
}

/// The next message of the peer; whoever gives up says why.
Result<std::string> next_of(Channel& channel, Duration patience, std::string_view operation) {
  TH_ASSIGN(auto bytes, channel.receive(patience));
  if (!bytes)
    return fail(ErrorCode::connection_lost, operation, "the peer", "it closed the channel");
  return std::move(*bytes);
}

Error refused(const PageMessage& message, std::string_view operation) {
  return fail(ErrorCode::failed, operation, "the peer", message.text);
}

Error unexpected(std::string_view operation) {
  return fail(ErrorCode::protocol, operation, "the peer", "a message out of turn");
}

Error other_dump(std::string_view operation) {
  return fail(ErrorCode::protocol, operation, "the peer",
              "it speaks of the memory of another dump");
}

/// What the peer asks, until it has all.
Result<PagesMoved> answer_requests(HolderCall& holder, Channel& channel,
                                   std::string_view operation) {
  while (true) {
    TH_ASSIGN(const std::string bytes, next_of(channel, kPatience, operation));
    TH_ASSIGN(const PageMessage message, parse_page_message(bytes, operation));
    if (message.kind == Kind::all) return message.moved;
    if (message.kind == Kind::refusal) return refused(message, operation);
    if (message.kind != Kind::request) return unexpected(operation);
    TH_TRY(holder.send(bytes));
    TH_ASSIGN(const std::string answer, holder.receive());
    TH_TRY(channel.send(answer));
    TH_ASSIGN(const PageMessage said, parse_page_message(answer, operation));
    if (said.kind == Kind::refusal)
      return fail(ErrorCode::failed, operation, "the held memory", said.text);
  }
}

/// Requests of the holder to the peer, answers back, until all is there.
class Taking {
 public:
  Taking(HolderCall& holder, Channel& channel, std::string_view operation)
      : holder_(holder), channel_(channel), operation_(operation) {}

  Result<PagesMoved> run() {
    while (!complete_) {
      TH_TRY(hear_holder());
      if (!complete_ && !asked_.empty()) TH_TRY(hear_peer());
    }
    // Of processes that have ended meanwhile: nobody wants it, but it is in the channel.
    for (; !asked_.empty(); asked_.pop_front()) TH_TRY(next_of(channel_, kPatience, operation_));
    return moved_;
  }

 private:
  /// Waits only when the peer has answered everything: more is asked at once by whoever fills memory in.
  Status hear_holder() {
    while (!complete_) {
      std::optional<std::string> bytes;
      if (asked_.empty()) {
        TH_ASSIGN(bytes, holder_.receive());
      } else {
        TH_ASSIGN(bytes, holder_.poll_next());
        if (!bytes) return {};
      }
      TH_ASSIGN(const PageMessage message, parse_page_message(*bytes, operation_));
      if (message.kind == Kind::request) {
        TH_TRY(channel_.send(*bytes));
        asked_.push_back(message.fault);
      } else if (message.kind == Kind::all) {
        complete_ = true;
      } else {
        return refused(message, operation_);
      }
    }
    return {};
  }

  Status hear_peer() {
    TH_ASSIGN(const std::string bytes, next_of(channel_, kPatience, operation_));
    TH_ASSIGN(const PageMessage message, parse_page_message(bytes, operation_));
    if (message.kind == Kind::refusal) return refused(message, operation_);
    if (message.kind != Kind::pages) return unexpected(operation_);
    TH_TRY(holder_.send(bytes));
    if (asked_.front()) moved_.faults += Pages{message.range.pages};
    asked_.pop_front();
    moved_.pages += Pages{message.range.pages};
    return {};
  }

  HolderCall& holder_;
  Channel& channel_;
  const std::string_view operation_;
  std::deque<bool> asked_;  ///< requests without an answer: whether somebody waits
  PagesMoved moved_;
  bool complete_ = false;
};

/// Who traces processes of the group and is not among them.
std::set<pid_t> tracers_of(Cgroups& cgroups, const CgroupPath& group) {
  std::set<pid_t> tracers;
  const auto members = cgroups.processes(group);
  if (!members) return tracers;
  constexpr std::string_view kName = "\nTracerPid:";
  for (const ProcessRef& member : *members) {
    const auto status =
        read_kernel_file(fmt::format("/proc/{}/status", member.pid), "checkpoints.pages");
    const auto at = status ? status->find(kName) : std::string::npos;
    if (at != std::string::npos)
      if (const pid_t tracer = std::atoi(status->c_str() + at + kName.size()); tracer > 0)
        tracers.insert(tracer);
  }
  for (const ProcessRef& member : *members) tracers.erase(member.pid);
  return tracers;
}

std::string socket_of(const NodeOptions& options, ProcessRef init, const char* what) {
  return fmt::format("{}/pages-{}-{}.{}", options.run_directory, init.pid, init.generation, what);
}

}  // namespace

std::string held_socket(const NodeOptions& options, ProcessRef init) {
  return socket_of(options, init, "held");
}
std::string missing_socket(const NodeOptions& options, ProcessRef init) {
  return socket_of(options, init, "missing");
}

Result<PagesMoved> give_held_pages(const NodeOptions& options, ProcessRef init, Channel& channel) {
  constexpr std::string_view kCall = "checkpoints.give_pages";
  TH_ASSIGN(HolderCall holder, call_holder(options, init, held_socket(options, init), kCall));
  TH_ASSIGN(const std::string dump, holder.hello());
  TH_ASSIGN(const std::string greeting, next_of(channel, kPatience, kCall));
  TH_ASSIGN(const PageMessage hello, parse_page_message(greeting, kCall));
  if (hello.kind == Kind::refusal) return refused(hello, kCall);
  if (hello.kind != Kind::hello) return unexpected(kCall);
  TH_TRY(channel.send(hello_message(dump)));
  if (hello.text != dump) return other_dump(kCall);
  TH_ASSIGN(const PagesMoved moved, answer_requests(holder, channel, kCall));
  // From here on nobody needs what is held.
  TH_TRY(holder.send(bye_message()));
  TH_TRY(holder.receive());
  TH_TRY(channel.send(bye_message()));
  return moved;
}

Result<PagesMoved> take_missing_pages(const NodeOptions& options, ProcessRef init,
                                      Channel& channel) {
  constexpr std::string_view kCall = "checkpoints.take_pages";
  TH_ASSIGN(HolderCall holder, call_holder(options, init, missing_socket(options, init), kCall));
  TH_ASSIGN(const std::string dump, holder.hello());
  TH_TRY(channel.send(hello_message(dump)));
  TH_ASSIGN(const std::string greeting, next_of(channel, kPatience, kCall));
  TH_ASSIGN(const PageMessage hello, parse_page_message(greeting, kCall));
  if (hello.kind == Kind::refusal) return refused(hello, kCall);
  if (hello.kind != Kind::hello) return unexpected(kCall);
  if (hello.text != dump) return other_dump(kCall);
  TH_TRY(holder.send(hello_message(dump)));  // requests come here now
  TH_ASSIGN(const PagesMoved moved, Taking(holder, channel, kCall).run());
  // All is there. A peer who does not learn it keeps its copy, and can ask; that is no failure here.
  if (channel.send(all_message(moved)))
    static_cast<void>(next_of(channel, kFarewell, kCall));
  return moved;
}

Result<Effect> drop_held_pages(const NodeOptions& options, ProcessRef init) {
  constexpr std::string_view kCall = "checkpoints.drop_pages";
  TH_TRY(check_running(init, kCall));
  const std::string socket = held_socket(options, init);
  auto connected = connect_to(socket, kCall);
  if (!connected) {
    // The holder was killed. The processes have their memory all the same.
    ::unlink(socket.c_str());
    return Effect::changed;
  }
  if (!*connected) return Effect::none;
  HolderCall holder(options, std::move(**connected), init, kCall);
  TH_TRY(holder.hello());
  TH_TRY(holder.send(bye_message()));
  TH_TRY(holder.receive());
  return Effect::changed;
}

Result<bool> lacks_pages_yet(const NodeOptions& options, ProcessRef init) {
  TH_TRY(check_running(init, "checkpoints.lacks_pages"));
  // A socket that nobody listens at counts: what was missing when its holder was killed is missing.
  return ::access(missing_socket(options, init).c_str(), F_OK) == 0;
}

Result<std::string> new_dump_name(std::string_view operation) {
  std::uint64_t words[2] = {};
  if (::getrandom(words, sizeof words, 0) != sizeof words)
    return system_error(operation, "the dump", errno, "no name can be made");
  return fmt::format("{:016x}{:016x}", words[0], words[1]);
}

Result<CriuWire> wire_of_criu(const NodeOptions& options, std::string_view operation) {
  constexpr CriuVersion kWide = {4, 2};
  TH_ASSIGN(const CriuVersion version, criu_version(options, operation));
  return version < kWide ? CriuWire::narrow : CriuWire::wide;
}

Result<NewHolder> start_filling(const NodeOptions& options, Cgroups& cgroups,
                                const RestoreSpec& spec, const std::string& dump) {
  HolderPlan plan;
  TH_ASSIGN(plan.wire, wire_of_criu(options, "checkpoints.restore"));
  plan.gives = false;
  plan.images = std::filesystem::absolute(spec.images);
  plan.dump = dump;
  plan.socket = fmt::format("{}/{}.restoring", options.run_directory, spec.label);
  plan.criu = {find_criu(options), "lazy-pages",     "--page-server",     "--images-dir",
               plan.images,        "--work-dir",     plan.images,         "--log-file",
               "lazy.log",         "-v2"};
  plan.end_group = [&cgroups, group = spec.cgroup](bool restoring) {
    // A criu whose tasks are killed at its last step waits for ever: for the end of their init, which
    // waits for those that criu traces and does not reap.
    std::set<pid_t> ends_too;
    if (restoring) ends_too = tracers_of(cgroups, group);
    // Frozen processes end when they may; they see nothing meanwhile, so nobody waits for them.
    static_cast<void>(cgroups.kill_all(group));
    for (const pid_t tracer : ends_too) ::kill(tracer, SIGKILL);
    for (int i = 0; i < 500; ++i) {
      const auto members = cgroups.processes(group);
      if (!members || members->empty()) return;
      const auto state = cgroups.freeze_state(group);
      if (state && *state == FreezeState::frozen) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  };
  return start_holder(plan, "checkpoints.restore");
}

}  // namespace twinhull::linux_backend
