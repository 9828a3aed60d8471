#include "backends/sim/process/init_program.h"

#include <algorithm>

#include "backends/sim/programs/launch.h"

namespace twinhull::sim {

InitSpec InitSpec::parse(const std::map<std::string, std::string>& options) {
  InitSpec spec;
  const auto duration = [&](const char* name, Duration& into) {
    const auto found = options.find(name);
    if (found == options.end()) return;
    std::string text = found->second;
    if (text.ends_with("ms")) {
      if (const auto count = parse_amount(text.substr(0, text.size() - 2))) {
        into = milliseconds(static_cast<std::int64_t>(std::min<std::uint64_t>(*count, 86'400'000)));
      }
      return;
    }
    if (const auto parsed = parse_seconds(text)) into = *parsed;
  };
  duration("boot", spec.boot);
  duration("stop", spec.stop);
  if (const auto found = options.find("services"); found != options.end()) {
    if (const auto count = parse_amount(found->second)) {
      spec.services = static_cast<std::uint32_t>(std::min<std::uint64_t>(*count, 1000));
    }
  }
  if (const auto found = options.find("memory"); found != options.end()) {
    if (const auto bytes = parse_amount(found->second)) spec.memory = {*bytes};
  }
  return spec;
}

void InitProgram::handle(ProcessModel& table, SimProcess& process, const ProcessEvent& event) {
  const Instant now = table.node().engine.now();
  switch (event.kind) {
    case ProcessEvent::Kind::start: table.arm(process, now + spec_.boot); break;
    case ProcessEvent::Kind::timer:
      if (phase_ == Phase::booting) return boot(table, process);
      if (phase_ == Phase::stopping) return table.finish(process, {false, 0});
      break;
    case ProcessEvent::Kind::signal:
      // What the inits of distributions take as a request to end: power failure (SysV), USR1 and
      // USR2 (halt and power off of busybox), TERM and INT (reboot: a container's init just ends).
      if (event.signal == Signal::hangup || phase_ == Phase::stopping) return;
      phase_ = Phase::stopping;
      table.arm(process, now + spec_.stop);
      break;
    default: break;
  }
}

void InitProgram::boot(ProcessModel& table, SimProcess& process) {
  phase_ = Phase::running;
  const std::uint64_t part = spec_.memory.value / (std::uint64_t{spec_.services} + 1);
  const ProcessRef self = process.ref;
  if (!table.charge(process, {part})) return;
  for (std::uint32_t i = 0; i < spec_.services; ++i) {
    RunSpec spec;
    spec.space = process.space;
    spec.cgroup = process.cgroup;
    spec.root = process.root;
    spec.environment = process.environment;
    spec.parent = process.ref.pid;
    // A service that cannot be started (pids limit, memory) is missing, as on a real system.
    auto service = table.create(spec, {"service" + std::to_string(i + 1)},
                                std::make_unique<IdleProgram>());
    if (service) table.charge(**service, {part});
    if (table.find(self) == nullptr) return;  // the OOM killer took the whole container
  }
}

void InitProgram::save(SaveArchive& archive) const {
  archive(spec_.boot, spec_.services, spec_.memory, spec_.stop, phase_);
}

void InitProgram::load(LoadArchive& archive) {
  archive(spec_.boot, spec_.services, spec_.memory, spec_.stop, phase_);
  require_sane(phase_ <= Phase::stopping && spec_.services <= 1000, "an init is damaged");
}

}  // namespace twinhull::sim
