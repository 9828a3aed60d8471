// vzctl resume (spec F3.29).
#include "runtime/container/resume.h"

#include <optional>
#include <utility>

#include "runtime/container/dump.h"
#include "runtime/container/group.h"
#include "runtime/container/live.h"
#include "runtime/container/oom.h"
#include "runtime/container/operations.h"
#include "runtime/container/recovery.h"
#include "runtime/container/root_mount.h"
#include "runtime/container/up_mark.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/mounts.h"
#include "runtime/network/venet.h"
#include "runtime/node/exit_codes.h"
#include "runtime/node/journal.h"
#include "runtime/node/undo.h"

namespace twinhull::container {
namespace {

Error refusal(CtId id, std::string_view what, ErrorCode code, ExitCode exit_code) {
  return fail(code, "container.resume", "CT " + id.text(), what).with_exit_code(to_int(exit_code));
}

/// One resume.
struct Return {
  CtId id;
  std::string dump;
  bool keeps_dump = false;  ///< --dumpfile
  bool mounted = false;     ///< it was, and stays so after a failure
  std::function<void()> went_on = {};
  DumpFacts facts;
};

/// Makes everything again; the processes stand still.
Status undump(Context& context, const ContainerConfig& config, const Return& back, UndoList& undo) {
  Kernel& kernel = context.kernel();
  const CtSettings& saved = config.settings;
  const CtId id = back.id;
  if (!back.mounted) {
    TH_TRY(mount_root(context, saved, /*scripts=*/true));
    undo.add(UndoList::When::on_failure, "unmount " + saved.root,
             [&context, &saved] { return unmount_root(context, saved, /*scripts=*/true); });
  }
  // Changes that hold until the container stops: it has not.
  TH_TRY(forget_live(context, id));
  if (!back.facts.live.empty()) {
    TH_TRY(kernel.files().write(live_file(context.node, id), back.facts.live, 0600));
    undo.add(UndoList::When::on_failure, {StepKind::remove_file, live_file(context.node, id), {}});
  }
  ContainerConfig changed;
  if (!back.facts.live.empty()) {
    TH_ASSIGN(changed, with_live_changes(context, config, back.facts.live));
  }
  const CtSettings& effective = back.facts.live.empty() ? saved : changed.settings;
  TH_TRY(make_group(context, effective, undo));
  TH_TRY(restrict_devices(context, id));
  context.reporter.say("\tundump...");
  RestoreSpec spec;
  spec.label = label_of(id);
  spec.root = saved.root;
  spec.cgroup = group_of(id);
  spec.images = dump_images(back.dump);
  spec.frozen = true;
  spec.lazy = back.facts.lazy;
  if (back.facts.has_network)
    spec.devices = {{network::kContainerDevice, network::node_device(id)}};
  TH_ASSIGN(const RestoreResult restored, kernel.checkpoints().restore(spec));
  undo.add(UndoList::When::on_failure, {StepKind::kill_init, label_of(id), {}});
  undo.add(UndoList::When::on_failure, "let CT " + id.text() + " die",
           [&kernel, id] { return kill_if_paused(kernel, id); });
  if (back.facts.has_network)
    undo.add(UndoList::When::on_failure, {StepKind::remove_link, network::node_device(id), {}});
  TH_ASSIGN(const OomPolicy oom, oom_policy(context, effective));
  return apply_oom(context, id, restored.init, oom, {.guarantee = true});
}

/// The point of no return: from the first instruction on the dump must not be used again.
Status commit_and_go(Context& context, const Return& back, Intent intent) {
  Kernel& kernel = context.kernel();
  context.reporter.say("\tresume...");
  if (back.keeps_dump) {
    intent.phase = IntentPhase::roll_forward;
    TH_TRY(write_intent(kernel, context.node.journal_file(back.id), intent));
  } else {
    TH_TRY(spend_dump(kernel, back.dump));
  }
  return {};
}

/// After it, with the network joined. What fails here is completed by the next command.
Status finish(Context& context, const Return& back) {
  TH_TRY(context.kernel().cgroups().thaw(group_of(back.id)));
  if (back.went_on) back.went_on();
  if (!back.keeps_dump) TH_TRY(remove_spent_dump(context.kernel(), back.dump));
  TH_TRY(clear_intent(context.kernel(), context.node.journal_file(back.id), /*durable=*/true));
  return {};
}

Intent intent_of(const Return& back) {
  Intent intent;
  intent.operation = "resume";
  if (!back.keeps_dump) intent.facts["dump"] = back.dump;
  if (back.mounted) intent.facts["stays_mounted"] = "yes";
  return intent;
}

Result<Return> look(Context& context, CtId id, const CtSettings& settings,
                    const std::string& dumpfile) {
  Kernel& kernel = context.kernel();
  Return back;
  back.id = id;
  back.keeps_dump = !dumpfile.empty();
  back.dump = dumpfile.empty() ? dump_path(context.node, id) : dumpfile;
  TH_ASSIGN(const std::optional<FileInfo> there, kernel.files().stat(back.dump));
  if (!there)
    return refusal(id,
                   dumpfile.empty() ? "Container is not suspended" : "there is no dump " + dumpfile,
                   ErrorCode::not_found, ExitCode::resume_failed)
        .with_hint("start it with: vzctl start " + id.text());
  if (settings.disabled)
    return refusal(id, "Container start disabled", ErrorCode::not_permitted,
                   ExitCode::start_disabled)
        .with_hint("enable it with: vzctl set " + id.text() + " --disabled no --save");
  TH_ASSIGN(back.facts, read_dump_facts(kernel, back.dump));
  if (!(back.facts.id == id))
    return refusal(id, back.dump + " is a dump of CT " + back.facts.id.text(),
                   ErrorCode::invalid_argument, ExitCode::resume_failed);
  TH_TRY(check_sources(context, settings));
  TH_ASSIGN(const std::optional<MountInfo> mounted, kernel.mounts().find(settings.root));
  back.mounted = mounted.has_value();
  return back;
}

Status restore(Context& context, const ContainerConfig& config, const Return& back,
               bool stay_frozen) {
  Kernel& kernel = context.kernel();
  context.reporter.say("Restoring Container ...");
  const Intent intent = intent_of(back);
  const std::string journal = context.node.journal_file(back.id);
  TH_TRY(write_intent(kernel, journal, intent));
  UndoList undo(kernel);
  const auto body = [&]() -> Status {
    TH_TRY(undump(context, config, back, undo));
    if (stay_frozen) return {};
    TH_ASSIGN(const std::optional<ProcessRef> init, kernel.processes().find(label_of(back.id)));
    if (init) TH_TRY(network::reconnect(kernel, back.id, *init));
    // Before the dump is spent: from then on a power cut leaves nothing but the mark.
    TH_TRY(note_up(context, config.settings));
    return commit_and_go(context, back, intent);
  };
  Status done = undo.close(body());
  if (!done) {
    if (done.error().code == ErrorCode::node_down) return done;
    Error error = std::move(done).error();
    if (undo.clean()) {
      const Status cleared = clear_intent(kernel, journal, /*durable=*/true);
      if (!cleared) error.detail += "; also failed: " + cleared.error().message();
    }
    if (error.code == ErrorCode::interrupted) return error;
    const ErrorCode code = error.code;
    // Who has the address, which limit: those have codes of their own.
    const int exit_code = exit_code_for(error);
    return fail(code, "container.resume", "CT " + back.id.text(),
                "cannot be restored; its dump stays in " + back.dump)
        .with_exit_code(exit_code == to_int(ExitCode::address_in_use)
                            ? exit_code
                            : to_int(ExitCode::resume_failed))
        .caused_by(std::move(error));
  }
  if (stay_frozen) {
    TH_TRY(clear_intent(kernel, journal, /*durable=*/true));
    context.reporter.say("Container is restored and frozen");
    return {};
  }
  TH_TRY(finish(context, back));
  context.reporter.say("Restoring completed successfully");
  return {};
}

/// A paused container, or one after --undump.
Status go_on(Context& context, const CtSettings& settings, ProcessRef init) {
  const CtId id = settings.id;
  Return back;
  back.id = id;
  back.dump = dump_path(context.node, id);
  back.mounted = true;
  Intent intent = intent_of(back);
  intent.facts["was_paused"] = "yes";
  TH_TRY(write_intent(context.kernel(), context.node.journal_file(id), intent));
  TH_TRY(note_up(context, settings));
  TH_TRY(spend_dump(context.kernel(), back.dump));
  TH_TRY(network::reconnect(context.kernel(), id, init));
  TH_TRY(finish(context, back));
  context.reporter.say("Container was resumed");
  return {};
}

}  // namespace

Status let_go(Context& context, CtId id) {
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const std::optional<ProcessRef> init, kernel.processes().find(label_of(id)));
  if (!init) return {};
  TH_TRY(network::reconnect(kernel, id, *init));
  return kernel.cgroups().thaw(group_of(id));
}

