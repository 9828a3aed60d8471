#include "backends/linux/run_tool.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <utility>

#include "backends/linux/errno_error.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

constexpr std::array<const char*, 6> kDirectories = {
    "/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"};
constexpr std::size_t kMostOutput = 65536;

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  for (const char* directory : kDirectories) {
    std::string path = directory + name;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

/// File actions and attributes of one posix_spawn.
class SpawnPlan {
 public:
  SpawnPlan() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  int prepare(int output) {
    int error = ::posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    if (error == 0) error = ::posix_spawn_file_actions_adddup2(&actions_, output, 1);
    if (error == 0) error = ::posix_spawn_file_actions_adddup2(&actions_, output, 2);
    // We may ignore SIGPIPE; tools shall not inherit that.
    sigset_t usual;
    ::sigemptyset(&usual);
    ::sigaddset(&usual, SIGPIPE);
    if (error == 0) error = ::posix_spawnattr_setsigdefault(&attributes_, &usual);
    if (error == 0) error = ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF);
    return error;
  }

  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

}  // namespace

std::string last_line_of(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
    text.remove_suffix(1);
  const auto end = text.rfind('\n');
  return std::string(end == std::string_view::npos ? text : text.substr(end + 1));
}

std::string ToolOutcome::last_line() const {
  return last_line_of(output);
}

Result<RunningTool> RunningTool::start(const std::vector<std::string>& argv,
                                      std::string_view operation) {
  const std::string program = find_program(argv.front());
  if (program.empty()) {
    return fail(ErrorCode::not_supported, operation, argv.front(), "there is no such program")
        .with_hint("install the package that has " + argv.front());
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return system_error(operation, argv.front(), errno, "cannot make a pipe");
  UniqueFd in(ends[0]);
  UniqueFd out(ends[1]);
  SpawnPlan plan;
  if (const int error = plan.prepare(out.get()); error != 0)
    return system_error(operation, argv.front(), error, "cannot prepare the program");
  std::vector<std::string> copies = argv;
  std::vector<char*> arguments;
  for (std::string& argument : copies) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  std::array<std::string, 2> environment = {
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"};
  char* variables[] = {environment[0].data(), environment[1].data(), nullptr};
  pid_t child = 0;
  if (const int error = ::posix_spawn(&child, program.c_str(), &plan.actions_, &plan.attributes_,
                                      arguments.data(), variables);
      error != 0)
    return system_error(operation, program, error, "cannot start the program");
  return RunningTool(program, operation, child, std::move(in));
}

RunningTool::RunningTool(std::string program, std::string_view operation, int child, UniqueFd said)
    : program_(std::move(program)), operation_(operation), child_(child), said_(std::move(said)) {}

RunningTool::RunningTool(RunningTool&& other) noexcept
    : program_(std::move(other.program_)),
      operation_(std::move(other.operation_)),
      child_(std::exchange(other.child_, 0)),
      said_(std::move(other.said_)),
      outcome_(std::move(other.outcome_)) {}

RunningTool::~RunningTool() {
  if (child_ != 0) static_cast<void>(finish());
}

void RunningTool::read_some() {
  std::array<char, 4096> buffer;
  const ssize_t count = ::read(said_.get(), buffer.data(), buffer.size());
  if (count < 0 && errno == EINTR) return;
  if (count <= 0) {  // a pipe's read fails in no other way
    said_.reset();
    return;
  }
  outcome_.output.append(buffer.data(), static_cast<std::size_t>(count));
  if (outcome_.output.size() > 2 * kMostOutput)
    outcome_.output.erase(0, outcome_.output.size() - kMostOutput);
}

bool RunningTool::has_ended(Duration at_most) {
  if (!said_) return true;
  pollfd polled{said_.get(), POLLIN, 0};
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(at_most).count();
  if (::poll(&polled, 1, static_cast<int>(wait)) > 0) read_some();
  return !said_;
}

Result<ToolOutcome> RunningTool::finish() {
  while (said_) read_some();
  int status = 0;
  const int child = std::exchange(child_, 0);
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return system_error(operation_, program_, errno, "cannot wait for it");
  }
  outcome_.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return std::move(outcome_);
}

Result<ToolOutcome> run_tool(const std::vector<std::string>& argv, std::string_view operation) {
  TH_ASSIGN(RunningTool tool, RunningTool::start(argv, operation));
  return tool.finish();
}

Status run_tool_well(const std::vector<std::string>& argv, std::string_view operation,
                     const std::string& object) {
  TH_ASSIGN(const ToolOutcome outcome, run_tool(argv, operation));
  if (outcome.exit_code == 0) return {};
  std::string detail = argv.front() + " ended with " + std::to_string(outcome.exit_code);
  if (!outcome.output.empty()) detail += ": " + outcome.last_line();
  return fail(ErrorCode::failed, operation, object, detail);
}

}  // namespace twinhull::linux_backend
