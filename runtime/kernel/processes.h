// Port: processes, namespaces and running programs.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/kernel/cgroup_path.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull {

/// A process of the node: a number can be recycled, number + generation cannot.
struct ProcessRef {
  std::int32_t pid = 0;          ///< as the node counts
  std::uint64_t generation = 0;  ///< start time of the process in the kernel's own ticks
  bool operator==(const ProcessRef&) const = default;
};

enum class Signal : std::uint8_t { hangup, interrupt, kill, terminate, user1, user2, power_fail, stop, resume };

/// How a program ended.
struct ExitStatus {
  bool signaled = false;
  int value = 0;  ///< exit code 0…255, or the number of the signal
  bool operator==(const ExitStatus&) const = default;
  [[nodiscard]] bool success() const { return !signaled && value == 0; }
  /// As a shell reports it: the code, or 128 + signal.
  [[nodiscard]] int shell_code() const { return signaled ? 128 + value : value; }
};

struct EnvironmentVariable {
  std::string name;
  std::string value;
};

/// A device node inside a container, and what its processes may do with it (devices cgroup rule).
struct DeviceRule {
  char type = 'c';                    ///< 'c' or 'b'
  std::optional<std::uint32_t> major; ///< std::nullopt = all
  std::optional<std::uint32_t> minor;
  bool read = true, write = true, mknod = false;
  bool operator==(const DeviceRule&) const = default;
};

/// Linux capabilities by the kernel's bit numbers (capability.h), as a mask.
struct CapabilitySet {
  std::uint64_t mask = 0;
  bool operator==(const CapabilitySet&) const = default;
};

/// User-namespace mapping: inside id 0 … count-1 = outside id base … base+count-1.
struct IdMapping {
  std::uint32_t base = 100000;
  std::uint32_t count = 65536;
};

struct ResourceLimit {
  enum class Kind : std::uint8_t { open_files, core_size, locked_memory, processes };
  Kind kind = Kind::open_files;
  std::uint64_t soft = kUnlimited;
  std::uint64_t hard = kUnlimited;
};

/// What the init of a container is started with. The backend adds what every container has:
/// new pid, mount, network, ipc, uts and cgroup namespaces; /proc, /sys (read-only), /dev with its
/// standard nodes, /dev/pts, /dev/shm, /run when `root` has one; masked and read-only proc paths;
/// a session of its own and no descriptor of ours.
struct SpawnSpec {
  std::string label;  ///< unique on the node, [A-Za-z0-9._-]{1,64}: the container's id
  std::string root;   ///< mounted root directory
  std::vector<std::string> argv;
  std::vector<EnvironmentVariable> environment;
  std::string hostname;
  CgroupPath cgroup;  ///< exists; the process is inside before its first instruction
  CapabilitySet capabilities;
  std::vector<ResourceLimit> limits;
  bool seccomp = true;               ///< refuse the system calls that endanger the node
  std::optional<IdMapping> user_namespace;
  std::string console_log;           ///< file inside the root that init's output goes to; empty = /dev/null
  std::optional<std::int32_t> oom_adjust;  ///< see set_oom_adjust; std::nullopt = the caller's own
};

/// Where a program's standard streams go.
enum class Streams : std::uint8_t {
  capture,   ///< collected and handed back
  inherit,   ///< those of the command that calls; where commands have no descriptors of their own
             ///< (simulator) `input` is used and the text comes back as under `capture`
  terminal,  ///< inherit through a new pseudo-terminal (vzctl enter); simulator: as inherit
};

struct ExecSpec {
  std::vector<std::string> argv;  ///< argv[0] is looked up in PATH when it has no '/'
  std::vector<EnvironmentVariable> environment;
  std::string directory = "/";
  std::string input;              ///< standard input under Streams::capture
  Streams streams = Streams::capture;
  std::optional<Duration> timeout;  ///< afterwards the program is killed: timed_out
  std::optional<std::int32_t> oom_adjust;  ///< see set_oom_adjust; std::nullopt = the caller's own
};

struct ExecOutcome {
  ExitStatus status;
  std::string out;  ///< at most 16 MiB are kept
  std::string err;
};

