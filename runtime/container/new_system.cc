#include "runtime/container/new_system.h"

#include <optional>

#include "runtime/config/atomic_write.h"
#include "runtime/container/root_mount.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/mounts.h"
#include "runtime/node/exit_codes.h"
#include "runtime/node/undo.h"

namespace twinhull::container {

Status configure_new_system(Context& context, const CtSettings& settings, const std::string& area,
                            const std::vector<DistributionAction>& actions) {
  Kernel& kernel = context.kernel();
  const std::string& root = settings.root;
  TH_TRY(make_directories(kernel.files(), root));
  OverlaySpec layers = overlay_of(context.node, settings);
  layers.upper = area + "/fs";
  layers.work = area + "/work";
  UndoList undo(kernel);
  const auto run = [&]() -> Status {
    if (Status mounted = kernel.mounts().overlay(root, layers); !mounted)
      return with_default_exit_code(std::move(mounted).error(), ExitCode::cannot_mount);
    undo.add(UndoList::When::always, {StepKind::unmount, root, {}});
    return run_distribution_actions(context, settings, {std::nullopt, root}, actions,
                                    /*required=*/true);
  };
  return undo.close(run());
}

}  // namespace twinhull::container
