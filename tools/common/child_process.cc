#include "tools/common/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

extern char** environ;

namespace twinhull::tools {
namespace {

constexpr std::size_t kMostOutput = 16 << 20;

std::string content_of(int file) {
  std::string text;
  struct stat info = {};
  if (file < 0 || ::fstat(file, &info) != 0) return text;
  text.resize(std::min(static_cast<std::size_t>(info.st_size), kMostOutput));
  const ssize_t count = ::pread(file, text.data(), text.size(), 0);
  text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return text;
}

}  // namespace

Result<ChildProcess> ChildProcess::start(const std::vector<std::string>& argv,
                                         const std::vector<std::string>& environment,
                                         const std::string& input) {
  ChildProcess child;
  child.out_ = ::memfd_create("th-out", MFD_CLOEXEC);
  child.error_ = ::memfd_create("th-error", MFD_CLOEXEC);
  const int in = ::memfd_create("th-in", MFD_CLOEXEC);
  if (child.out_ < 0 || child.error_ < 0 || in < 0) {
    if (in >= 0) ::close(in);
    return fail(ErrorCode::limit_exceeded, "child.start", argv[0], std::strerror(errno));
  }
  std::size_t written = 0;
  while (written < input.size()) {
    const ssize_t count = ::write(in, input.data() + written, input.size() - written);
    if (count <= 0) break;
    written += static_cast<std::size_t>(count);
  }
  ::lseek(in, 0, SEEK_SET);

  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  std::vector<char*> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) variables.push_back(*entry);
  for (const std::string& entry : environment)
    variables.push_back(const_cast<char*>(entry.c_str()));
  variables.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in, 0);
  ::posix_spawn_file_actions_adddup2(&actions, child.out_, 1);
  ::posix_spawn_file_actions_adddup2(&actions, child.error_, 2);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  // A group of its own: a Ctrl-C at our terminal is for us to handle.
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  const int problem = ::posix_spawn(&child.pid_, argv[0].c_str(), &actions, &attributes,
                                    words.data(), variables.data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(in);
  if (problem != 0) {
    child.pid_ = -1;
    return fail(problem == ENOENT ? ErrorCode::not_found : ErrorCode::limit_exceeded, "child.start",
                argv[0], std::strerror(problem))
        .with_errno(problem);
  }
  child.handle_ = static_cast<int>(::syscall(SYS_pidfd_open, child.pid_, 0));
  return child;
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      handle_(std::exchange(other.handle_, -1)),
      out_(std::exchange(other.out_, -1)),
      error_(std::exchange(other.error_, -1)),
      signaled_(other.signaled_),
      code_(other.code_) {}

ChildProcess::~ChildProcess() {
  if (pid_ > 0 && !code_) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  for (const int file : {handle_, out_, error_})
    if (file >= 0) ::close(file);
}

std::optional<int> ChildProcess::poll(std::chrono::milliseconds at_most) {
  if (code_) return code_;
  if (at_most.count() > 0 && handle_ >= 0) {
    pollfd wanted = {handle_, POLLIN, 0};
    ::poll(&wanted, 1, static_cast<int>(at_most.count()));
  }
  int status = 0;
  const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
  if (ended != pid_) return std::nullopt;
  signaled_ = WIFSIGNALED(status);
  code_ = signaled_ ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return code_;
}

void ChildProcess::signal(int number) {
  // Not reaped yet: the number is still ours.
  if (pid_ > 0 && !code_) ::kill(pid_, number);
}

std::string ChildProcess::out() const {
  return content_of(out_);
}
std::string ChildProcess::error() const {
  return content_of(error_);
}

}  // namespace twinhull::tools
