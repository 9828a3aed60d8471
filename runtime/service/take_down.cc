#include <fmt/format.h>

#include <optional>
#include <utility>

#include "runtime/container/dump.h"
#include "runtime/container/operations.h"
#include "runtime/container/recovery.h"
#include "runtime/container/up_mark.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/mounts.h"
#include "runtime/node/step.h"
#include "runtime/service/fate.h"
#include "runtime/service/patient.h"
#include "runtime/service/prospect.h"

namespace twinhull::service {
namespace {

using container::Context;

constexpr Duration kLockPatience = std::chrono::seconds(60);

Result<Fate> unmount(Context& context, const CtSettings& settings) {
  TH_ASSIGN(const std::optional<MountInfo> mounted, context.kernel().mounts().find(settings.root));
  if (!mounted) return Fate{};
  TH_TRY(container::unmount(context, settings.id, {}));
  return Fate{.text = "unmounted"};
}

Result<Fate> take_down_gently(Context& context, CtId id) {
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const CtSettings settings,
            load_ct_settings(kernel, context.layout(), context.node, id));
  TH_ASSIGN(const std::optional<ProcessRef> init,
            kernel.processes().find(container::label_of(id)));
  if (!init) return unmount(context, settings);
  TH_TRY(container::note_up(context, settings));
  std::string why;
  if (suspends_at_stop(context.node, settings)) {
    const Status suspended =
        container::suspend(context, id,
                           {.dumpfile = {},
                            .phase = container::SuspendPhase::whole,
                            .comes_back = true});
    if (suspended) return Fate{.text = "suspended"};
    if (ends_everything(suspended.error())) return suspended.error();
    // Past its point of no return it is suspended: recovery completes that.
    TH_ASSIGN(const std::optional<FileInfo> journal,
              kernel.files().stat(context.node.journal_file(id)));
    if (journal) return suspended.error();
    why = suspended.error().message();
  }
  TH_TRY(container::stop(context, id, {.comes_back = true}));
  if (why.empty()) return Fate{.text = "stopped"};
  return Fate{.text = "stopped, because it could not be suspended: " + why,
              .grade = Fate::Grade::poor};
}

/// The lock was free, and what a command was to do has failed: kills and unmounts, without asking
/// scripts or a configuration that may be broken.
Result<Fate> take_down_by_force(Context& context, CtId id, const std::string& why) {
  Kernel& kernel = context.kernel();
  TH_TRY(container::tear_down(context, id, /*unmount=*/false));
  const Result<CtSettings> settings =
      load_ct_settings(kernel, context.layout(), context.node, id);
  const std::string root =
      settings ? settings->root : substitute_veid(context.node.root_pattern, id);
  TH_TRY(perform(kernel, {StepKind::unmount, root, {}}));
  TH_ASSIGN(const std::optional<FileInfo> dump,
            kernel.files().stat(container::dump_path(context.node, id)));
  return Fate{.text = fmt::format("{}: {}", dump ? "suspended by force" : "stopped by force", why),
              .grade = Fate::Grade::poor};
}

}  // namespace

Result<Fate> take_down(Context& context, CtId id) {
  auto gentle = fate_with_patience(context, id, "stopping", kLockPatience,
                                   [id](Context& inner) { return take_down_gently(inner, id); });
  if (gentle || ends_everything(gentle.error())) return gentle;
  const std::string why = gentle.error().message();
  if (gentle.error().code == ErrorCode::in_progress)
    return Fate{.text = why, .grade = Fate::Grade::failed};
  auto forced = fate_with_patience(
      context, id, "stopping", kLockPatience,
      [id, &why](Context& inner) { return take_down_by_force(inner, id, why); });
  if (forced || ends_everything(forced.error())) return forced;
  return Fate{.text = fmt::format("{}; also by force: {}", why, forced.error().message()),
              .grade = Fate::Grade::failed};
}

}  // namespace twinhull::service