/// oom_score_adj of a process (proc(5)): what the OOM killer adds to its size, in thousandths of
/// the memory in question. kLeastOomAdjust = never chosen. Children inherit it.
inline constexpr std::int32_t kLeastOomAdjust = -1000, kMostOomAdjust = 1000;

/// What rules about processes look at.
struct ProcessFacts {
  std::string name;       ///< of its program, as the kernel keeps it: the first 15 bytes (comm)
  std::string parent;     ///< its parent's name; empty when that is not of the same container
  std::uint32_t uid = 0;  ///< effective, as the node counts
  std::int32_t oom_adjust = 0;
  bool operator==(const ProcessFacts&) const = default;
};

struct LabeledProcess {
  std::string label;
  ProcessRef init;
};

/// Processes of one node. Container inits outlive the command that spawned them; the backend
/// finds them again by label. Labels and processes vanish with a power cut.
class Processes {
 public:
  virtual ~Processes() = default;

  /// Starts a container's init and returns once its program was executed. If the caller dies in the
  /// middle, no process stays. Errors: already_running (label in use), not_found (root, program or
  /// cgroup), not_permitted (program not executable), not_supported, limit_exceeded, no_memory.
  virtual Result<ProcessRef> spawn(const SpawnSpec& spec) = 0;
  /// The live init with this label, std::nullopt when there is none.
  virtual Result<std::optional<ProcessRef>> find(const std::string& label) = 0;
  /// All live inits, by label.
  virtual Result<std::vector<LabeledProcess>> list() = 0;

  /// Runs a program inside the container of `init`: all its namespaces, its cgroup, its root, its
  /// capability bounds and seccomp profile; waits for the end. A program that ran and failed is an
  /// outcome, not an error; 127 when it does not exist, 126 when it cannot be executed.
  /// Errors: not_running, timed_out, limit_exceeded (pids), interrupted.
  virtual Result<ExecOutcome> exec(ProcessRef init, const ExecSpec& spec) = 0;
  /// Runs a program of the node on the node (action scripts); same outcomes and errors.
  virtual Result<ExecOutcome> run(const ExecSpec& spec) = 0;
  /// Runs a program with `root` as its root in namespaces of its own that end with it: for files
  /// of a container that is mounted and not running. Same outcomes and errors.
  virtual Result<ExecOutcome> run_in_root(const std::string& root, const ExecSpec& spec) = 0;

  /// Effect::none when it was gone already.
  virtual Result<Effect> signal(ProcessRef process, Signal signal) = 0;
  /// Blocks until the process is gone. Errors: timed_out.
  virtual Status wait_gone(ProcessRef process, Duration timeout) = 0;
  /// Whether exactly this process (number and generation) is alive. A zombie is not.
  virtual Result<bool> alive(ProcessRef process) = 0;
  /// The command that calls: for locks.
  virtual Result<ProcessRef> self() = 0;
  /// The process with this number now, std::nullopt when there is none.
  virtual Result<std::optional<ProcessRef>> lookup(std::int32_t pid) = 0;
  /// Command line of a live process, for messages; empty when it is gone.
  virtual Result<std::string> command_line(ProcessRef process) = 0;
  /// Errors: not_running.
  virtual Result<ProcessFacts> facts(ProcessRef process) = 0;
  /// Gives a process its oom_score_adj. Effect::none when it has it, or is gone. Errors:
  /// invalid_argument (outside of kLeastOomAdjust…kMostOomAdjust), not_permitted (lower than
  /// somebody with that right set it before, or than 0, and this node lacks Feature::raise_limits).
  virtual Result<Effect> set_oom_adjust(ProcessRef process, std::int32_t adjust) = 0;
  /// When the process was started, on the node's monotonic clock. Errors: not_running.
  virtual Result<Instant> started_at(ProcessRef process) = 0;
  /// Sets the host name of the running container of `init`; its own root may lack the right.
  /// Errors: not_running, invalid_argument (not 1…64 bytes), not_supported (the container's own
  /// hostname(1) is all there is).
  virtual Status set_hostname(ProcessRef /*init*/, const std::string& name) {
    return fail(ErrorCode::not_supported, "processes.set_hostname", name,
                "this backend leaves it to hostname(1) inside");
  }
};

}  // namespace twinhull
