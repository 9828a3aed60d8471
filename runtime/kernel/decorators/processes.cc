#include "runtime/kernel/processes.h"

#include "runtime/kernel/decorators/ports.h"

namespace twinhull::decorators {
namespace {

class ObservedProcesses final : public Processes {
 public:
  ObservedProcesses(Processes& inner, Hook& hook) : inner_(inner), hook_(hook) {}

  Result<ProcessRef> spawn(const SpawnSpec& spec) override {
    return hook_.call("processes.spawn", spec.label, [&] { return inner_.spawn(spec); }, spec);
  }
  Result<std::optional<ProcessRef>> find(const std::string& label) override {
    return hook_.call("processes.find", label, [&] { return inner_.find(label); });
  }
  Result<std::vector<LabeledProcess>> list() override {
    return hook_.call("processes.list", {}, [&] { return inner_.list(); });
  }
  // A process is a number that the kernel chose: it is an argument, not the name of an object.
  Result<ExecOutcome> exec(ProcessRef init, const ExecSpec& spec) override {
    return hook_.call(
        "processes.exec", program(spec), [&] { return inner_.exec(init, spec); }, init, spec);
  }
  Result<ExecOutcome> run(const ExecSpec& spec) override {
    return hook_.call("processes.run", program(spec), [&] { return inner_.run(spec); }, spec);
  }
  Result<ExecOutcome> run_in_root(const std::string& root, const ExecSpec& spec) override {
    return hook_.call(
        "processes.run_in_root", root, [&] { return inner_.run_in_root(root, spec); }, spec);
  }
  Result<Effect> signal(ProcessRef process, Signal signal) override {
    return hook_.call(
        "processes.signal", {}, [&] { return inner_.signal(process, signal); }, process, signal);
  }
  Status wait_gone(ProcessRef process, Duration timeout) override {
    return hook_.call(
        "processes.wait_gone", {}, [&] { return inner_.wait_gone(process, timeout); }, process,
        timeout);
  }
  Result<bool> alive(ProcessRef process) override {
    return hook_.call("processes.alive", {}, [&] { return inner_.alive(process); }, process);
  }
  Result<ProcessRef> self() override {
    return hook_.call("processes.self", {}, [&] { return inner_.self(); });
  }
  Result<std::optional<ProcessRef>> lookup(std::int32_t pid) override {
    return hook_.call("processes.lookup", {}, [&] { return inner_.lookup(pid); }, pid);
  }
  Result<std::string> command_line(ProcessRef process) override {
    return hook_.call(
        "processes.command_line", {}, [&] { return inner_.command_line(process); }, process);
  }
  Result<ProcessFacts> facts(ProcessRef process) override {
    return hook_.call(
        "processes.facts", {}, [&] { return inner_.facts(process); }, process);
  }
  Result<Effect> set_oom_adjust(ProcessRef process, std::int32_t adjust) override {
    return hook_.call(
        "processes.set_oom_adjust", {}, [&] { return inner_.set_oom_adjust(process, adjust); },
        process, adjust);
  }
  Result<Instant> started_at(ProcessRef process) override {
    return hook_.call(
        "processes.started_at", {}, [&] { return inner_.started_at(process); }, process);
  }
  Status set_hostname(ProcessRef init, const std::string& name) override {
    return hook_.call(
        "processes.set_hostname", name, [&] { return inner_.set_hostname(init, name); }, init);
  }

 private:
  static std::string_view program(const ExecSpec& spec) {
    return spec.argv.empty() ? std::string_view() : std::string_view(spec.argv.front());
  }

  Processes& inner_;
  Hook& hook_;
};

}  // namespace

std::unique_ptr<Processes> wrap_processes(Processes& inner, Hook& hook) {
  return std::make_unique<ObservedProcesses>(inner, hook);
}

}  // namespace twinhull::decorators
