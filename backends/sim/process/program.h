// A running program as a state machine: it acts at events and never blocks.
#pragma once

#include <cstdint>
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

enum class ProgramKind : std::uint8_t { launch, delay, load, shell, init, idle, transfer };

/// Base of all models. A program ends its process by ProcessModel::finish and then touches nothing.
class Program {
 public:
  virtual ~Program() = default;
  [[nodiscard]] virtual ProgramKind kind() const = 0;
  virtual void handle(ProcessModel& table, SimProcess& process, const ProcessEvent& event) = 0;
  /// The process is about to be gone (ended or killed): release what others hold for it.
  virtual void leave(ProcessModel& /*table*/, SimProcess& /*process*/) {}
  virtual void save(SaveArchive& archive) const = 0;
  virtual void load(LoadArchive& archive) = 0;
};

/// An empty program of this kind, to be loaded. nullptr for an unknown kind.
std::unique_ptr<Program> make_program(ProgramKind kind);

}  // namespace twinhull::sim
