// vzload, modelled natively: loads as state machines whose cost is exact.
#pragma once

#include <string>
#include <vector>

#include "backends/sim/process/process_model.h"
#include "backends/sim/programs/launch.h"

namespace twinhull::sim {

/// What a vzload was asked to do.
struct LoadSpec {
  enum class Kind : std::uint8_t { cpu, memory, write, serve, send, trace };
  Kind kind = Kind::cpu;
  std::uint32_t threads = 1;
  std::uint64_t hundredths_of_percent = 10'000;  ///< of each thread's CPU
  bool has_end = false;
  Duration length{0};                            ///< --for, --hold; trace: --interval
  Bytes bytes{kUnlimited};
  std::uint64_t rate = 0;                        ///< bytes a second; 0 = as fast as it goes
  bool sync = false;
  std::string file;
  IpAddress address;
  std::uint16_t port = 0;
  std::vector<std::uint32_t> trace;              ///< hundredths of a percent of `threads` CPUs
};

class LoadProgram final : public Program {
 public:
  LoadProgram() = default;
  explicit LoadProgram(LoadSpec spec) : spec_(std::move(spec)) {}
  [[nodiscard]] ProgramKind kind() const override { return ProgramKind::load; }
  void handle(ProcessModel& table, SimProcess& process, const ProcessEvent& event) override;
  void leave(ProcessModel& table, SimProcess& process) override;
  void save(SaveArchive& archive) const override;
  void load(LoadArchive& archive) override;

 private:
  void start(ProcessModel& table, SimProcess& process);
  void grow(ProcessModel& table, SimProcess& process);
  void write(ProcessModel& table, SimProcess& process);
  void demand(ProcessModel& table, SimProcess& process);
  void end(ProcessModel& table, SimProcess& process);
  void refuse(ProcessModel& table, SimProcess& process, const std::string& text);

  LoadSpec spec_;
  Instant begun_{};
  std::uint64_t bytes_ = 0;
  std::uint64_t line_ = 0;
  std::uint64_t flow_ = 0;
  bool holding_ = false;
};

/// `vzload …`: parses the command line; a wrong one is a message and exit code 2.
int applet_vzload(AppletCall& call);

}  // namespace twinhull::sim
