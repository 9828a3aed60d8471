// A container's first process: boots, runs services, stops gracefully.
#pragma once

#include <map>
#include <string>

#include "backends/sim/process/process_model.h"

namespace twinhull::sim {

/// From `#!sim init boot=<seconds> services=<n> memory=<bytes> stop=<seconds>`: it takes `boot`
/// until the services run, holds `memory` in all, and needs `stop` after a request to end.
struct InitSpec {
  Duration boot{milliseconds(200)};
  std::uint32_t services = 1;
  Bytes memory{std::uint64_t{1} << 20};
  Duration stop{milliseconds(200)};
  static InitSpec parse(const std::map<std::string, std::string>& options);
};

class InitProgram final : public Program {
 public:
  InitProgram() = default;
  explicit InitProgram(const InitSpec& spec) : spec_(spec) {}
  [[nodiscard]] ProgramKind kind() const override { return ProgramKind::init; }
  void handle(ProcessModel& table, SimProcess& process, const ProcessEvent& event) override;
  void save(SaveArchive& archive) const override;
  void load(LoadArchive& archive) override;
  [[nodiscard]] bool running() const { return phase_ == Phase::running; }

 private:
  enum class Phase : std::uint8_t { booting, running, stopping };
  void boot(ProcessModel& table, SimProcess& process);
  InitSpec spec_;
  Phase phase_ = Phase::booting;
};

/// A service: there, and idle.
class IdleProgram final : public Program {
 public:
  [[nodiscard]] ProgramKind kind() const override { return ProgramKind::idle; }
  void handle(ProcessModel& /*table*/, SimProcess& /*process*/,
              const ProcessEvent& /*event*/) override {}
  void save(SaveArchive& /*archive*/) const override {}
  void load(LoadArchive& /*archive*/) override {}
};

}  // namespace twinhull::sim
