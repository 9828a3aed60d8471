#include "backends/linux/process/streams.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "backends/linux/cgroup/proc_stat.h"
#include "backends/linux/errno_error.h"
#include "backends/linux/process/control.h"
#include "backends/linux/process/raw_terminal.h"
#include "backends/linux/stop.h"

namespace twinhull::linux_backend {
namespace {

constexpr std::size_t kKept = std::size_t{16} << 20;
constexpr std::size_t kBuffer = std::size_t{64} << 10;
constexpr std::size_t kTerminalBuffer = 4096;

Instant boottime() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return Instant(seconds(now.tv_sec) + nanoseconds(now.tv_nsec));
}

Status set_nonblocking(int fd, std::string_view operation, const std::string& object) {
  if (::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) return system_error(operation, object, errno);
  return {};
}

/// Processes of the machine by number.
std::map<std::int32_t, ProcStat> all_processes() {
  std::map<std::int32_t, ProcStat> processes;
  DIR* const directory = ::opendir("/proc");
  if (directory == nullptr) return processes;
  while (const dirent* const entry = ::readdir(directory)) {
    const std::string_view name = entry->d_name;
    std::int32_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc{} || end != name.data() + name.size()) continue;
    if (const auto stat = read_proc_stat(pid)) processes.emplace(pid, *stat);
  }
  ::closedir(directory);
  return processes;
}

}  // namespace

Result<CapturePipes> make_capture_pipes(std::string_view operation, const std::string& object) {
  CapturePipes pipes;
  std::array<UniqueFd*, 3> parents = {&pipes.input, &pipes.output, &pipes.error};
  for (std::size_t i = 0; i < parents.size(); ++i) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
      return system_error(operation, object, errno, "cannot make a pipe");
    }
    const bool input = i == 0;
    pipes.childs[i].reset(ends[input ? 0 : 1]);
    parents[i]->reset(ends[input ? 1 : 0]);
    TH_TRY(set_nonblocking(parents[i]->get(), operation, object));
  }
  return pipes;
}

TerminalSize terminal_size() {
  winsize size{};
  if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0 &&
      ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) {
    return {};
  }
  return {.rows = size.ws_row, .columns = size.ws_col};
}

void kill_tree(pid_t pid, int pidfd) {
  // Stopped, it starts nothing new while its descendants are looked for.
  ::syscall(SYS_pidfd_send_signal, pidfd, SIGSTOP, nullptr, 0U);
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    const auto processes = all_processes();
    std::set<std::int32_t> doomed = {pid};
    for (bool grown = true; grown;) {
      grown = false;
      for (const auto& [number, stat] : processes) {
        const bool belongs = stat.session == pid || doomed.contains(stat.parent);
        if (belongs && !stat.dead() && doomed.insert(number).second) grown = true;
      }
    }
    doomed.erase(pid);
    if (doomed.empty()) break;
    for (const auto number : doomed) ::kill(number, SIGKILL);
  }
  kill_and_reap(pidfd);
}

Error ProgramRun::killed(ErrorCode code, const std::string& why) {
  kill_tree(child_.pid, child_.pidfd.get());
  return fail(code, operation_, object_, why);
}

int ProgramRun::timeout_ms() const {
  Duration wait = options_.stop != nullptr || plan_.terminal ? kStopPoll : Duration::max();
  if (spec_.timeout) wait = std::min(wait, started_ + *spec_.timeout - boottime());
  if (wait == Duration::max()) return -1;
  const auto whole = std::chrono::ceil<milliseconds>(std::max(wait, Duration::zero()));
  constexpr std::int64_t kLongest = 3600000;
  return static_cast<int>(std::min(whole.count(), kLongest));
}

