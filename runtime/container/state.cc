#include "runtime/container/state.h"

#include "runtime/container/dump.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/mounts.h"
#include "runtime/node/exit_codes.h"

namespace twinhull::container {
namespace {

Result<State> observe_at(Kernel& kernel, const Layout& layout, const NodeConfig& node, CtId id,
                         const std::string& private_area, const std::string& root) {
  State state;
  TH_ASSIGN(const std::optional<FileInfo> config, kernel.files().stat(layout.container_config(id)));
  state.configured = config.has_value();
  TH_ASSIGN(const std::optional<FileInfo> area, kernel.files().stat(private_area));
  state.has_private = area.has_value();
  TH_ASSIGN(const std::optional<MountInfo> mount, kernel.mounts().find(root));
  state.mounted = mount.has_value();
  TH_ASSIGN(state.init, kernel.processes().find(label_of(id)));
  if (state.init) {
    TH_ASSIGN(state.paused, is_paused(kernel, id));
  } else {
    TH_ASSIGN(const std::optional<FileInfo> dump, kernel.files().stat(dump_path(node, id)));
    state.suspended = dump.has_value();
  }
  return state;
}

}  // namespace

std::string State::word() const {
  if (paused) return "paused";
  if (running()) return "running";
  if (mounted) return "mounted";
  return suspended ? "suspended" : "stopped";
}

Result<State> observe(Kernel& kernel, const Layout& layout, const NodeConfig& node, CtId id) {
  const Result<CtSettings> settings = load_ct_settings(kernel, layout, node, id);
  if (settings) return observe(kernel, layout, node, *settings);
  // No configuration, or one that says nothing usable: the default places tell what they can.
  if (settings.error().code != ErrorCode::not_found && settings.error().code != ErrorCode::corrupt)
    return settings.error();
  return observe_at(kernel, layout, node, id, substitute_veid(node.private_pattern, id),
                    substitute_veid(node.root_pattern, id));
}

Result<State> observe(Kernel& kernel, const Layout& layout, const NodeConfig& node,
                      const CtSettings& settings) {
  return observe_at(kernel, layout, node, settings.id, settings.private_area, settings.root);
}

std::string status_line(CtId id, const State& state) {
  std::string line = "VEID " + id.text();
  line += state.configured ? " exist" : " deleted";
  line += state.mounted ? " mounted" : " unmounted";
  line += state.running() ? " running" : " down";
  if (state.suspended) line += " suspended";
  return line;
}

Result<ProcessRef> require_running(Kernel& kernel, CtId id) {
  TH_ASSIGN(const std::optional<ProcessRef> init, kernel.processes().find(label_of(id)));
  if (!init)
    return fail(ErrorCode::not_running, "container", "CT " + id.text(), "Container is not running")
        .with_exit_code(to_int(ExitCode::not_running))
        .with_hint("start it with: vzctl start " + id.text());
  return *init;
}

Result<ProcessRef> require_awake(Kernel& kernel, CtId id) {
  TH_ASSIGN(const ProcessRef init, require_running(kernel, id));
  TH_ASSIGN(const bool paused, is_paused(kernel, id));
  if (!paused) return init;
  return fail(ErrorCode::not_running, "container", "CT " + id.text(), "Container is paused")
      .with_exit_code(to_int(ExitCode::not_running))
      .with_hint("let it go on with: vzctl resume " + id.text());
}

Result<bool> is_paused(Kernel& kernel, CtId id) {
  const Result<FreezeState> state = kernel.cgroups().freeze_state(group_of(id));
  if (state) return *state != FreezeState::thawed;
  if (state.error().code == ErrorCode::not_found || state.error().code == ErrorCode::not_supported)
    return false;
  return state.error();
}

Status kill_if_paused(Kernel& kernel, CtId id) {
  TH_ASSIGN(const bool paused, is_paused(kernel, id));
  if (!paused) return {};
  TH_TRY(kernel.cgroups().kill_all(group_of(id)));
  return kernel.cgroups().thaw(group_of(id));
}

}  // namespace twinhull::container
