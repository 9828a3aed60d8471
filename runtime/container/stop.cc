#include <optional>
#include <utility>

#include "runtime/container/live.h"
#include "runtime/container/operations.h"
#include "runtime/container/root_mount.h"
#include "runtime/container/scripts.h"
#include "runtime/container/up_mark.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/mounts.h"
#include "runtime/network/venet.h"
#include "runtime/node/exit_codes.h"
#include "runtime/node/journal.h"
#include "runtime/node/step.h"

namespace twinhull::container {
namespace {

constexpr const char* kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr Duration kKillTimeout = std::chrono::seconds(10);
constexpr int kNotExecutable = 126;
constexpr int kNoSuchProgram = 127;

/// Codes after which going on is of no use.
bool ends_everything(const Error& error) {
  return error.code == ErrorCode::node_down || error.code == ErrorCode::interrupted;
}

/// Asks the system inside to shut down and waits. True when it is gone.
Result<bool> stop_gracefully(Context& context, const CtSettings& settings, ProcessRef init,
                             bool scripts) {
  Kernel& kernel = context.kernel();
  if (scripts) {
    const Status script = run_inside_script(context, settings.id, init, "stop");
    if (!script) {
      if (ends_everything(script.error())) return script.error();
      context.reporter.warn(script.error().message());
    }
  }
  ExecSpec halt;
  halt.argv = {"halt"};
  halt.environment = {{"PATH", kPath}, {"HOME", "/"}};
  halt.timeout = settings.stop_timeout;
  const Instant begin = kernel.clock().now();
  const Result<ExecOutcome> outcome = kernel.processes().exec(init, halt);
  if (!outcome) {
    const Error& error = outcome.error();
    if (ends_everything(error)) return error;
    // Gone already, or it could not even be asked.
    if (error.code != ErrorCode::not_running && error.code != ErrorCode::timed_out) {
      context.reporter.warn("the system inside could not be asked to halt: " + error.message());
      return false;
    }
  } else if (!outcome->status.signaled &&
             (outcome->status.value == kNoSuchProgram || outcome->status.value == kNotExecutable)) {
    context.reporter.warn("there is no halt command inside");
    return false;
  }
  const Duration used = kernel.clock().now() - begin;
  const Duration left = used < settings.stop_timeout ? settings.stop_timeout - used : Duration{0};
  const Status gone = kernel.processes().wait_gone(init, left);
  if (gone) return true;
  if (gone.error().code != ErrorCode::timed_out) return gone.error();
  context.reporter.say("Container stop timeout has expired");
  return false;
}

Status kill(Context& context, CtId id, ProcessRef init) {
  Processes& processes = context.kernel().processes();
  TH_TRY(processes.signal(init, Signal::kill));
  Status gone = processes.wait_gone(init, kKillTimeout);
  if (gone || ends_everything(gone.error())) return gone;
  return fail(ErrorCode::busy, "container.stop", "CT " + id.text(),
              "its init does not go although it was killed")
      .with_exit_code(to_int(ExitCode::cannot_stop))
      .caused_by(std::move(gone).error());
}

Status end_processes(Context& context, const CtSettings& settings, ProcessRef init,
                     const StopOptions& options) {
  TH_ASSIGN(const bool paused, is_paused(context.kernel(), settings.id));
  if (paused) {  // nobody inside can be asked
    TH_TRY(kill_if_paused(context.kernel(), settings.id));
    return kill(context, settings.id, init);
  }
  if (!options.fast) {
    TH_ASSIGN(const bool gone, stop_gracefully(context, settings, init, !options.skip_scripts));
    if (gone) return {};
    context.reporter.say("Forcibly stop the Container...");
  }
  return kill(context, settings.id, init);
}

Status run_stop(Context& context, const CtSettings& settings, ProcessRef init,
                const StopOptions& options) {
  Kernel& kernel = context.kernel();
  const CtId id = settings.id;
  TH_TRY(end_processes(context, settings, init, options));
  TH_TRY(network::tear_down(kernel, id));
  if (Result<Effect> removed = remove_group(kernel, group_of(id)); !removed)
    return with_default_exit_code(std::move(removed).error(), ExitCode::cannot_stop);
  TH_TRY(forget_live(context, id));
  if (!options.journal_stands && !options.comes_back) TH_TRY(forget_up(context, id));
  context.reporter.say("Container was stopped");
  if (options.skip_unmount) return {};
  return unmount_root(context, settings, !options.skip_scripts);
}

}  // namespace

Status stop(Context& context, CtId id, const StopOptions& options) {
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const CtSettings settings,
            load_ct_settings(kernel, context.layout(), context.node, id));
  TH_ASSIGN(const std::optional<ProcessRef> init, kernel.processes().find(label_of(id)));
  if (!init) {
    TH_ASSIGN(const std::optional<MountInfo> mounted, kernel.mounts().find(settings.root));
    if (mounted && !options.skip_unmount)
      return unmount(context, id, {.skip_scripts = options.skip_scripts});
    TH_TRY(require_running(kernel, id));
  }
  context.reporter.say("Stopping the Container ...");
  Intent intent;
  intent.operation = "stop";
  intent.phase = IntentPhase::roll_forward;
  intent.durable = false;
  if (options.skip_unmount) intent.facts["stays_mounted"] = "yes";
  if (options.comes_back) intent.facts["comes_back"] = "yes";
  const std::string journal = context.node.journal_file(id);
  if (!options.journal_stands) TH_TRY(write_intent(kernel, journal, intent));
  Status result = run_stop(context, settings, *init, options);
  if (!result && result.error().code == ErrorCode::node_down) return result;
  // A stop that was refused or interrupted leaves a running container, which is no half thing;
  // one that ended the container but could not clean up leaves the journal to the next command.
  TH_ASSIGN(const bool alive, kernel.processes().alive(*init));
  const bool script_failed =
      !result && result.error().exit_code == to_int(ExitCode::action_script_failed);
  if (options.journal_stands || (!result && !alive && !script_failed)) return result;
  const Status cleared = clear_intent(kernel, journal, /*durable=*/false);
  return result ? cleared : result;
}

Status restart(Context& context, CtId id, const StopOptions& stop_options,
               const StartOptions& start_options) {
  TH_ASSIGN(const std::optional<ProcessRef> init, context.kernel().processes().find(label_of(id)));
  if (init) {
    // A container that cannot be started again is better left running.
    TH_ASSIGN(const CtSettings settings,
              load_ct_settings(context.kernel(), context.layout(), context.node, id));
    if (settings.disabled && !start_options.force)
      return fail(ErrorCode::not_permitted, "container.restart", "CT " + id.text(),
                  "Container start disabled")
          .with_exit_code(to_int(ExitCode::start_disabled));
    TH_TRY(check_sources(context, settings));
    StopOptions for_a_while = stop_options;
    for_a_while.comes_back = true;
    TH_TRY(stop(context, id, for_a_while));
  }
  return start(context, id, start_options);
}

}  // namespace twinhull::container
