// The Processes port of a simulated node.
#include <algorithm>

#include "backends/sim/process/init_program.h"
#include "backends/sim/process/process_model.h"
#include "backends/sim/programs/launch.h"

namespace twinhull::sim {
namespace {

constexpr Duration kSpawnTime = milliseconds(15);  ///< namespaces, mounts, execve (feasibility F)
constexpr Duration kExecTime = milliseconds(5);

bool valid_label(const std::string& label) {
  return !label.empty() && label.size() <= 64 &&
         std::all_of(label.begin(), label.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

std::map<std::string, std::string> variables_of(const std::vector<EnvironmentVariable>& list) {
  std::map<std::string, std::string> result;
  for (const EnvironmentVariable& variable : list) result[variable.name] = variable.value;
  return result;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

class SimProcesses final : public Processes {
 public:
  explicit SimProcesses(NodeGate gate) : gate_(gate) {}

  Result<ProcessRef> spawn(const SpawnSpec& spec) override {
    constexpr std::string_view kCall = "processes.spawn";
    TH_TRY(gate_.enter(kCall, spec.label));
    if (!valid_label(spec.label)) {
      return fail(ErrorCode::invalid_argument, kCall, spec.label,
                  "a label is 1 to 64 letters, digits, '.', '_' or '-'");
    }
    if (spec.argv.empty()) {
      return fail(ErrorCode::invalid_argument, kCall, spec.label, "no program is named");
    }
    if (spec.oom_adjust) TH_TRY(check_oom_adjust(kCall, spec.label, *spec.oom_adjust));
    const auto in_use = [&]() -> Status {
      if (!model().find_label(spec.label)) return {};
      return fail(ErrorCode::already_running, kCall, spec.label,
                  "a container with this label runs already");
    };
    TH_TRY(in_use());
    TH_TRY(gate_.work(kSpawnTime, kCall, spec.label));
    TH_TRY(in_use());  // somebody else may have been quicker

    Node& node = gate_.node();
    auto root = FileView::root_of(node, spec.root);
    if (!root) {
      return fail(ErrorCode::not_found, kCall, spec.root, "the root directory does not exist")
          .caused_by(std::move(root).error());
    }
    const FileView view(node, *root);
    const auto environment = variables_of(spec.environment);
    const Executable found = find_executable(view, spec.argv[0], environment, "/");
    if (found.kind == Executable::Kind::missing) {
      return fail(ErrorCode::not_found, kCall, spec.root + " " + spec.argv[0],
                  "the program does not exist inside the root");
    }
    if (found.kind == Executable::Kind::denied) {
      return fail(ErrorCode::not_permitted, kCall, spec.root + " " + spec.argv[0],
                  "the file inside the root cannot be executed");
    }
    if (found.kind == Executable::Kind::unknown) {
      return fail(ErrorCode::not_supported, kCall, spec.root + " " + spec.argv[0],
                  "the simulator has no model of this program");
    }
    if (model().cgroups().find(spec.cgroup.text) == nullptr || spec.cgroup.text.empty()) {
      return fail(ErrorCode::not_found, kCall, spec.cgroup.text, "no such control group");
    }

    const std::size_t slash = spec.argv[0].rfind('/');
    const std::string called = slash == std::string::npos ? spec.argv[0] : spec.argv[0].substr(slash + 1);
    std::unique_ptr<Program> program;
    if (found.model == "init" || found.model == "systemd" ||
        (found.model == "busybox" && called == "init")) {
      program = std::make_unique<InitProgram>(InitSpec::parse(found.options));
    } else {
      program = std::make_unique<LaunchProgram>();
    }
    Space space;
    space.label = spec.label;
    space.hostname = spec.hostname.empty() ? spec.label : spec.hostname;
    space.boots = true;
    for (const ResourceLimit& limit : spec.limits) {
      if (limit.kind == ResourceLimit::Kind::open_files) space.open_files = limit.soft;
    }
    RunSpec run;
    run.space = model().add_space(std::move(space));
    run.cgroup = spec.cgroup.text;
    run.root = *root;
    run.environment = environment;
    run.oom_adjust = spec.oom_adjust;
    if (!spec.console_log.empty()) {
      run.streams.out = {OutputStream::Kind::file, nullptr, spec.console_log};
      run.streams.err = run.streams.out;
    }
    auto made = model().create(run, spec.argv, std::move(program));
    if (!made) {
      model().abandon_space(run.space);
      Error error = std::move(made).error();
      error.operation = kCall;
      return error;
    }
    const ProcessRef ref = (*made)->ref;
    node.engine.note(kCall, spec.label, {node.index, static_cast<std::uint64_t>(ref.pid)});
    node.world.record_life(node, spec.label, true);
    model().pump();
    return ref;
  }

  Result<std::optional<ProcessRef>> find(const std::string& label) override {
    TH_TRY(gate_.enter("processes.find", label));
    const auto space = model().find_label(label);
    if (!space) return std::optional<ProcessRef>();
    return std::optional(model().find(model().space(*space)->init)->ref);
  }

  Result<std::vector<LabeledProcess>> list() override {
    TH_TRY(gate_.enter("processes.list", ""));
    std::vector<LabeledProcess> result;
    for (const auto& [id, space] : model().spaces()) {
      if (space.boots) result.push_back({space.label, model().find(space.init)->ref});
    }
    std::sort(result.begin(), result.end(),
              [](const auto& a, const auto& b) { return a.label < b.label; });
    return result;
  }

  Result<ExecOutcome> exec(ProcessRef init, const ExecSpec& spec) override {
    constexpr std::string_view kCall = "processes.exec";
    TH_TRY(gate_.enter(kCall, joined(spec.argv)));
    TH_TRY(check(kCall, spec));
    const auto lost = [&] {
      return fail(ErrorCode::not_running, kCall, "process " + std::to_string(init.pid),
                  "the container is not running");
    };
    const auto home = [&]() -> SimProcess* {
      SimProcess* process = model().find(init);
      return process == nullptr || process->space == kNodeSpace ? nullptr : process;
    };
    if (home() == nullptr) return lost();
    TH_TRY(gate_.sleep(kExecTime, kCall, joined(spec.argv)));
    const SimProcess* process = home();
    if (process == nullptr) return lost();
    RunSpec run;
    run.space = process->space;
    run.cgroup = process->cgroup;
    run.root = process->root;
    return perform(kCall, spec, std::move(run));
  }

  Result<ExecOutcome> run(const ExecSpec& spec) override {
    constexpr std::string_view kCall = "processes.run";
    TH_TRY(gate_.enter(kCall, joined(spec.argv)));
    TH_TRY(check(kCall, spec));
    TH_TRY(gate_.sleep(kExecTime, kCall, joined(spec.argv)));
    return perform(kCall, spec, {});
  }

  Result<ExecOutcome> run_in_root(const std::string& root, const ExecSpec& spec) override {
    constexpr std::string_view kCall = "processes.run_in_root";
    TH_TRY(gate_.enter(kCall, root));
    TH_TRY(check(kCall, spec));
    TH_TRY(gate_.sleep(kExecTime, kCall, root));
    auto place = FileView::root_of(gate_.node(), root);
    if (!place) {
      Error error = std::move(place).error();
      error.operation = kCall;
      return error;
    }
    RunSpec run;
    run.root = *place;
    Space space;
    space.hostname = model().hostname(kNodeSpace);
    run.space = model().add_space(std::move(space));
    auto outcome = perform(kCall, spec, run);
    model().abandon_space(run.space);
    return outcome;
  }

  Result<Effect> signal(ProcessRef process, Signal signal) override {
    TH_TRY(gate_.enter("processes.signal", std::to_string(process.pid)));
    SimProcess* target = model().find(process);
    if (target == nullptr) return Effect::none;
    if (target->command) {
      return fail(ErrorCode::not_supported, "processes.signal", std::to_string(process.pid),
                  "operators' commands are stopped through the world, not by signals");
    }
    gate_.node().engine.note("processes.signal", {static_cast<std::uint64_t>(process.pid),
                                                  static_cast<std::uint64_t>(signal)});
    model().send(*target, signal);
    model().pump();
    return Effect::changed;
  }

  Status wait_gone(ProcessRef process, Duration timeout) override {
    const std::string object = "process " + std::to_string(process.pid);
    TH_TRY(gate_.enter("processes.wait_gone", object));
    const Instant deadline = gate_.node().engine.now() + std::max(timeout, Duration(0));
    while (model().find(process) != nullptr) {
      TH_TRY(gate_.wait(model().changed(), deadline, "processes.wait_gone", object));
    }
    return {};
  }

  Result<bool> alive(ProcessRef process) override {
    TH_TRY(gate_.enter("processes.alive", std::to_string(process.pid)));
    return model().find(process) != nullptr;
  }

  Result<ProcessRef> self() override {
    TH_TRY(gate_.enter("processes.self", ""));
    const Fiber* fiber = gate_.node().engine.current();
    const SimProcess* process = model().find(fiber == nullptr || fiber->pid == 0 ? 1 : fiber->pid);
    if (process == nullptr) {
      return fail(ErrorCode::not_running, "processes.self", "", "the caller is no process");
    }
    return process->ref;
  }

  Result<std::optional<ProcessRef>> lookup(std::int32_t pid) override {
    TH_TRY(gate_.enter("processes.lookup", std::to_string(pid)));
    const SimProcess* process = model().find(pid);
    return process == nullptr ? std::optional<ProcessRef>() : std::optional(process->ref);
  }

  Result<std::string> command_line(ProcessRef process) override {
    TH_TRY(gate_.enter("processes.command_line", std::to_string(process.pid)));
    const SimProcess* found = model().find(process);
    return found == nullptr ? std::string() : joined(found->argv);
  }

  Result<ProcessFacts> facts(ProcessRef process) override {
    const std::string object = "process " + std::to_string(process.pid);
    TH_TRY(gate_.enter("processes.facts", object));
    const SimProcess* found = model().find(process);
    if (found == nullptr) {
      return fail(ErrorCode::not_running, "processes.facts", object, "it is gone");
    }
    return model().facts(*found);
  }

  Result<Effect> set_oom_adjust(ProcessRef process, std::int32_t adjust) override {
    constexpr std::string_view kCall = "processes.set_oom_adjust";
    const std::string object = "process " + std::to_string(process.pid);
    TH_TRY(gate_.enter(kCall, object));
    TH_TRY(check_oom_adjust(kCall, object, adjust));
    const SimProcess* found = model().find(process);
    if (found == nullptr) return Effect::none;
    if (found->memory == 0) {
      return fail(ErrorCode::not_supported, kCall, object,
                  "operators' commands use no simulated memory");
    }
    MemoryTree& memory = model().cgroups().memory();
    if (memory.oom_adjust(found->memory) == adjust) return Effect::none;
    memory.set_oom_adjust(found->memory, adjust);
    gate_.node().engine.note(kCall, {static_cast<std::uint64_t>(process.pid),
                                     static_cast<std::uint64_t>(adjust - kLeastOomAdjust)});
    return Effect::changed;
  }

  Result<Instant> started_at(ProcessRef process) override {
    TH_TRY(gate_.enter("processes.started_at", std::to_string(process.pid)));
    const SimProcess* found = model().find(process);
    if (found == nullptr) {
      return fail(ErrorCode::not_running, "processes.started_at",
                  "process " + std::to_string(process.pid), "it is gone");
    }
    return Instant(found->started - gate_.node().booted_at);
  }

  Status set_hostname(ProcessRef init, const std::string& name) override {
    constexpr std::string_view kCall = "processes.set_hostname";
    TH_TRY(gate_.enter(kCall, name));
    const SimProcess* process = model().find(init);
    if (process == nullptr || process->space == kNodeSpace) {
      return fail(ErrorCode::not_running, kCall, "process " + std::to_string(init.pid),
                  "the container is not running");
    }
    if (name.empty() || name.size() > 64) {
      return fail(ErrorCode::invalid_argument, kCall, name, "a host name is 1 to 64 bytes");
    }
    model().set_hostname(process->space, name);
    gate_.node().engine.note(kCall, name, {gate_.node().index});
    return {};
  }

 private:
  [[nodiscard]] ProcessModel& model() const { return processes_of(gate_.node()); }

  static Status check(std::string_view call, const ExecSpec& spec) {
    if (spec.argv.empty()) return fail(ErrorCode::invalid_argument, call, "", "no program is named");
    if (spec.oom_adjust) TH_TRY(check_oom_adjust(call, spec.argv[0], *spec.oom_adjust));
    return {};
  }
  static Status check_oom_adjust(std::string_view call, const std::string& object,
                                 std::int32_t adjust) {
    if (adjust >= kLeastOomAdjust && adjust <= kMostOomAdjust) return {};
    return fail(ErrorCode::invalid_argument, call, object,
                "oom_score_adj is " + std::to_string(kLeastOomAdjust) + " to " +
                    std::to_string(kMostOomAdjust) + ", not " + std::to_string(adjust));
  }

  /// Runs the program to its end; blocks the calling command.
  Result<ExecOutcome> perform(std::string_view call, const ExecSpec& spec, RunSpec run) {
    Engine& engine = gate_.node().engine;
    const std::string object = joined(spec.argv);
    auto out = std::make_shared<OutputBuffer>();
    auto err = std::make_shared<OutputBuffer>();
    run.streams.out = {OutputStream::Kind::buffer, out, {}};
    run.streams.err = {OutputStream::Kind::buffer, err, {}};
    run.streams.in = std::make_shared<InputText>();
    run.streams.in->text = spec.input;  // commands have no descriptors: all modes work alike
    run.directory = spec.directory.empty() ? "/" : spec.directory;
    run.environment = variables_of(spec.environment);
    run.oom_adjust = spec.oom_adjust;
    const FileView view(gate_.node(), run.root);
    const Executable found =
        find_executable(view, spec.argv[0], run.environment, run.directory);
    ExecOutcome outcome;
    if (found.kind == Executable::Kind::missing) {
      outcome.status = {false, 127};
      outcome.err = spec.argv[0] + ": not found\n";
      return outcome;
    }
    if (found.kind != Executable::Kind::model && found.kind != Executable::Kind::script) {
      outcome.status = {false, 126};
      outcome.err = spec.argv[0] + (found.kind == Executable::Kind::denied
                                        ? ": Permission denied\n"
                                        : ": the simulator has no model of this program\n");
      return outcome;
    }
    auto made = model().create(run, spec.argv, std::make_unique<LaunchProgram>());
    if (!made) {
      Error error = std::move(made).error();
      error.operation = call;
      return error;
    }
    const ProcessRef ref = (*made)->ref;
    std::optional<ExitStatus> status;
    model().collect(ref.pid, &status);
    engine.note(call, object, {gate_.node().index, static_cast<std::uint64_t>(ref.pid)});
    std::optional<Instant> deadline;
    if (spec.timeout) deadline = engine.now() + *spec.timeout;
    model().pump();
    while (!status) {
      if (const Status waited = gate_.wait(model().changed(), deadline, call, object); !waited) {
        // After a power cut the table is another boot's: nothing of ours is left in it.
        if (waited.error().code != ErrorCode::node_down || gate_.enter(call, object)) {
          model().uncollect(ref.pid);
          model().kill(ref.pid, 9);
        } else if (gate_.node().powered && gate_.node().boot == gate_.boot()) {
          model().uncollect(ref.pid);
          model().kill(ref.pid, 9);  // the calling command was killed
        }
        out->closed = err->closed = true;
        return waited.error();
      }
    }
    out->closed = err->closed = true;
    outcome.status = *status;
    outcome.out = std::move(out->text);
    outcome.err = std::move(err->text);
    return outcome;
  }

  NodeGate gate_;
};

}  // namespace

std::unique_ptr<Processes> make_processes_port(NodeGate gate) {
  return std::make_unique<SimProcesses>(gate);
}

}  // namespace twinhull::sim
