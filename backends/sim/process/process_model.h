// The processes of one node: table, containers ("spaces"), events, memory and CPU of each.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "backends/sim/cpu/cgroup_model.h"
#include "backends/sim/engine/engine.h"
#include "backends/sim/files/view.h"
#include "backends/sim/node.h"
#include "backends/sim/process/process_table.h"
#include "backends/sim/process/program.h"
#include "backends/sim/process/streams.h"

namespace twinhull::sim {

/// A set of namespaces of its own: a container, or the short-lived one of run_in_root.
struct Space {
  std::string label;               ///< empty for a short-lived one
  std::int32_t init = 0;           ///< its first process (node's pid)
  std::string hostname;
  std::uint64_t open_files = 1024; ///< RLIMIT_NOFILE of its first process, inherited by all
  std::int32_t next_inner = 1;     ///< pid numbers as seen inside
  bool boots = false;              ///< reported as a life event
  bool holds_back = false;         ///< memory that a lazy dump left out: SimProcess::held_back
  template <typename Archive>
  void serialize(Archive& archive) {
    archive(label, init, hostname, open_files, next_inner, boots, holds_back);
  }
};
inline constexpr std::uint32_t kNodeSpace = 0;
/// The one control file of a process that programs may write.
inline constexpr std::string_view kOomAdjustFile = "/proc/self/oom_score_adj";

/// Since the latest pre-dump: what a process held, and how much it had written.
struct PageWatch {
  Bytes held;
  std::uint64_t writes = 0;
  template <typename Archive>
  void serialize(Archive& archive) {
    archive(held.value, writes);
  }
};

/// Memory that a process made by a lazy restore still lacks (post-copy), in pages. It is charged
/// when it comes. A process with P pages, of which M are missing, stands still for
///   at first      min(M, 64) of them: what any program touches when it goes on;
///   at an event   ceil(T·M / P), where T = 8 + the distinct pages (dirty_pages.h) that it has written
///                 since the event before + those that the event makes it read (pages_read), at most
///                 P: the pages of an event are as likely missing as any.
/// It goes on when so many have come. Events are held back and no CPU is used meanwhile, as under
/// SIGSTOP; what the kernel does by itself (connections, timers) goes on.
struct LatePages {
  std::uint64_t missing = 0;
  std::uint64_t awaited = 0;  ///< of them; not 0: the process stands still
  std::uint64_t writes = 0;   ///< PageWrites::count at the event before
  bool touched = false;       ///< the next event has had its wait
  template <typename Archive>
  void serialize(Archive& archive) {
    archive(missing, awaited, writes, touched);
    if (awaited > missing || missing > (std::uint64_t{1} << 52U)) {
      throw CorruptWorld("missing memory is impossible");
    }
  }
};

/// One process.
struct SimProcess {
  ProcessRef ref;
  std::int32_t parent = 0;         ///< 0 = nobody waits for it
  std::uint32_t space = kNodeSpace;
  std::int32_t inner_pid = 0;
  std::string cgroup;              ///< path below the node's prefix, empty = the node's own
  FileRoot root;
  std::string directory = "/";
  std::map<std::string, std::string> environment;
  std::vector<std::string> argv;
  Instant started{};               ///< world time
  std::uint32_t threads = 1;
  std::uint32_t depth = 0;         ///< how many ancestors are programs of the same exec
  bool stopped = false;            ///< SIGSTOP
  bool command = false;            ///< an operator's command: its code is a fiber elsewhere
  CpuTaskId cpu = 0;               ///< 0 = wants none
  Duration cpu_before{0};          ///< used by earlier tasks of this process
  MemoryAccountId memory = 0;
  Timer timer;
  bool queued = false;
  std::optional<PageWatch> watch;
  std::optional<LatePages> late;    ///< never with nothing missing
  std::uint64_t held_back = 0;      ///< pages that a lazy dump left out and the peer will ask for
  std::deque<ProcessEvent> inbox;
  ProcessStreams streams;
  std::unique_ptr<Program> program;  ///< null for commands
};

[[nodiscard]] inline bool waits_for_memory(const SimProcess& process) {
  return process.late && process.late->awaited > 0;
}

/// How a program is to be run: everything beside its words.
struct RunSpec {
  std::uint32_t space = kNodeSpace;
  std::string cgroup;
  FileRoot root;
  std::string directory = "/";
  std::map<std::string, std::string> environment;
  ProcessStreams streams;
  std::int32_t parent = 0;
  std::uint32_t depth = 0;
  std::optional<std::int32_t> oom_adjust;  ///< std::nullopt = the parent's
};

class ProcessModel final : public ProcessTable {
 public:
  explicit ProcessModel(Node& node);

