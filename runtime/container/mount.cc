#include <utility>

#include "runtime/container/operations.h"
#include "runtime/container/root_mount.h"
#include "runtime/kernel/mounts.h"
#include "runtime/node/exit_codes.h"
#include "runtime/node/journal.h"

namespace twinhull::container {
namespace {

/// Runs `body` under a journal of effects that a power cut takes away by itself.
Status journaled(Context& context, CtId id, const char* operation,
                 const std::function<Status()>& body) {
  Intent intent;
  intent.operation = operation;
  intent.durable = false;
  const std::string path = context.node.journal_file(id);
  TH_TRY(write_intent(context.kernel(), path, intent));
  Status result = body();
  if (!result && result.error().code == ErrorCode::node_down) return result;
  const Status cleared = clear_intent(context.kernel(), path, /*durable=*/false);
  return result ? cleared : result;
}

Error mounted_error(CtId id, std::string_view what, ErrorCode code, ExitCode exit_code) {
  return fail(code, "container.mount", "CT " + id.text(), what).with_exit_code(to_int(exit_code));
}

}  // namespace

Status mount(Context& context, CtId id, const MountOptions& options) {
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const CtSettings settings,
            load_ct_settings(kernel, context.layout(), context.node, id));
  TH_ASSIGN(const std::optional<MountInfo> mounted, kernel.mounts().find(settings.root));
  if (mounted)
    return mounted_error(id, "Container is already mounted", ErrorCode::busy, ExitCode::mounted);
  TH_TRY(check_sources(context, settings));
  return journaled(context, id, "mount",
                   [&] { return mount_root(context, settings, !options.skip_scripts); });
}

Status unmount(Context& context, CtId id, const MountOptions& options) {
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const CtSettings settings,
            load_ct_settings(kernel, context.layout(), context.node, id));
  TH_ASSIGN(const std::optional<ProcessRef> init, kernel.processes().find(label_of(id)));
  if (init)
    return mounted_error(id, "Container is running; stop it first", ErrorCode::already_running,
                         ExitCode::already_running);
  TH_ASSIGN(const std::optional<MountInfo> mounted, kernel.mounts().find(settings.root));
  if (!mounted)
    return mounted_error(id, "Container is not mounted", ErrorCode::not_found,
                         ExitCode::not_mounted);
  return journaled(context, id, "umount",
                   [&] { return unmount_root(context, settings, !options.skip_scripts); });
}

}  // namespace twinhull::container
