#include "backends/linux/checkpoint/page_holder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <deque>
#include <list>
#include <map>
#include <sstream>
#include <utility>

#include "backends/linux/cgroup/delegation.h"
#include "backends/linux/checkpoint/page_line.h"
#include "backends/linux/errno_error.h"
#include "backends/linux/io.h"
#include "backends/linux/process/identity.h"

namespace twinhull::linux_backend {
namespace {

constexpr std::string_view kCall = "checkpoints.pages";
constexpr int kWatch = 100;         // ms between two looks at a restore that waits
constexpr int kMostWaits = 300;     // looks: half a minute
constexpr std::size_t kMostClients = 8;
constexpr int kCriuBuffer = 4 << 20;  // requests of very many threads at the same time

/// Reads exactly so much. False at an end or an error.
bool read_exactly(int fd, char* to, std::size_t size) {
  while (size > 0) {
    const ssize_t count = ::read(fd, to, size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    to += count;
    size -= static_cast<std::size_t>(count);
  }
  return true;
}

std::string read_line(int fd) {
  std::string line;
  for (char c = 0; line.size() < 200 && read_exactly(fd, &c, 1) && c != '\n';) line += c;
  return line;
}

/// Numbers of a process in the namespaces around it, outermost first ("NSpid" of its status).
std::vector<std::int32_t> numbers_of(std::int32_t pid) {
  std::vector<std::int32_t> numbers;
  const auto text = read_kernel_file(fmt::format("/proc/{}/status", pid), kCall);
  constexpr std::string_view kName = "\nNSpid:";
  const auto at = text ? text->find(kName) : std::string::npos;
  if (at == std::string::npos) return numbers;
  std::istringstream words(text->substr(at + kName.size(), text->find('\n', at + 1) - at));
  for (std::int32_t number = 0; words >> number;) numbers.push_back(number);
  return numbers;
}

/// The holder itself, in a process of its own.
class Holder {
 public:
  Holder(const HolderPlan& plan, UniqueFd owner, UniqueFd listener)
      : plan_(plan), socket_(plan.socket), owner_(std::move(owner)), listener_(std::move(listener)) {}

  void run() {
    if (!start_criu()) {
      say("failed\n");
      ::unlink(socket_.c_str());
      return;
    }
    say("ready\n");
    while (!over_) turn();
    ::unlink(socket_.c_str());
    farewell();
  }

 private:
  struct Client {
    PageLine line;
    bool active = false;  ///< it takes: requests go there
  };

  void say(std::string_view words) const {
    static_cast<void>(write_fully(owner_.get(), words, kCall, "owner"));
  }

  bool start_criu();
  bool find_tasks();
  bool save_early();
  void give_up();
  void the_container_has_ended();
  [[noreturn]] void become_criu(int gate, int criu_end, int status);
  void turn();
  void hear_owner();
  void hear_children();
  void before_exit(int status);
  void after_exit(bool well);
  void greet();
  void hear(Client& client);
  void hear_giving(Client& client, const PageMessage& message);
  void hear_taking(Client& client, const PageMessage& message);
  void hear_criu();
  void let_criu_go();
  void kill_criu() {
    ending_ = true;
    if (criu_ > 0) ::kill(criu_, SIGKILL);
  }
  /// Source: from the processes as they stand.
  Result<std::string> content_of(const PageRange& range);
  void farewell();

  const HolderPlan& plan_;
  std::string socket_;
  UniqueFd owner_, listener_, criu_socket_, children_, init_;
  std::list<Client> clients_;
  PageMap pages_;  ///< source: what is held; destination: what is missing
  pid_t criu_ = 0;
  bool ending_ = false;     ///< criu may end now, whatever it says
  bool complete_ = false;   ///< destination: all memory is there
  bool adopted_ = false, abandoned_ = false;
  bool over_ = false;
  bool ended_well_ = false;  ///< criu
  std::map<std::uint64_t, UniqueFd> tasks_;  ///< source: the memory of each process, by its number inside
  std::deque<PageRequest> requests_;  ///< destination: not answered yet, in criu's order
  int waited_ = 0;  ///< looks, since the restore asked for a page that the images lack
  std::string from_criu_, to_criu_;
};

bool Holder::start_criu() {
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_SETMASK, &child, nullptr);
  children_.reset(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
  int ends[2], gate[2], status[2];
  if (!children_ || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return false;
  criu_socket_.reset(ends[0]);
  UniqueFd criu_end(ends[1]);
  if (::pipe2(gate, O_CLOEXEC) != 0) return false;
  const UniqueFd gate_in(gate[0]);
  UniqueFd gate_out(gate[1]);
  if (::pipe2(status, O_CLOEXEC) != 0) return false;
  const UniqueFd status_in(status[0]);
  UniqueFd status_out(status[1]);
  for (const int fd : {ends[0], ends[1]})
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kCriuBuffer, sizeof kCriuBuffer);

  criu_ = ::fork();
  if (criu_ < 0) return false;
  if (criu_ == 0) {
    gate_out.reset();
    become_criu(gate_in.get(), criu_end.get(), status_out.get());
  }
  // Whoever reads a page whose userfaultfd was closed sees zeros. So the one that fills memory in does
  // not end unseen: it stands still before its descriptors are closed, whatever ends it, and the
  // container is ended first unless all memory is there (before_exit). What remains is the end of
  // this process at the same time: then criu goes on and waits for ever, because it has both ends of its
  // own socket, and the container waits with it, until it is killed.
  if (!plan_.gives && ::ptrace(PTRACE_SEIZE, criu_, 0, PTRACE_O_TRACEEXIT) != 0) {
    kill_criu();
    return false;
  }
  gate_out.reset();
  criu_end.reset();
  status_out.reset();
  char ready = 1;
  pollfd wait[2] = {{status_in.get(), POLLIN, 0}, {children_.get(), POLLIN, 0}};
  while (criu_ != 0) {
    if (::poll(wait, 2, -1) < 0) continue;
    if (wait[1].revents != 0) hear_children();  // signals for a traced criu pass through here
    if (wait[0].revents == 0) continue;
    if (::read(status_in.get(), &ready, 1) == 1) break;
    ready = 1;
    wait[0].fd = -1;  // it ended, or will
  }
  if (ready != 0) return false;
  const bool readable = read_pagemaps(plan_.images, pages_, kCall).has_value();
  if (!plan_.gives) {
    if (readable) return true;
    kill_criu();
  } else {
    let_criu_go();
  }
  while (criu_ != 0)
    if (::poll(&wait[1], 1, -1) > 0) hear_children();
  return readable && plan_.gives && ended_well_ && find_tasks() && save_early();
}

/// Source: what the kernel touches by itself goes into the images after all.
bool Holder::save_early() {
  const auto ranges = early_pages(plan_.images, pages_, kCall);
  if (!ranges) return false;
  const auto read = [this](const PageRange& range) { return content_of(range); };
  for (const auto& [task, memory] : tasks_) {
    std::vector<PageRange> of_task;
    for (const PageRange& range : *ranges)
      if (range.task == task) of_task.push_back(range);
    if (!of_task.empty() && !add_to_images(plan_.images, task, of_task, read, kCall)) return false;
  }
  for (const PageRange& range : *ranges) pages_.remove(range);
  return true;
}

/// Source: who has the numbers that the images use.
bool Holder::find_tasks() {
  const auto members = plan_.members();
  const std::size_t depth = numbers_of(plan_.init.pid).size();
  if (!members || depth == 0) return false;
  for (const ProcessRef& member : *members) {
    const auto numbers = numbers_of(member.pid);
    if (numbers.size() < depth) continue;
    UniqueFd memory(::open(fmt::format("/proc/{}/mem", member.pid).c_str(), O_RDONLY | O_CLOEXEC));
    if (memory) tasks_[static_cast<std::uint64_t>(numbers[depth - 1])] = std::move(memory);
  }
  return true;
}

void Holder::become_criu(int gate, int criu_end, int status) {
  char c = 0;
  read_exactly(gate, &c, 1);  // it is closed when the tracer has come
  std::vector<std::string> words = plan_.criu;
  words.insert(words.end(), {"--ps-socket", std::to_string(criu_end), "--status-fd",
                             std::to_string(status)});
  ::fcntl(criu_end, F_SETFD, 0);
  ::fcntl(status, F_SETFD, 0);
  if (!plan_.gives) ::fcntl(criu_socket_.get(), F_SETFD, 0);  // see above
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  char locale[] = "LC_ALL=C";
  char* variables[] = {path, locale, nullptr};
  ::execve(arguments[0], arguments.data(), variables);
  ::_exit(127);
}

void Holder::turn() {
  std::vector<pollfd> wait = {{children_.get(), POLLIN, 0},
                              {owner_ && !abandoned_ ? owner_.get() : -1, POLLIN, 0},
                              {listener_.get(), POLLIN, 0},
                              {init_ ? init_.get() : -1, POLLIN, 0},
                              {-1, 0, 0}};
  if (!plan_.gives && criu_socket_) {
    wait[4].fd = criu_socket_.get();
    wait[4].events = static_cast<short>(POLLIN | (to_criu_.empty() ? 0 : POLLOUT));
  }
  for (const Client& client : clients_)
    wait.push_back({client.line.fd(),
                    static_cast<short>(client.line.has_queued() ? POLLOUT : POLLIN), 0});
  // A restore that waits for a page which is not here would wait for ever.
  const bool restoring = !plan_.gives && owner_ && !requests_.empty() && !ending_;
  const int ready = ::poll(wait.data(), wait.size(), restoring ? kWatch : -1);
  if (ready < 0) return;
  if (restoring && ready == 0 && ++waited_ == kMostWaits) give_up();
  if (wait[0].revents != 0) hear_children();
  if (over_) return;
  if (wait[1].revents != 0) hear_owner();
  if (wait[4].revents != 0) hear_criu();
  std::size_t at = 5;
  for (auto client = clients_.begin(); client != clients_.end(); ++at) {
    Client& one = *client++;
    if (at >= wait.size() || wait[at].revents == 0) continue;
    if (!one.line.has_queued()) {
      if (one.line.read_some()) {
        hear(one);
      } else {
        clients_.erase(std::prev(client));
        continue;
      }
    }
    if (!one.line.flush()) clients_.erase(std::prev(client));
  }
  if (wait[2].revents != 0) greet();
  if (wait[3].revents != 0) the_container_has_ended();
}

void Holder::hear_owner() {
  const std::string line = read_line(owner_.get());
  ProcessRef init;
  const char* const end = line.data() + line.size();
  const auto pid = std::from_chars(line.data(), end, init.pid);
  const auto space = std::min(pid.ptr + 1, end);
  const auto generation = std::from_chars(space, end, init.generation);
  const std::string socket(std::min(generation.ptr + 1, end), end);
  if (pid.ec != std::errc() || generation.ec != std::errc() || socket.empty()) {
    // Nobody wants it: the dump or the restore did not succeed.
    if (!plan_.gives) give_up();
    if (criu_ == 0) over_ = true;
    abandoned_ = true;  // the other end sees that all is over when this process has ended
    return;
  }
  if (!complete_) {
    if (::rename(socket_.c_str(), socket.c_str()) == 0) socket_ = socket;
    init_ = open_process(init);
    adopted_ = true;
    if (!init_) the_container_has_ended();
  }
  say("ok\n");
  owner_.reset();
  if (complete_) over_ = true;
}

void Holder::hear_children() {
  signalfd_siginfo discarded{};
  while (::read(children_.get(), &discarded, sizeof discarded) > 0) {
  }
  int status = 0;
  for (pid_t pid = 0; (pid = ::waitpid(-1, &status, __WALL | WNOHANG)) > 0;) {
    if (pid != criu_) continue;
    if (!WIFSTOPPED(status)) {
      criu_ = 0;
      after_exit(WIFEXITED(status) && WEXITSTATUS(status) == 0);
      continue;
    }
    const int event = status >> 16, number = WSTOPSIG(status);
    if (event == PTRACE_EVENT_EXIT) {
      unsigned long code = 1;
      ::ptrace(PTRACE_GETEVENTMSG, pid, 0, &code);
      before_exit(static_cast<int>(code));
      ::ptrace(PTRACE_CONT, pid, 0, 0);
    } else if (event == PTRACE_EVENT_STOP) {
      const bool group = number == SIGSTOP || number == SIGTSTP || number == SIGTTIN ||
                         number == SIGTTOU;
      ::ptrace(group ? PTRACE_LISTEN : PTRACE_CONT, pid, 0, 0);
    } else {
      ::ptrace(PTRACE_CONT, pid, 0, number);
    }
  }
}

void Holder::before_exit(int status) {
  if (ending_ || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) return;
  if (plan_.end_group) plan_.end_group(!adopted_);
}

void Holder::after_exit(bool well) {
  ended_well_ = well;
  if (plan_.gives) return;
  complete_ = well && !ending_;
  // A container without any memory that could wait is complete before it has been adopted.
  over_ = !complete_ || adopted_;
}

void Holder::greet() {
  UniqueFd one(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!one) return;
  if (clients_.size() >= kMostClients) clients_.pop_front();
  clients_.push_back({PageLine(std::move(one))});
  clients_.back().line.queue(hello_message(plan_.dump));
}

void Holder::hear(Client& client) {
  while (const auto bytes = client.line.next()) {
    const auto message = parse_page_message(*bytes, kCall);
    if (!message) {
      client.line.queue(refusal_message(message.error().message()));
      return;
    }
    if (plan_.gives)
      hear_giving(client, *message);
    else
      hear_taking(client, *message);
  }
}

void Holder::hear_giving(Client& client, const PageMessage& message) {
  if (message.kind == PageMessage::Kind::bye) {
    client.active = true;  // it is told
    over_ = true;
  } else if (message.kind == PageMessage::Kind::request) {
    const auto content = content_of(message.range);
    client.line.queue(content ? pages_message(message.range, *content)
                              : refusal_message(content.error().message()));
  }
}

Result<std::string> Holder::content_of(const PageRange& range) {
  const auto refuse = [&](const char* why) {
    return fail(ErrorCode::failed, kCall, fmt::format("process {}", range.task), why);
  };
  const auto task = tasks_.find(range.task);
  if (task == tasks_.end() || !pages_.contains(range))
    return refuse("these pages were not held back");
  if (!plan_.frozen()) return refuse("the container no longer stands still");
  std::string content(range.pages * kPageBytes, '\0');
  for (std::size_t done = 0; done < content.size();) {
    const ssize_t count = ::pread(task->second.get(), content.data() + done, content.size() - done,
                                  static_cast<off_t>(range.address + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return refuse("its memory cannot be read");
    done += static_cast<std::size_t>(count);
  }
  return content;
}

/// Source: criu detaches from the processes, which stay frozen, and ends.
void Holder::let_criu_go() {
  if (ending_ || criu_ == 0) return;
  ending_ = true;
  const std::string header = criu_header(plan_.wire, CriuCommand::force_close, {});
  static_cast<void>(::send(criu_socket_.get(), header.data(), header.size(), MSG_NOSIGNAL));
  char answer[4];
  static_cast<void>(read_exactly(criu_socket_.get(), answer, sizeof answer));
  criu_socket_.reset();
}

void Holder::hear_taking(Client& client, const PageMessage& message) {
  if (message.kind == PageMessage::Kind::hello) {
    for (Client& other : clients_) {  // the latest counts
      if (!std::exchange(other.active, false) || &other == &client) continue;
      other.line.queue(refusal_message("another command brings this memory now"));
      static_cast<void>(other.line.flush());
    }
    client.active = true;
    for (const PageRequest& request : requests_) client.line.queue(request_message(request));
    return;
  }
  if (message.kind != PageMessage::Kind::pages || !client.active) return;
  if (requests_.empty() || message.range.task != requests_.front().range.task ||
      message.range.address != requests_.front().range.address ||
      message.range.pages > requests_.front().range.pages) {
    client.line.queue(refusal_message("the peer gave other pages than were asked for"));
    client.active = false;
    return;
  }
  requests_.pop_front();
  pages_.remove(message.range);
  to_criu_ += criu_header(plan_.wire, CriuCommand::add, message.range);
  to_criu_ += message.content;
  hear_criu();
}

/// Nothing can be seen any more of what closes now.
void Holder::the_container_has_ended() {
  init_.reset();
  if (criu_ == 0)
    over_ = true;
  else
    kill_criu();
}

void Holder::give_up() {
  if (plan_.end_group) plan_.end_group(!adopted_);
  kill_criu();
}

/// Destination: what criu asks goes to whoever takes; answers go to criu.
void Holder::hear_criu() {
  while (!to_criu_.empty()) {
    const ssize_t count =
        ::send(criu_socket_.get(), to_criu_.data(), to_criu_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count <= 0) break;
    to_criu_.erase(0, static_cast<std::size_t>(count));
  }
  std::array<char, 65536> buffer;
  const ssize_t count = ::recv(criu_socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count == 0) criu_socket_.reset();
  if (count <= 0) return;
  from_criu_.append(buffer.data(), static_cast<std::size_t>(count));
  const std::size_t length = criu_header_length(plan_.wire);
  while (from_criu_.size() >= length) {
    const auto header = parse_criu_header(plan_.wire, std::string_view(from_criu_).substr(0, length));
    from_criu_.erase(0, length);
    if (!header) {  // a criu that we do not understand: the container cannot be completed
      give_up();
      return;
    }
    if (header->command != CriuCommand::get) {
      to_criu_.append(4, '\0');  // all has come: it wants an answer of zero, and ends
      static_cast<void>(::send(criu_socket_.get(), to_criu_.data(), to_criu_.size(), MSG_NOSIGNAL));
      to_criu_.clear();
      continue;
    }
    // In the background criu takes runs from their beginning; somebody waits for a page by itself.
    const auto run = pages_.run_at(header->range.task, header->range.address);
    const PageRequest request{header->range, header->range.pages == 1 && run && run->pages > 1};
    requests_.push_back(request);
    for (Client& client : clients_)
      if (client.active) {
        client.line.queue(request_message(request));
        static_cast<void>(client.line.flush());
      }
  }
}

/// Tells whoever waits for the end.
void Holder::farewell() {
  for (Client& client : clients_) {
    if (!client.active) continue;
    if (plan_.gives)
      client.line.queue(bye_message());
    else if (complete_)
      client.line.queue(all_message({}));
    else
      client.line.queue(refusal_message("the container has ended"));
    pollfd wait{client.line.fd(), POLLOUT, 0};
    for (int i = 0; i < 10 && client.line.flush() && client.line.has_queued(); ++i)
      ::poll(&wait, 1, kWatch);
  }
}

/// In the new process: nothing of its parent but what the holder needs.
[[noreturn]] void become_holder(const HolderPlan& plan, UniqueFd owner, UniqueFd listener) {
  ::setsid();
  ::prctl(PR_SET_NAME, "twinhull-pages");
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  ::signal(SIGPIPE, SIG_IGN);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::signal(number, SIG_IGN);
  const int null = ::open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; ++fd) ::dup2(null, fd);
  std::array<int, 2> kept = {owner.get(), listener.get()};
  std::ranges::sort(kept);
  unsigned next = 3;
  for (const int fd : kept) {
    if (static_cast<unsigned>(fd) > next)
      ::syscall(SYS_close_range, next, static_cast<unsigned>(fd) - 1, 0U);
    next = static_cast<unsigned>(fd) + 1;
  }
  ::syscall(SYS_close_range, next, ~0U, 0U);
  static_cast<void>(::chdir("/"));
  // A holder that is killed for want of memory would leave a container that waits for ever.
  static_cast<void>(write_kernel_file("/proc/self/oom_score_adj", "-1000", kCall));
  Holder(plan, std::move(owner), std::move(listener)).run();
  ::_exit(0);
}

}  // namespace

NewHolder::~NewHolder() {
  if (!owner_) return;
  ::shutdown(owner_.get(), SHUT_WR);
  read_line(owner_.get());  // closed when it has taken everything back
}

Status NewHolder::adopt(ProcessRef init, const std::string& socket, std::string_view operation) {
  TH_TRY(write_fully(owner_.get(), fmt::format("{} {} {}\n", init.pid, init.generation, socket),
                     operation, "the holder of the memory"));
  if (read_line(owner_.get()) == "ok") {
    owner_.reset();
    return {};
  }
  return fail(ErrorCode::failed, operation, fmt::format("process {}", init.pid),
              "the process that should hold its memory has ended");
}

Result<NewHolder> start_holder(const HolderPlan& plan, std::string_view operation) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return system_error(operation, plan.socket, errno, "cannot make sockets");
  UniqueFd ours(ends[0]), theirs(ends[1]);
  TH_ASSIGN(UniqueFd listener, listen_at(plan.socket, operation));
  // Its criu mounts the tree of control groups for itself.
  TH_ASSIGN(const CgroupLayout layout, detect_cgroup_layout());
  TH_ASSIGN(const CgroupMountGuard guard, CgroupMountGuard::enter(layout));
  const pid_t child = ::fork();
  if (child < 0) return system_error(operation, plan.socket, errno, "cannot start a process");
  if (child == 0) {
    if (::fork() != 0) ::_exit(0);  // whoever reaps orphans reaps the holder
    ours.reset();
    become_holder(plan, std::move(theirs), std::move(listener));
  }
  theirs.reset();
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (read_line(ours.get()) == "ready") return NewHolder(std::move(ours));
  ::unlink(plan.socket.c_str());
  return fail(ErrorCode::failed, operation, plan.images, "criu ended before it was ready");
}

}  // namespace twinhull::linux_backend
