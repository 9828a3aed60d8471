// From words to a running program: PATH, `#!sim` models, shell scripts, applets.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backends/sim/process/process_model.h"

namespace twinhull::sim {

/// What a path turned out to be.
struct Executable {
  enum class Kind : std::uint8_t {
    missing,  ///< exit code 127
    denied,   ///< 126: not executable, a directory
    unknown,  ///< 126: an executable of which there is no model
    model,    ///< `#!sim NAME key=value…`
    script,   ///< for the shell
  };
  Kind kind = Kind::missing;
  std::string path;                            ///< absolute, as found
  std::string model;
  std::map<std::string, std::string> options;  ///< of a model
  std::string text;                            ///< of a script
};

/// Looks a program up as execvp(3) does. `program` is argv[0].
Executable find_executable(const FileView& view, std::string_view program,
                           const std::map<std::string, std::string>& environment,
                           const std::string& directory);

/// One call of a small program that runs at once. Output is collected and written at the end.
struct AppletCall {
  ProcessModel& table;
  SimProcess& process;           ///< in whose name it runs: space, group, root
  const FileView& files;
  std::string& directory;        ///< of the caller; an applet must not change it
  std::map<std::string, std::string>& environment;
  std::vector<std::string> argv;
  std::shared_ptr<InputText> in;
  std::string out = {}, err = {};
  /// Set by an applet that takes time: the program that goes on (it prints `out` first).
  std::unique_ptr<Program> then = {};

  /// Absolute form of a path given by the user.
  [[nodiscard]] std::string path(std::string_view text) const;
  /// All that is left of the input.
  std::string rest_of_input() const;
  /// "NAME: PATH: reason" to `err`; returns 1.
  int refuse(std::string_view object, const Error& error);
  int refuse(std::string_view text);
  [[nodiscard]] std::string_view name() const;
};
using Applet = int (*)(AppletCall&);
/// nullptr when there is none of this name.
Applet find_applet(std::string_view name);
/// Names of all applets, sorted: for `busybox` and for templates.
std::vector<std::string> applet_names();
/// strerror-like text of an error.
std::string reason_of(const Error& error);
/// Memory as free(1) and /proc/meminfo show it inside, in bytes.
struct MemoryView {
  std::uint64_t total = 0, used = 0, free = 0, cache = 0;
  std::uint64_t swap_total = 0, swap_used = 0;
};
MemoryView memory_view(ProcessModel& table, const SimProcess& process);
/// Content of a /proc, /sys or /dev file as the process sees it; std::nullopt = no such model.
std::optional<std::string> read_special(ProcessModel& table, const SimProcess& process,
                                        const std::string& path);
/// Reads a file, special ones included; device rules apply.
Result<std::string> read_for(ProcessModel& table, const SimProcess& process, const std::string& path);

/// How a command of a shell (or an exec) went.
struct Launched {
  int status = 0;          ///< when it has ended already
  std::int32_t child = 0;  ///< otherwise this process runs it
};
/// Runs argv in the name of `parent` (in its space and group) with these streams; small programs
/// end at once, others become children, or with `become` take the process over (execve: then
/// `child` is the process itself). Failures to start are statuses with a message on err.
Launched launch(ProcessModel& table, SimProcess& parent, std::vector<std::string> argv,
                const std::map<std::string, std::string>& environment, const std::string& directory,
                const ProcessStreams& streams, bool become = false);

/// The first program of an exec, run or background job: launches argv in its own process.
class LaunchProgram final : public Program {
 public:
  [[nodiscard]] ProgramKind kind() const override { return ProgramKind::launch; }
  void handle(ProcessModel& table, SimProcess& process, const ProcessEvent& event) override;
  void save(SaveArchive& /*archive*/) const override {}
  void load(LoadArchive& /*archive*/) override {}
};

/// Waits, then ends with a prepared status and text: sleep, dd, ping.
class DelayProgram final : public Program {
 public:
  DelayProgram() = default;
  DelayProgram(Duration length, int status, std::string out = {}, std::string err = {})
      : length_(length), status_(status), out_(std::move(out)), err_(std::move(err)) {}
  [[nodiscard]] ProgramKind kind() const override { return ProgramKind::delay; }
  void handle(ProcessModel& table, SimProcess& process, const ProcessEvent& event) override;
  void save(SaveArchive& archive) const override { archive(length_, status_, out_, err_); }
  void load(LoadArchive& archive) override { archive(length_, status_, out_, err_); }

 private:
  Duration length_{0};
  int status_ = 0;
  std::string out_, err_;
};

/// Parses "10", "1.5", "2m", "1h": seconds of sleep(1) and its kin. std::nullopt for nonsense.
std::optional<Duration> parse_seconds(std::string_view text);
/// Decimal number with an optional K, M, G or T suffix (× 1024). std::nullopt for nonsense.
std::optional<std::uint64_t> parse_amount(std::string_view text);

}  // namespace twinhull::sim