Status resume(Context& context, CtId id, const ResumeOptions& options) {
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const ContainerConfig config,
            load_container_config(kernel, context.layout(), context.node, id));
  const CtSettings& settings = config.settings;
  TH_ASSIGN(const std::optional<ProcessRef> init, kernel.processes().find(label_of(id)));
  const bool before_undump =
      options.phase == ResumePhase::whole || options.phase == ResumePhase::undump;
  if (init) {
    TH_ASSIGN(const bool paused, is_paused(kernel, id));
    if (!paused || options.phase == ResumePhase::undump)
      return refusal(id, "Container is already running", ErrorCode::already_running,
                     ExitCode::already_running);
    if (options.phase != ResumePhase::kill) return go_on(context, settings, *init);
    const std::string dump =
        options.dumpfile.empty() ? dump_path(context.node, id) : options.dumpfile;
    TH_TRY(read_dump_facts(kernel, dump));  // without one its state would be lost
    return suspend(context, id, {options.dumpfile, SuspendPhase::kill});
  }
  if (!before_undump) TH_TRY(require_running(kernel, id));
  TH_ASSIGN(Return back, look(context, id, settings, options.dumpfile));
  back.went_on = options.went_on;
  return restore(context, config, back, options.phase == ResumePhase::undump);
}

}  // namespace twinhull::container
