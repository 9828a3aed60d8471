#include <optional>
#include <utility>

#include "runtime/config/container_index.h"
#include "runtime/container/dump.h"
#include "runtime/container/operations.h"
#include "runtime/container/scripts.h"
#include "runtime/container/up_mark.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/mounts.h"
#include "runtime/node/exit_codes.h"
#include "runtime/node/journal.h"

namespace twinhull::container {
namespace {

Error refusal(CtId id, std::string_view what, ErrorCode code, ExitCode exit_code) {
  return fail(code, "container.destroy", "CT " + id.text(), what).with_exit_code(to_int(exit_code));
}

/// A broken configuration must not keep a container from being deleted: the node's patterns say
/// where its parts are.
Result<CtSettings> settings_of(Context& context, CtId id) {
  Result<CtSettings> settings =
      load_ct_settings(context.kernel(), context.layout(), context.node, id);
  if (settings || settings.error().code != ErrorCode::corrupt) return settings;
  context.reporter.warn(settings.error().message() + "; the default places are used");
  CtSettings fallback;
  fallback.id = id;
  fallback.root = substitute_veid(context.node.root_pattern, id);
  fallback.private_area = substitute_veid(context.node.private_pattern, id);
  return fallback;
}

Status check_down(Context& context, const CtSettings& settings) {
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const std::optional<ProcessRef> init, kernel.processes().find(label_of(settings.id)));
  if (init)
    return refusal(settings.id, "Container is running; stop it first", ErrorCode::already_running,
                   ExitCode::already_running);
  TH_ASSIGN(const std::optional<MountInfo> mounted, kernel.mounts().find(settings.root));
  if (mounted)
    return refusal(settings.id, "Container is mounted; unmount it first", ErrorCode::busy,
                   ExitCode::mounted);
  return {};
}

/// Always finished once it was begun: half a private area is worth nothing. The configuration goes
/// first, so that nothing half deleted looks like a container.
Result<Intent> intent_of(Context& context, const CtSettings& settings, bool safe) {
  const CtId id = settings.id;
  const std::string config = context.layout().container_config(id);
  Intent intent;
  intent.operation = "destroy";
  intent.phase = IntentPhase::roll_forward;
  std::vector<Step>& steps = intent.forward;
  TH_ASSIGN(const auto names, list_names(context.kernel(), context.layout()));
  for (const auto& [name, owner] : names)
    if (owner == id)
      steps.push_back({StepKind::remove_file, context.layout().names_directory() + "/" + name, {}});
  steps.push_back({StepKind::rename, config, config + ".destroyed"});
  TH_ASSIGN(const bool marked, was_up(context.kernel(), context.node, id));
  if (marked) steps.push_back({StepKind::remove_file, context.node.up_mark(id), {}});
  for (const std::string& script : container_scripts(context.layout(), id)) {
    TH_ASSIGN(const std::optional<FileInfo> there, context.kernel().files().stat(script));
    if (there) steps.push_back({StepKind::rename, script, script + ".destroyed"});
  }
  if (safe) {
    steps.push_back(
        {StepKind::rename_quota_tree, settings.private_area, settings.private_area + ".destroyed"});
  } else {
    steps.push_back({StepKind::remove_quota_tree, settings.private_area, {}});
  }
  steps.push_back({StepKind::remove_file, settings.root, {}});
  const std::string dump = dump_path(context.node, id);
  for (const std::string& path : {dump, spent_dump(dump), unfinished_dump(dump)}) {
    TH_ASSIGN(const std::optional<FileInfo> there, context.kernel().files().stat(path));
    if (there) steps.push_back({StepKind::remove_tree, path, {}});
  }
  return intent;
}

}  // namespace

Status destroy(Context& context, CtId id, const DestroyOptions& options) {
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const CtSettings settings, settings_of(context, id));
  TH_TRY(check_down(context, settings));
  TH_ASSIGN(const std::optional<FileInfo> area, kernel.files().stat(settings.private_area));
  if (options.safe && area) {
    TH_ASSIGN(const std::optional<FileInfo> kept,
              kernel.files().stat(settings.private_area + ".destroyed"));
    if (kept)
      return refusal(id, settings.private_area + ".destroyed exists already", ErrorCode::exists,
                     ExitCode::private_area_exists)
          .with_hint("move it away first");
  }
  TH_ASSIGN(const Intent intent, intent_of(context, settings, options.safe));
  const std::string journal = context.node.journal_file(id);
  TH_TRY(write_intent(kernel, journal, intent));
  if (area) context.reporter.say("Destroying Container private area: " + settings.private_area);
  Status done = replay_intent(kernel, intent);
  // The journal stays: the next command, or the next destroy, completes it.
  if (!done)
    return with_default_exit_code(std::move(done).error(), ExitCode::cannot_delete_private);
  TH_TRY(clear_intent(kernel, journal, /*durable=*/true));
  if (!area)
    return refusal(id,
                   "Container private area " + settings.private_area +
                       " does not exist; its "
                       "configuration was removed",
                   ErrorCode::not_found, ExitCode::no_private_area);
  context.reporter.say(options.safe ? "Container private area was kept as " +
                                          settings.private_area + ".destroyed"
                                    : "Container private area was destroyed");
  return {};
}

}  // namespace twinhull::container