  // NodePart and ProcessTable.
  void power_off() override;
  void power_on() override;
  void save(SaveArchive& archive) const override;
  void load(LoadArchive& archive) override;
  [[nodiscard]] Status check() const override;
  ProcessRef begin_command(const std::string& command_line) override;
  void end_command(ProcessRef command) override;
  [[nodiscard]] bool uses_mount(std::uint32_t mount) const override;

  // --- making and ending ------------------------------------------------------------------------
  /// A process that will receive `start`. Errors: limit_exceeded (pids), no_memory.
  Result<SimProcess*> create(const RunSpec& spec, std::vector<std::string> argv,
                             std::unique_ptr<Program> program);
  /// A process of a checkpoint: number `inner` in its space, nothing charged, no event; its group
  /// must be frozen. Errors: limit_exceeded.
  Result<SimProcess*> revive(const RunSpec& spec, std::vector<std::string> argv,
                             std::unique_ptr<Program> program, std::int32_t inner);
  /// The process goes on as another program (execve), which receives `start`.
  void replace(SimProcess& process, std::vector<std::string> argv,
               const std::map<std::string, std::string>& environment, const std::string& directory,
               std::unique_ptr<Program> program);
  /// The program ended by itself. The process is gone when this returns.
  void finish(SimProcess& process, ExitStatus status);
  /// SIGKILL or a default action; init takes its whole space along.
  void kill(std::int32_t pid, int signal_number);
  void send(SimProcess& process, Signal signal);
  std::uint32_t add_space(Space space);
  /// Ends a space that has no first process (any more).
  void abandon_space(std::uint32_t space);


  // --- events -----------------------------------------------------------------------------------
  void post(SimProcess& process, ProcessEvent event);
  /// One timer a process: replaces the pending one.
  void arm(SimProcess& process, Instant at);
  /// Handles what is due now; harmless when it is being done already.
  void pump();
  /// The CPU model says that this task has done its work.
  void cpu_done(CpuTaskId task);
  /// After a thaw: what was held back goes on.
  void release(const std::string& cgroup);

  // --- memory that comes later (post-copy) --------------------------------------------------------
  /// A process just made lacks so many pages; it stands still until the first have come.
  void lack(SimProcess& process, std::uint64_t pages);
  /// So many missing pages have come: charges them and lets the process go on when it waited for no
  /// more. Returns how many of them it was waiting for. The OOM killer may take processes for them.
  std::uint64_t bring(SimProcess& process, std::uint64_t pages);
  /// Whether a process of the space lacks memory.
  [[nodiscard]] bool lacks(std::uint32_t space) const;

  // --- what programs need -----------------------------------------------------------------------
  /// Replaces the CPU task of the process (nullopt = none).
  void demand_cpu(SimProcess& process, std::optional<CpuDemand> demand);
  [[nodiscard]] Duration cpu_used(const SimProcess& process) const;
  /// Charges memory; kills by the rule of the OOM killer when there is none. False = this process
  /// itself was killed: touch nothing. `slowed` (optional) takes how long the process must sleep for
  /// it: the delay above a soft bound, and the writing of what was swapped out.
  bool charge(SimProcess& process, Bytes bytes, Duration* slowed = nullptr);
  /// The file was read through the page cache. Only what lies in a common lower layer is kept in
  /// mind; private files count as cache when they are written.
  void read_cached(const SimProcess& process, std::string_view path) const;
  Status write(const SimProcess& process, const OutputStream& stream, std::string_view text) const;
  [[nodiscard]] FileView view(const SimProcess& process) const { return {node_, process.root}; }
  /// A write of `text` to kOomAdjustFile. Errors: invalid_argument, not_permitted (lowering).
  Status set_oom_adjust(const SimProcess& process, std::string_view text) const;
  /// What rules about processes look at.
  [[nodiscard]] ProcessFacts facts(const SimProcess& process) const;
  /// Asks the init of a space to stop; false when the space has none.
  bool stop_space(std::uint32_t space, Signal how);

