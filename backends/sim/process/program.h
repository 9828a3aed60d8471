// A running program as a state machine: it acts at events and never blocks.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "backends/sim/engine/archive.h"
#include "runtime/kernel/processes.h"

namespace twinhull::sim {

class ProcessModel;
struct SimProcess;

/// What can happen to a program. Delivered in order; held back while the process is frozen or
/// stopped.
struct ProcessEvent {
  enum class Kind : std::uint8_t { start, timer, cpu_done, child, signal, network, disk };
  Kind kind = Kind::start;
  std::int32_t pid = 0;   ///< child: who ended
  ExitStatus status;      ///< child: how
  Signal signal = Signal::terminate;
  template <typename Archive>
  void serialize(Archive& archive) {
    archive(kind, pid, status, signal);
    if (kind > Kind::disk || signal > Signal::resume) throw CorruptWorld("unknown event");
  }
};

/// How a program writes to its memory (models 6.8).
enum class DirtyPattern : std::uint8_t { uniform, hot, sequential };

/// A program's writes to pages that it has: what changed between two looks follows from the counts.
struct PageWrites {
  std::uint64_t count = 0;  ///< pages written since its start, each time counted
  std::uint64_t pages = 0;  ///< among so many
  DirtyPattern pattern = DirtyPattern::uniform;
};

/// What a restored program finds under other numbers.
struct Relocation {
  std::map<std::int32_t, std::int32_t> pids;     ///< node's numbers: at the dump -> now
  std::map<std::uint64_t, std::uint64_t> flows;
  /// 0 for a process that was not dumped.
  [[nodiscard]] std::int32_t pid(std::int32_t before) const {
    const auto found = pids.find(before);
    return found == pids.end() ? 0 : found->second;
  }
};

enum class ProgramKind : std::uint8_t { launch, delay, load, shell, init, idle, transfer };

/// Base of all models. A program ends its process by ProcessModel::finish and then touches nothing.
class Program {
 public:
  virtual ~Program() = default;
  [[nodiscard]] virtual ProgramKind kind() const = 0;
  virtual void handle(ProcessModel& table, SimProcess& process, const ProcessEvent& event) = 0;
  /// The process is about to be gone (ended or killed): release what others hold for it.
  virtual void leave(ProcessModel& /*table*/, SimProcess& /*process*/) {}
  [[nodiscard]] virtual PageWrites page_writes(Instant /*now*/) const { return {}; }
  /// Pages that it reads when it handles the event, beside those that any program touches.
  [[nodiscard]] virtual std::uint64_t pages_read(const ProcessEvent& /*event*/) const { return 0; }
  /// After load(), in another process than the one that was saved.
  virtual void relocate(const Relocation& /*relocation*/) {}
  /// Goes on at an event of the disk, unless a timer or another event is to come.
  [[nodiscard]] virtual bool uses_disk() const { return false; }
  virtual void save(SaveArchive& archive) const = 0;
  virtual void load(LoadArchive& archive) = 0;
};

/// An empty program of this kind, to be loaded. nullptr for an unknown kind.
std::unique_ptr<Program> make_program(ProgramKind kind);

}  // namespace twinhull::sim
