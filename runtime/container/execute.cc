#include <optional>
#include <utility>

#include "runtime/container/live.h"
#include "runtime/container/oom.h"
#include "runtime/container/operations.h"
#include "runtime/container/root_mount.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/mounts.h"
#include "runtime/node/exit_codes.h"
#include "runtime/node/journal.h"
#include "runtime/node/undo.h"

namespace twinhull::container {
namespace {

constexpr const char* kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A clean environment: nothing of the node's leaks in (spec F3.31).
std::vector<EnvironmentVariable> clean_environment() {
  return {{"PATH", kPath}, {"HOME", "/"}, {"TERM", "linux"}};
}

void show(Context& context, const ExecOutcome& outcome) {
  if (!outcome.out.empty()) context.session.console.out(outcome.out);
  if (!outcome.err.empty()) context.session.console.error(outcome.err);
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

/// Streams and input of a program that the operator runs. Commands from standard input are read by
/// the program itself where this command has descriptors to hand on.
void connect(Context& context, ExecSpec& spec, bool wants_input) {
  if (context.session.own_streams) {
    spec.streams = Streams::inherit;
  } else {
    spec.streams = Streams::capture;
    if (wants_input) spec.input = context.session.read_input();
  }
}

/// Runs a program inside. OOM groups act on it, and anew on all that runs by now.
Result<ExecOutcome> run(Context& context, CtId id, ProcessRef init, ExecSpec spec) {
  // A damaged configuration is no reason to lock the operator out: then nothing is guaranteed.
  const Result<ContainerConfig> config = load_effective_config(context, id);
  TH_ASSIGN(const OomPolicy oom, oom_policy(context, config ? config->settings : CtSettings{}));
  TH_TRY(apply_oom(context, id, init, oom, {.tell = false}));
  spec.oom_adjust = oom_adjust_of(oom, spec.argv.front());
  Result<ExecOutcome> outcome = context.kernel().processes().exec(init, spec);
  if (!outcome && outcome.error().code == ErrorCode::timed_out)
    return with_default_exit_code(std::move(outcome).error(), ExitCode::exec_timeout);
  return outcome;
}

Result<int> run_in_mounted(Context& context, const CtSettings& settings, const ExecSpec& spec) {
  TH_ASSIGN(const ExecOutcome outcome,
            context.kernel().processes().run_in_root(settings.root, spec));
  show(context, outcome);
  return outcome.status.shell_code();
}

/// Mounts for the time of the script only, under a journal.
Result<int> run_mounted_meanwhile(Context& context, const CtSettings& settings,
                                  const ExecSpec& spec) {
  Kernel& kernel = context.kernel();
  TH_TRY(check_sources(context, settings));
  Intent intent;
  intent.operation = "mount";
  intent.durable = false;
  const std::string journal = context.node.journal_file(settings.id);
  TH_TRY(write_intent(kernel, journal, intent));
  UndoList undo(kernel);
  int code = 0;
  const auto body = [&]() -> Status {
    TH_TRY(mount_root(context, settings, /*scripts=*/true));
    undo.add(UndoList::When::always, "unmount " + settings.root,
             [&] { return unmount_root(context, settings, /*scripts=*/true); });
    TH_ASSIGN(code, run_in_mounted(context, settings, spec));
    return {};
  };
  const Status result = undo.close(body());
  if (undo.clean()) TH_TRY(clear_intent(kernel, journal, /*durable=*/false));
  if (!result) return result.error();
  return code;
}

}  // namespace

Result<int> execute(Context& context, CtId id, ExecKind kind,
                    const std::vector<std::string>& words) {
  if (words.empty())
    return fail(ErrorCode::invalid_argument, "container.exec", "CT " + id.text(),
                "no command was given")
        .with_exit_code(to_int(ExitCode::bad_command_line))
        .with_hint("for example: vzctl exec " + id.text() + " ps");
  TH_ASSIGN(const ProcessRef init, require_awake(context.kernel(), id));
  ExecSpec spec;
  spec.environment = clean_environment();
  const bool from_input = words.size() == 1 && words.front() == "-";
  if (from_input) {
    spec.argv = {"/bin/sh"};
  } else if (kind == ExecKind::exec3) {
    spec.argv = words;
  } else {
    spec.argv = {"/bin/sh", "-c", joined(words)};
  }
  connect(context, spec, from_input);
  TH_ASSIGN(const ExecOutcome outcome, run(context, id, init, spec));
  show(context, outcome);
  if (kind == ExecKind::exec)
    return outcome.status.success() ? 0 : to_int(ExitCode::command_failed);
  return outcome.status.shell_code();
}

Result<int> enter(Context& context, CtId id, const std::string& command) {
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const ProcessRef init, require_awake(kernel, id));
  TH_ASSIGN(const CtSettings settings,
            load_ct_settings(kernel, context.layout(), context.node, id));
  ExecSpec spec;
  spec.environment = clean_environment();
  if (!command.empty()) {
    spec.argv = {"/bin/sh", "-c", command};
  } else {
    TH_ASSIGN(const bool has_bash, kernel.files().exists_inside(settings.root, "/bin/bash"));
    spec.argv = {has_bash ? "/bin/bash" : "/bin/sh"};
  }
  if (!context.reporter.quiet())
    context.session.console.out("entered into Container " + id.text() + "\n");
  if (context.session.own_streams) {
    spec.streams = Streams::terminal;
  } else if (command.empty()) {
    spec.input = context.session.read_input();
  }
  TH_ASSIGN(const ExecOutcome outcome, run(context, id, init, spec));
  show(context, outcome);
  if (!context.reporter.quiet())
    context.session.console.out("exited from Container " + id.text() + "\n");
  return outcome.status.shell_code();
}

Result<int> run_script(Context& context, CtId id, const std::string& script_path) {
  Kernel& kernel = context.kernel();
  ExecSpec spec;
  spec.argv = {"/bin/sh"};
  spec.environment = clean_environment();
  Result<std::string> script = kernel.files().read(script_path);
  if (!script) return with_default_exit_code(std::move(script).error(), ExitCode::no_helper_script);
  spec.input = std::move(*script);
  TH_ASSIGN(const CtSettings settings,
            load_ct_settings(kernel, context.layout(), context.node, id));
  TH_ASSIGN(const std::optional<ProcessRef> init, kernel.processes().find(label_of(id)));
  if (init) {
    TH_ASSIGN(const ExecOutcome outcome, run(context, id, *init, spec));
    show(context, outcome);
    return outcome.status.shell_code();
  }
  TH_ASSIGN(const std::optional<MountInfo> mounted, kernel.mounts().find(settings.root));
  if (mounted) return run_in_mounted(context, settings, spec);
  return run_mounted_meanwhile(context, settings, spec);
}

}  // namespace twinhull::container