Status ProgramRun::on_control() {
  ControlMessage message;
  int fd = -1;
  const int number = receive_control(child_.control.get(), message, fd);
  UniqueFd carried(fd);
  if (number != 0) {
    // Closed: the program is executed, or the child died without a word; its status tells.
    child_.control.reset();
    if (number == EPIPE || number == ECONNRESET) return {};
    return system_error(operation_, object_, number, "cannot hear the child");
  }
  if (message.kind == ControlMessage::Kind::failed) failure_ = message;
  if (message.kind == ControlMessage::Kind::terminal) {
    TH_TRY(set_nonblocking(carried.get(), operation_, object_));
    master_ = std::move(carried);
  }
  return {};
}

void ProgramRun::on_output(UniqueFd& from, std::string& to) {
  std::array<char, kBuffer> buffer;
  for (;;) {
    const ssize_t got = ::read(from.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      from.reset();
      return;
    }
    const auto room = kKept - std::min(kKept, to.size());
    to.append(buffer.data(), std::min(room, static_cast<std::size_t>(got)));
  }
}

void ProgramRun::on_input() {
  while (fed_ < spec_.input.size()) {
    // A reader that is gone ends the feeding. The signal is blocked: a SIGPIPE is not for the
    // command that calls.
    sigset_t pipe_signal, old;
    ::sigemptyset(&pipe_signal);
    ::sigaddset(&pipe_signal, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &old);
    const ssize_t put =
        ::write(pipes_.input.get(), spec_.input.data() + fed_, spec_.input.size() - fed_);
    const int number = errno;
    if (put < 0 && number == EPIPE) {
      const timespec none{};
      ::sigtimedwait(&pipe_signal, nullptr, &none);
    }
    ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
    if (put < 0 && number == EINTR) continue;
    if (put < 0 && number == EAGAIN) return;
    if (put < 0) break;
    fed_ += static_cast<std::size_t>(put);
  }
  pipes_.input.reset();
}

void ProgramRun::on_master() {
  std::array<char, kTerminalBuffer> buffer;
  const ssize_t got = ::read(master_.get(), buffer.data(), buffer.size());
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got <= 0) {  // EIO: the last program closed the terminal
    master_.reset();
    return;
  }
  write_fully(STDOUT_FILENO, {buffer.data(), static_cast<std::size_t>(got)});
}

void ProgramRun::on_keyboard() {
  std::array<char, kTerminalBuffer> buffer;
  const ssize_t got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got <= 0) {
    keyboard_open_ = false;
    typed_ = "\x04";  // ^D: what a terminal's user would type
    return;
  }
  typed_.assign(buffer.data(), static_cast<std::size_t>(got));
}

void ProgramRun::pass_keys_on() {
  const ssize_t put = ::write(master_.get(), typed_.data(), typed_.size());
  if (put > 0) typed_.erase(0, static_cast<std::size_t>(put));
  if (put < 0 && errno != EAGAIN && errno != EINTR) typed_.clear();  // nobody reads any more
}

void ProgramRun::follow_terminal_size() {
  // Asked at each turn of the loop (ten a second at least) instead of waiting for SIGWINCH: a
  // library that installs signal handlers disturbs the program that uses it.
  const auto now = terminal_size();
  if (now == size_ || now.rows == 0) return;
  size_ = now;
  winsize size{};
  size.ws_row = now.rows;
  size.ws_col = now.columns;
  ::ioctl(master_.get(), TIOCSWINSZ, &size);  // a closed terminal needs no size
}

Status ProgramRun::on_stop() {
  if (!take_stop(options_)) return {};
  ++stop_wishes_;
  // A program that shares the user's streams gets the user's ^C and decides itself; the second
  // wish means it.
  if (spec_.streams != Streams::capture && stop_wishes_ == 1) {
    ::syscall(SYS_pidfd_send_signal, child_.pidfd.get(), SIGINT, nullptr, 0U);
    return {};
  }
  return killed(ErrorCode::interrupted, "a signal asked this command to stop");
}

