#include "backends/linux/channel/channels.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "backends/linux/channel/child.h"
#include "backends/linux/channel/command_line.h"
#include "backends/linux/channel/frame.h"
#include "backends/linux/channel/stream_channel.h"
#include "backends/linux/channel/wire.h"
#include "backends/linux/errno_error.h"

namespace twinhull::linux_backend {
namespace {

constexpr int kNotFoundExit = 127;
constexpr int kSshFailedExit = 255;
/// A peer that connects greets at once.
constexpr Duration kGreetingWait = seconds(30);

/// What ssh says last when it fails, what that means, and what helps.
struct SshFailure {
  std::string_view said;
  ErrorCode code;
  const char* hint;
};
constexpr SshFailure kSshFailures[] = {
    {"Permission denied", ErrorCode::not_permitted,
     "let this node's key in there (vzmsetkey, or ~/.ssh/authorized_keys of the account), or name "
     "the "
     "key that is let in: --ssh=\"-i FILE\""},
    {"Host key verification failed", ErrorCode::not_permitted,
     "the host is not, or not with this key, among the known hosts of this node: log in once by "
     "hand "
     "and compare its key"},
    {"Too many authentication failures", ErrorCode::not_permitted,
     "name the one key: --ssh=\"-oIdentitiesOnly=yes -i FILE\""},
    {"Could not resolve hostname", ErrorCode::unreachable, "check the name of the host"},
    {"Connection refused", ErrorCode::unreachable,
     "start sshd there, or name its port: --ssh=\"-p PORT\""},
    {"Connection timed out", ErrorCode::unreachable,
     "check that the host is up and no firewall drops it"},
    {"No route to host", ErrorCode::unreachable, "check that the host is up, and the way to it"},
    {"Network is unreachable", ErrorCode::unreachable, "check the routes of this node"},
};

/// Why the program that should have led to the peer ended before the peer greeted.
Error carrier_error(const std::string& peer, int exit_code, const std::string& said, bool ssh) {
  constexpr auto kOperation = "channels.connect";
  std::string detail =
      said.empty() ? "the peer's program ended with " + std::to_string(exit_code) : said;
  if (exit_code == kNotFoundExit)
    return fail(ErrorCode::not_supported, kOperation, peer, "no such service there: " + detail)
        .with_hint("install vzmigrate there, in the PATH that sshd gives its sessions");
  // sudo of an account without the rights of root: spec F3.17.
  if (said.starts_with("sudo: "))
    return fail(ErrorCode::not_permitted, kOperation, peer, detail)
        .with_hint("the account needs a line in sudoers there: see vzmpipe --help");
  if (ssh && exit_code == kSshFailedExit) {
    for (const SshFailure& failure : kSshFailures)
      if (said.contains(failure.said))
        return fail(failure.code, kOperation, peer, detail).with_hint(failure.hint);
  }
  return fail(ErrorCode::unreachable, kOperation, peer, detail);
}

class LinuxChannels final : public Channels {
 public:
  explicit LinuxChannels(const NodeOptions& options) : options_(options) {}

  Result<std::unique_ptr<Channel>> connect(const PeerAddress& peer, const std::string& service,
                                           Duration timeout) override {
    constexpr auto kOperation = "channels.connect";
    const Duration deadline = steady_now() + timeout;
    TH_TRY(check_peer(peer, service));
    const bool ssh = !options_.peers.contains(peer.host);
    if (!ssh && !peer.ssh_options.empty())
      return fail(ErrorCode::not_supported, kOperation, peer.text(),
                  "the peer table leads there, not ssh, which the options are for")
          .with_hint("leave the options out, or write them into the peer table");
    auto started = Child::start(carrier_command(options_, peer, service), kOperation);
    if (!started) {
      if (started.error().code != ErrorCode::not_found) return std::move(started).error();
      return fail(ErrorCode::unreachable, kOperation, peer.text(),
                  "the program that leads there does not exist: " + started.error().object)
          .with_hint(ssh ? "install ssh, or name the host in the peer table"
                         : "mend the peer table");
    }
    std::optional<Child> child(std::move(*started));
    auto wire = std::make_unique<Wire>(std::move(child->from_child), std::move(child->to_child),
                                       std::move(child->complaints), options_.stop, peer.text());
    wire->count_into(options_.sent);
    const auto reply = greet(*wire, service, deadline);
    if (reply) return std::make_unique<StreamChannel>(std::move(wire), std::move(child));

    const Error& error = reply.error();
    if (error.code != ErrorCode::connection_lost && error.code != ErrorCode::protocol) return error;
    wire->shut();
    // Its streams are at their end, so it ends too; what it said last is why.
    wire->drain_complaints(steady_now() + seconds(1));
    const int exit_code = child->finish(steady_now() + seconds(1));
    if (error.code == ErrorCode::protocol && exit_code == 0) return error;
    return carrier_error(peer.text(), exit_code, wire->complaint(), ssh);
  }

 private:
  static Status greet(Wire& wire, const std::string& service, Duration deadline) {
    constexpr auto kOperation = "channels.connect";
    // Who has ended already may have said something that tells more than a broken pipe.
    if (const Status sent = wire.send(FrameType::hello, hello_text(service), kOperation);
        !sent && sent.error().code != ErrorCode::connection_lost)
      return sent;
    TH_ASSIGN(const Frame frame, wire.receive(deadline - steady_now(), kOperation));
    if (frame.type != FrameType::hello_reply) {
      return fail(ErrorCode::protocol, kOperation, wire.peer(),
                  "the peer does not answer the greeting");
    }
    if (frame.payload == "ok") return {};
    return parse_error(frame.payload, kOperation, wire.peer());
  }

  const NodeOptions& options_;
};

Result<std::string> greeted(Wire& wire, const std::vector<std::string>& services) {
  constexpr auto kOperation = "channels.serve";
  TH_ASSIGN(const Frame frame, wire.receive(kGreetingWait, kOperation));
  if (frame.type != FrameType::hello)
    return fail(ErrorCode::protocol, kOperation, wire.peer(), "the peer does not greet");
  TH_ASSIGN(std::string service, parse_hello(frame.payload));
  if (services.empty() || std::ranges::find(services, service) != services.end()) return service;
  return fail(ErrorCode::not_supported, kOperation, service, "no such service on this node");
}

}  // namespace

std::unique_ptr<Channels> make_channels(const NodeOptions& options) {
  return std::make_unique<LinuxChannels>(options);
}

Result<std::unique_ptr<Channel>> serve_standard_streams(const std::vector<std::string>& services) {
  constexpr auto kOperation = "channels.serve";
  UniqueFd in(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
  UniqueFd out(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
  UniqueFd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  // From here on a stray print goes to the error stream, whose last line the peer shows, and a
  // program that we start does not read the peer's bytes.
  if (!in || !out || !nothing || ::dup2(nothing.get(), STDIN_FILENO) < 0 ||
      ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
    return system_error(kOperation, "standard streams", errno, "cannot take them over");
  auto wire = std::make_unique<Wire>(std::move(in), std::move(out), UniqueFd(), nullptr, "peer");
  const auto service = greeted(*wire, services);
  TH_TRY(
      wire->send(FrameType::hello_reply, service ? "ok" : error_text(service.error()), kOperation));
  if (!service) return service.error();
  return std::make_unique<StreamChannel>(std::move(wire), std::nullopt);
}

}  // namespace twinhull::linux_backend