  [[nodiscard]] SimProcess* find(std::int32_t pid) const;
  [[nodiscard]] SimProcess* find(ProcessRef ref) const;
  [[nodiscard]] Space* space(std::uint32_t id);
  [[nodiscard]] const std::map<std::uint32_t, Space>& spaces() const { return spaces_; }
  [[nodiscard]] const std::map<std::int32_t, std::unique_ptr<SimProcess>>& all() const {
    return processes_;
  }
  [[nodiscard]] std::optional<std::uint32_t> find_label(const std::string& label) const;
  /// Processes of a space, by inner pid.
  [[nodiscard]] std::vector<SimProcess*> members(std::uint32_t space) const;
  [[nodiscard]] bool runnable(const SimProcess& process) const;
  [[nodiscard]] std::string hostname(std::uint32_t space) const;
  /// RLIMIT_NOFILE of the process.
  [[nodiscard]] std::uint64_t open_files(const SimProcess& process) const {
    const auto home = spaces_.find(process.space);
    return home == spaces_.end() ? Space{}.open_files : home->second.open_files;
  }
  void set_hostname(std::uint32_t space, std::string name);
  /// A command of the node (exec) waits for this process.
  [[nodiscard]] bool is_awaited(std::int32_t pid) const { return takers_.contains(pid); }
  [[nodiscard]] Node& node() const { return node_; }
  [[nodiscard]] CgroupModel& cgroups() const;

  /// Woken whenever a process is gone.
  WaitQueue& changed() { return changed_; }
  /// The exit status of `pid` goes to `target` when it ends (one taker).
  void collect(std::int32_t pid, std::optional<ExitStatus>* target) { takers_[pid] = target; }
  void uncollect(std::int32_t pid) { takers_.erase(pid); }

 private:
  std::int32_t new_pid();
  SimProcess& add(const RunSpec& spec, std::vector<std::string> argv,
                  std::unique_ptr<Program> program);
  void remove(SimProcess& process, ExitStatus status);
  void enqueue(SimProcess& process);
  void schedule_pump();
  void on_space_end(std::uint32_t space);
  /// The process is about to handle an event: whether it must wait for memory first.
  [[nodiscard]] bool must_wait(SimProcess& process) const;
  /// Stopped, or waiting for memory: tells the CPU model.
  void hold_cpu(const SimProcess& process) const;

  Node& node_;
  std::map<std::int32_t, std::unique_ptr<SimProcess>> processes_;
  std::map<std::uint32_t, Space> spaces_;
  std::string node_hostname_;
  std::deque<std::int32_t> ready_;
  Timer pump_timer_;
  bool pumping_ = false;
  std::int32_t last_pid_ = 1;
  std::uint64_t next_generation_ = 1;
  std::uint32_t next_space_ = 1;
  std::map<CpuTaskId, std::int32_t> cpu_owners_;
  std::vector<std::unique_ptr<SimProcess>> graveyard_;  ///< ended while their code was running
  std::vector<std::unique_ptr<Program>> replaced_;      ///< likewise
  WaitQueue changed_;
  std::map<std::int32_t, std::optional<ExitStatus>*> takers_;
};

/// The process model of a node.
inline ProcessModel& processes_of(const Node& node) {
  return static_cast<ProcessModel&>(*node.processes);
}

}  // namespace twinhull::sim