Result<bool> ProgramRun::wait_once() {
  enum { kPidfd, kControl, kOutput, kError, kInput, kMaster, kKeyboard, kCount };
  // One bite at a time: keys that a busy program does not take must not keep its output back.
  const bool keyboard = master_ && keyboard_open_ && typed_.empty();
  const auto master_events = static_cast<short>(typed_.empty() ? POLLIN : POLLIN | POLLOUT);
  std::array<pollfd, kCount> polls = {{
      {child_.pidfd.get(), POLLIN, 0},
      {child_.control.get(), POLLIN, 0},
      {pipes_.output.get(), POLLIN, 0},
      {pipes_.error.get(), POLLIN, 0},
      {pipes_.input.get(), POLLOUT, 0},
      {master_.get(), master_events, 0},
      {keyboard ? STDIN_FILENO : -1, POLLIN, 0},
  }};
  if (::poll(polls.data(), polls.size(), timeout_ms()) < 0 && errno != EINTR) {
    return system_error(operation_, object_, errno, "cannot wait for the program");
  }
  TH_TRY(on_stop());
  if (polls[kControl].revents != 0) TH_TRY(on_control());
  if (polls[kOutput].revents != 0) on_output(pipes_.output, outcome_.out);
  if (polls[kError].revents != 0) on_output(pipes_.error, outcome_.err);
  if (polls[kInput].revents != 0) on_input();
  if ((polls[kMaster].revents & ~POLLOUT) != 0) on_master();
  if (polls[kKeyboard].revents != 0) on_keyboard();
  if (master_ && !typed_.empty()) pass_keys_on();
  if (master_) follow_terminal_size();
  if (polls[kPidfd].revents != 0) return true;
  if (spec_.timeout && boottime() >= started_ + *spec_.timeout) {
    return killed(ErrorCode::timed_out,
                  fmt::format("{} did not end within {} ms and was killed", spec_.argv.front(),
                              std::chrono::duration_cast<milliseconds>(*spec_.timeout).count()));
  }
  return false;
}

Result<ExitStatus> ProgramRun::status_of_end() {
  auto status = reap(child_.pidfd.get());
  if (!status) return fail(ErrorCode::failed, operation_, object_, "the program's status is lost");
  if (status_pipe_) {
    int inner = 0;
    if (::read(status_pipe_.get(), &inner, sizeof inner) == sizeof inner) {
      return from_wait_status(inner);
    }
    // Process 1 was killed with everything below it.
  }
  return *status;
}

Result<ExecOutcome> ProgramRun::run(std::string_view operation, const std::string& object) {
  operation_ = operation;
  object_ = object;
  started_ = boottime();
  std::optional<RawTerminal> raw;
  if (plan_.terminal) {
    raw.emplace();
    size_ = terminal_size();
  }
  // The child may be gone already; then its report or status tells why.
  send_control(child_.control.get(), {.kind = ControlMessage::Kind::go}, -1);
  for (;;) {
    auto ended = wait_once();
    if (!ended) {
      kill_and_reap(child_.pidfd.get());
      return std::move(ended).error();
    }
    if (*ended) break;
  }
  // What was written before the end is in the pipes; a daemon that keeps them open is not waited
  // for.
  while (child_.control) TH_TRY(on_control());
  if (pipes_.output) on_output(pipes_.output, outcome_.out);
  if (pipes_.error) on_output(pipes_.error, outcome_.err);
  while (master_) {
    pollfd more{master_.get(), POLLIN, 0};
    if (::poll(&more, 1, 0) <= 0) break;
    on_master();
  }
  raw.reset();
  TH_ASSIGN(outcome_.status, status_of_end());
  if (!failure_) return std::move(outcome_);
  if (failure_->step != ChildStep::exec) {
    return child_error(*failure_, plan_, operation_, object_);
  }
  const bool absent = failure_->number == ENOENT || failure_->number == ENOTDIR;
  outcome_.status = {.signaled = false, .value = absent ? 127 : 126};
  outcome_.err += fmt::format("{}: {}\n", spec_.argv.front(), errno_text(failure_->number));
  return std::move(outcome_);
}

}  // namespace twinhull::linux_backend
