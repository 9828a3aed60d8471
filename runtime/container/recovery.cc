#include "runtime/container/recovery.h"

#include <algorithm>
#include <utility>

#include "runtime/config/container_index.h"
#include "runtime/container/apply.h"
#include "runtime/container/dump.h"
#include "runtime/container/live.h"
#include "runtime/container/relocation.h"
#include "runtime/container/resume.h"
#include "runtime/container/root_mount.h"
#include "runtime/container/state.h"
#include "runtime/container/up_mark.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/mounts.h"
#include "runtime/network/venet.h"
#include "runtime/node/exit_codes.h"
#include "runtime/node/step.h"

namespace twinhull::container {
namespace {

/// What the tear-down needs to know of a container whose configuration may be gone or broken.
Result<CtSettings> settings_or_defaults(Context& context, CtId id) {
  Result<CtSettings> settings =
      load_ct_settings(context.kernel(), context.layout(), context.node, id);
  if (settings) return settings;
  if (settings.error().code != ErrorCode::not_found && settings.error().code != ErrorCode::corrupt)
    return settings;
  CtSettings fallback;
  fallback.id = id;
  fallback.root = substitute_veid(context.node.root_pattern, id);
  fallback.private_area = substitute_veid(context.node.private_pattern, id);
  return fallback;
}

/// Unmounts; an operator who works below the mount point only delays it.
Result<Effect> unmount_leftover(Context& context, CtId id) {
  TH_ASSIGN(const CtSettings settings, settings_or_defaults(context, id));
  TH_ASSIGN(const std::optional<MountInfo> mount, context.kernel().mounts().find(settings.root));
  if (!mount) return Effect::none;
  Status done = unmount_root(context, settings, /*scripts=*/true);
  if (!done) {
    const ErrorCode code = done.error().code;
    if (code != ErrorCode::busy && code != ErrorCode::failed) return done.error();
    context.reporter.warn(done.error().message());
  }
  return Effect::changed;
}

/// The name's link follows the configuration, whichever of the two was written.
Status restore_name(Context& context, CtId id) {
  const Result<CtSettings> settings =
      load_ct_settings(context.kernel(), context.layout(), context.node, id);
  if (!settings) return settings.error().code == ErrorCode::not_found ? Status() : settings.error();
  return set_name(context.kernel(), context.layout(), id, settings->name);
}

/// A dump that has its name is whole: then the container ends. Otherwise it goes on.
Status recover_suspend(Context& context, CtId id, const Intent& intent) {
  const auto dump = intent.facts.find("dump");
  if (dump == intent.facts.end()) return {};
  TH_ASSIGN(const std::optional<FileInfo> whole, context.kernel().files().stat(dump->second));
  if (!whole) return cancel_suspend(context, id, dump->second, says_yes(intent, "paused"));
  TH_TRY(end_dumped(context, id));
  return says_yes(intent, "comes_back") ? Status() : forget_up(context, id);
}

/// A dump that was set aside is used up: then the container goes on. Otherwise nothing of it has
/// run, and it is suspended as before.
Status recover_resume(Context& context, CtId id, const Intent& intent) {
  Kernel& kernel = context.kernel();
  bool runs = intent.phase == IntentPhase::roll_forward;
  const auto dump = intent.facts.find("dump");
  if (dump != intent.facts.end()) {
    TH_ASSIGN(const std::optional<FileInfo> spent, kernel.files().stat(spent_dump(dump->second)));
    runs = runs || spent.has_value();
  }
  if (says_yes(intent, "was_paused")) {
    // It stood still and lives, or a power cut came before it went on: then the dump is as good as
    // before.
    TH_ASSIGN(const std::optional<ProcessRef> init, kernel.processes().find(label_of(id)));
    if (init && dump != intent.facts.end()) TH_TRY(spend_dump(kernel, dump->second));
    runs = true;
  }
  if (!runs) {
    TH_TRY(tear_down(context, id, /*unmount=*/!says_yes(intent, "stays_mounted")));
    return {};
  }
  TH_TRY(let_go(context, id));
  return dump == intent.facts.end() ? Status() : remove_spent_dump(kernel, dump->second);
}

Status recover_by_journal(Context& context, CtId id, const Intent& intent) {
  const auto handler = std::find_if(
      context.handlers.begin(), context.handlers.end(),
      [&](const RecoveryHandler& candidate) { return candidate.operation == intent.operation; });
  if (handler != context.handlers.end()) return handler->recover(context, id, intent);
  if (intent.operation == "start" || intent.operation == "stop") {
    TH_TRY(tear_down(context, id, /*unmount=*/!says_yes(intent, "stays_mounted")));
    const bool stays_down = intent.operation == "stop" && !says_yes(intent, "comes_back");
    return stays_down ? forget_up(context, id) : Status();
  }
  if (intent.operation == "suspend") return recover_suspend(context, id, intent);
  if (intent.operation == "resume") return recover_resume(context, id, intent);
  if (intent.operation == kRelocate) return recover_relocation(context, id, intent);
  if (intent.operation == kRelocateHere) return recover_relocation_target(context, id, intent);
  if (intent.operation == kHeldStill) return let_go_of_copied(context, id, intent);
  if (intent.operation == "mount" || intent.operation == "umount") {
    TH_ASSIGN(const std::optional<ProcessRef> init,
              context.kernel().processes().find(label_of(id)));
    if (!init) TH_TRY(unmount_leftover(context, id));
    return {};
  }
  if (intent.operation == "set") {
    TH_TRY(restore_name(context, id));
    return reapply(context, id);
  }
  return replay_intent(context.kernel(), intent);
}

/// Sets a journal that nobody can read aside: what it was about is lost, but it stays for a look.
Status set_aside(Context& context, const std::string& path, const Error& error) {
  TH_TRY(context.kernel().files().rename(path, path + ".corrupt"));
  context.reporter.warn(error.message() + "; it was moved to " + path + ".corrupt");
  return {};
}

Status recover(Context& context, CtId id) {
  Kernel& kernel = context.kernel();
  const std::string path = context.node.journal_file(id);
  const Result<std::optional<Intent>> intent = read_intent(kernel, path);
  if (!intent) {
    if (intent.error().code != ErrorCode::corrupt) return intent.error();
    TH_TRY(set_aside(context, path, intent.error()));
  } else if (*intent) {
    context.reporter.detail("Recovering from an interrupted " + (*intent)->operation);
    TH_TRY(recover_by_journal(context, id, **intent));
    // A name's link that was made, and not put in its place.
    TH_TRY(kernel.files().remove(unfinished_name(context.layout(), id)));
    TH_TRY(clear_intent(kernel, path, (*intent)->durable));
  }
  TH_ASSIGN(const std::optional<ProcessRef> init, kernel.processes().find(label_of(id)));
  if (init) return {};
  // No init: whatever else the kernel holds was left by a container that ended by itself.
  // Its live settings as well: a power cut may have kept them, though nothing synced them.
  TH_TRY(forget_live(context, id));
  TH_ASSIGN(const Effect group, remove_group(kernel, group_of(id)));
  TH_ASSIGN(const Effect device, network::tear_down(kernel, id));
  if (group == Effect::none && device == Effect::none) return {};
  TH_TRY(forget_up(context, id));
  TH_TRY(unmount_leftover(context, id));
  context.reporter.detail("Removed what the ended container had left in the kernel");
  return {};
}

}  // namespace

bool says_yes(const Intent& intent, const char* fact) {
  const auto found = intent.facts.find(fact);
  return found != intent.facts.end() && found->second == "yes";
}

Result<Effect> tear_down(Context& context, CtId id, bool unmount) {
  Kernel& kernel = context.kernel();
  Effect effect = Effect::none;
  TH_ASSIGN(const std::optional<ProcessRef> init, kernel.processes().find(label_of(id)));
  if (init) {
    effect = Effect::changed;
    TH_TRY(kill_if_paused(kernel, id));
    TH_TRY(perform(kernel, {StepKind::kill_init, label_of(id), {}}));
  }
  TH_ASSIGN(const Effect device, network::tear_down(kernel, id));
  TH_ASSIGN(const Effect group, remove_group(kernel, group_of(id)));
  Effect mount = Effect::none;
  if (unmount) {
    TH_ASSIGN(mount, unmount_leftover(context, id));
  }
  TH_TRY(forget_live(context, id));
  if (device == Effect::changed || group == Effect::changed || mount == Effect::changed)
    effect = Effect::changed;
  return effect;
}

Status recover_container(Context& context, CtId id) {
  Status done = recover(context, id);
  if (done || done.error().code == ErrorCode::node_down ||
      done.error().code == ErrorCode::interrupted)
    return done;
  return fail(done.error().code, "container.recover", "CT " + id.text(),
              "what an earlier command left half done could not be recovered")
      .with_exit_code(to_int(ExitCode::recover_failed))
      .caused_by(std::move(done).error());
}

}  // namespace twinhull::container
