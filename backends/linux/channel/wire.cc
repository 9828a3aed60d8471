#include "backends/linux/channel/wire.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "backends/linux/errno_error.h"
#include "backends/linux/run_tool.h"
#include "backends/linux/stop.h"

namespace twinhull::linux_backend {
namespace {

/// What came in and was not asked for yet; more stays in the pipe and makes the peer wait.
constexpr std::size_t kMostPending = 2 * kMostPayload + 2 * kFrameHeader;
constexpr std::size_t kMostSaid = 4096;

/// writev(2) to a peer that is gone gives EPIPE instead of a signal: for the calling thread only, as
/// the program may have its own mind about SIGPIPE.
ssize_t write_quietly(int fd, std::span<const iovec> parts) {
  sigset_t pipe_signal;
  sigset_t before;
  sigset_t waiting;
  ::sigemptyset(&pipe_signal);
  ::sigaddset(&pipe_signal, SIGPIPE);
  ::sigpending(&waiting);
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  const ssize_t count = ::writev(fd, parts.data(), static_cast<int>(parts.size()));
  const int error = errno;
  if (count < 0 && error == EPIPE && ::sigismember(&waiting, SIGPIPE) == 0) {
    const timespec now{};
    while (::sigtimedwait(&pipe_signal, nullptr, &now) < 0 && errno == EINTR) {
    }
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return count;
}

void make_non_blocking(int fd) {
  if (fd >= 0) ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

int to_milliseconds(Duration length) {
  const auto count = std::chrono::ceil<milliseconds>(std::max(length, Duration::zero())).count();
  return static_cast<int>(std::min<decltype(count)>(count, 1000));
}

}  // namespace

Duration steady_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return seconds(now.tv_sec) + nanoseconds(now.tv_nsec);
}

Wire::Wire(UniqueFd in, UniqueFd out, UniqueFd complaints, std::atomic<bool>* stop,
           std::string peer)
    : in_(std::move(in)),
      out_(std::move(out)),
      complaints_(std::move(complaints)),
      stop_(stop),
      peer_(std::move(peer)) {
  for (const UniqueFd* fd : {&in_, &out_, &complaints_}) make_non_blocking(fd->get());
}

bool Wire::stopped() const {
  return stop_ != nullptr && stop_->exchange(false, std::memory_order_acq_rel);
}

Error Wire::lost(std::string_view operation) const {
  std::string detail = "the connection was lost";
  if (const std::string said = complaint(); !said.empty()) detail += ": " + said;
  return fail(ErrorCode::connection_lost, operation, peer_, detail);
}

std::string Wire::complaint() const {
  return last_line_of(said_);
}

Status Wire::send(FrameType type, std::string_view payload, std::uint64_t sum,
                  std::string_view operation) {
  const auto header = frame_header(type, payload, sum);
  std::string_view parts[] = {{header.data(), header.size()}, payload};
  for (std::size_t at = 0; at < std::size(parts);) {
    if (parts[at].empty()) {
      ++at;
      continue;
    }
    if (!out_) return lost(operation);
    iovec rest[std::size(parts)];
    std::size_t many = 0;
    for (const std::string_view part : std::span(parts).subspan(at))
      rest[many++] = {const_cast<char*>(part.data()), part.size()};  // NOLINT: iovec of readv too
    const ssize_t count = write_quietly(out_.get(), {rest, many});
    if (count >= 0) {
      if (sent_ != nullptr)
        sent_->fetch_add(static_cast<std::uint64_t>(count), std::memory_order_relaxed);
      auto written = static_cast<std::size_t>(count);
      for (std::string_view& part : parts) {
        const std::size_t here = std::min(written, part.size());
        part.remove_prefix(here);
        written -= here;
      }
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EPIPE || errno == ECONNRESET) {
      drain_complaints(steady_now() + milliseconds(200));
      return lost(operation);
    }
    if (errno != EAGAIN) return system_error(operation, peer_, errno, "cannot write");
    TH_TRY(turn(Wish::write, kStopPoll, operation));
  }
  return {};
}

Result<std::optional<Frame>> Wire::take(std::string_view operation) {
  TH_TRY(turn(Wish::read, Duration::zero(), operation));
  return parser_.next();
}

Result<Frame> Wire::receive(std::optional<Duration> timeout, std::string_view operation) {
  const Duration deadline = timeout ? steady_now() + *timeout : Duration::max();
  for (;;) {
    auto frame = parser_.next();
    if (!frame) return std::move(frame).error();
    if (*frame) return **std::move(frame);
    if (ended_) {
      drain_complaints(steady_now() + milliseconds(200));
      return lost(operation);
    }
    const Duration left = deadline - steady_now();
    if (left <= Duration::zero())
      return fail(ErrorCode::timed_out, operation, peer_, "nothing came in time");
    TH_TRY(turn(Wish::read, std::min(left, kStopPoll), operation));
  }
}

Status Wire::wait_until(Duration deadline, std::string_view operation) {
  for (Duration left = deadline - steady_now(); left > Duration::zero();
       left = deadline - steady_now())
    TH_TRY(turn(Wish::none, std::min(left, kStopPoll), operation));
  return {};
}

Status Wire::turn(Wish wish, Duration at_most, std::string_view operation) {
  if (stopped())
    return fail(ErrorCode::interrupted, operation, peer_, "a signal asked this command to stop");
  const bool may_read = in_ && !ended_ && (wish == Wish::read || parser_.pending() < kMostPending);
  std::array<pollfd, 3> polled = {
      pollfd{may_read ? in_.get() : -1, POLLIN, 0},
      pollfd{wish == Wish::write ? out_.get() : -1, POLLOUT, 0},
      pollfd{complaints_ ? complaints_.get() : -1, POLLIN, 0},
  };
  if (::poll(polled.data(), polled.size(), to_milliseconds(at_most)) < 0) {
    if (errno == EINTR) return {};
    return system_error(operation, peer_, errno, "cannot wait for the peer");
  }
  if (polled[2].revents != 0) read_complaints();
  if (polled[0].revents != 0) TH_TRY(read_some(operation));
  return {};
}

Status Wire::read_some(std::string_view operation) {
  const std::span<char> room = parser_.room();
  const ssize_t count = ::read(in_.get(), room.data(), room.size());
  if (count > 0) {
    parser_.fed(static_cast<std::size_t>(count));
    return {};
  }
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return {};
  if (count < 0 && errno != ECONNRESET) return system_error(operation, peer_, errno, "cannot read");
  ended_ = true;
  return {};
}

void Wire::read_complaints() {
  std::array<char, 4096> buffer;
  const ssize_t count = ::read(complaints_.get(), buffer.data(), buffer.size());
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (count <= 0) {
    complaints_.reset();
    return;
  }
  said_.append(buffer.data(), static_cast<std::size_t>(count));
  if (said_.size() > kMostSaid) said_.erase(0, said_.size() - kMostSaid);
}

void Wire::drain_complaints(Duration deadline) {
  while (complaints_) {
    const Duration left = deadline - steady_now();
    if (left <= Duration::zero()) return;
    pollfd polled{complaints_.get(), POLLIN, 0};
    if (::poll(&polled, 1, to_milliseconds(left)) < 0 && errno != EINTR) return;
    if (polled.revents != 0) read_complaints();
  }
}

void Wire::shut() {
  in_.reset();
  out_.reset();
  ended_ = true;
}

}  // namespace twinhull::linux_backend
