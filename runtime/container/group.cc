#include "runtime/container/group.h"

#include <utility>

#include "runtime/container/apply.h"
#include "runtime/container/privileges.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/host.h"
#include "runtime/node/exit_codes.h"
#include "runtime/resource/resources.h"

namespace twinhull::container {

Status make_group(Context& context, const CtSettings& settings, UndoList& undo) {
  Kernel& kernel = context.kernel();
  const CtId id = settings.id;
  if (Result<Effect> made = kernel.cgroups().create(group_of(id)); !made)
    return with_default_exit_code(std::move(made).error(), ExitCode::create_environment);
  undo.add(UndoList::When::on_failure, {StepKind::remove_cgroup, group_of(id).text, {}});
  TH_ASSIGN(const resource::ApplyReport applied,
            resource::apply_resources(kernel, group_of(id), settings));
  report(context, applied);
  if (!settings.cpus) return {};
  TH_ASSIGN(const Support view, kernel.host().supports(Feature::proc_view));
  if (!view.available)
    context.reporter.warn("programs inside see all CPUs of the node in /proc, though they get " +
                          std::to_string(*settings.cpus) + ": " + view.reason);
  return {};
}

Result<bool> restrict_devices(Context& context, CtId id) {
  Status done = context.kernel().cgroups().set_devices(group_of(id), default_devices());
  if (done) return true;
  if (done.error().code != ErrorCode::not_supported)
    return with_default_exit_code(std::move(done).error(), ExitCode::set_devices);
  context.reporter.warn("this kernel has no device rules (" + done.error().message() +
                        "): the container cannot make device nodes");
  return false;
}

}  // namespace twinhull::container
