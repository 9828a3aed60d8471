#include "runtime/container/root_mount.h"

#include <optional>
#include <utility>

#include "runtime/config/atomic_write.h"
#include "runtime/container/scripts.h"
#include "runtime/kernel/files.h"
#include "runtime/node/exit_codes.h"
#include "runtime/node/undo.h"
#include "runtime/resource/resources.h"

namespace twinhull::container {
namespace {

Status make_mount_point(Context& context, const std::string& root) {
  Files& files = context.kernel().files();
  TH_ASSIGN(const std::optional<FileInfo> there, files.stat(root));
  if (there && there->kind == FileKind::directory) return {};
  // Not synced: an empty directory that a power cut takes away is made again.
  Result<Effect> made = files.make_directory(root);
  if (!made && made.error().code == ErrorCode::not_found) made = make_directories(files, root);
  if (!made)
    return with_default_exit_code(std::move(made).error(), ExitCode::cannot_create_mount_point);
  return {};
}

Status mount_layers(Context& context, const CtSettings& settings) {
  const OverlaySpec spec = overlay_of(context.node, settings);
  Status mounted = context.kernel().mounts().overlay(settings.root, spec);
  if (!mounted && mounted.error().code == ErrorCode::not_found) {
    // A damaged area is told apart from a kernel that cannot: panels act on these codes.
    TH_ASSIGN(const std::optional<FileInfo> upper, context.kernel().files().stat(settings.upper()));
    if (!upper)
      return fail(ErrorCode::not_found, "container.mount", settings.upper(),
                  "the private area is damaged: its directory fs is missing")
          .with_exit_code(to_int(ExitCode::no_private_area));
  }
  if (!mounted) return with_default_exit_code(std::move(mounted).error(), ExitCode::cannot_mount);
  return {};
}

void report(Context& context, const resource::ApplyReport& applied) {
  for (const std::string& line : applied.lines) context.reporter.detail(line);
  for (const std::string& warning : applied.warnings) context.reporter.warn(warning);
}

}  // namespace

std::string template_tree(const NodeConfig& node, const CtSettings& settings) {
  return node.template_cache(settings.ostemplate);
}

OverlaySpec overlay_of(const NodeConfig& node, const CtSettings& settings) {
  return {.lowers = {template_tree(node, settings)},
          .upper = settings.upper(),
          .work = settings.work()};
}

Status check_sources(Context& context, const CtSettings& settings) {
  Files& files = context.kernel().files();
  TH_ASSIGN(const std::optional<FileInfo> area, files.stat(settings.private_area));
  if (!area)
    return fail(ErrorCode::not_found, "container.mount", settings.private_area,
                "Container private area does not exist")
        .with_exit_code(to_int(ExitCode::no_private_area))
        .with_hint("restore it, or remove the container with: vzctl destroy " + settings.id.text());
  if (settings.ostemplate.empty())
    return fail(ErrorCode::not_found, "container.mount", "CT " + settings.id.text(),
                "OSTEMPLATE is not set in its configuration")
        .with_exit_code(to_int(ExitCode::ostemplate_unset));
  const std::string lower = template_tree(context.node, settings);
  TH_ASSIGN(const std::optional<FileInfo> cache, files.stat(lower));
  if (!cache)
    return fail(ErrorCode::not_found, "container.mount", lower,
                "the cache of the OS template " + settings.ostemplate + " does not exist")
        .with_exit_code(to_int(ExitCode::no_ostemplate))
        .with_hint("install it with: vzpkg create cache " + settings.ostemplate);
  return {};
}

Status mount_root(Context& context, const CtSettings& settings, bool scripts) {
  Kernel& kernel = context.kernel();
  if (scripts) TH_TRY(run_node_scripts(context, settings.id, "premount"));
  TH_TRY(make_mount_point(context, settings.root));
  TH_ASSIGN(const resource::ApplyReport applied,
            resource::apply_disk_limit(kernel, settings, /*strict=*/false));
  report(context, applied);
  UndoList undo(kernel);
  const auto rest = [&]() -> Status {
    TH_TRY(mount_layers(context, settings));
    undo.add(UndoList::When::on_failure, {StepKind::unmount, settings.root, {}});
    if (scripts) TH_TRY(run_node_scripts(context, settings.id, "mount"));
    return {};
  };
  TH_TRY(undo.close(rest()));
  context.reporter.say("Container is mounted");
  return {};
}

Status unmount_root(Context& context, const CtSettings& settings, bool scripts) {
  // A script's failure must not keep the container mounted; it is told in the end.
  Status told;
  if (scripts) told = run_node_scripts(context, settings.id, "umount");
  if (!told && told.error().code == ErrorCode::node_down) return told;
  Result<Effect> done = unmount_all(context.kernel(), settings.root);
  if (!done) return with_default_exit_code(std::move(done).error(), ExitCode::cannot_unmount);
  if (*done == Effect::changed) context.reporter.say("Container is unmounted");
  if (scripts) {
    Status after = run_node_scripts(context, settings.id, "postumount");
    if (!after && told) told = std::move(after);
  }
  return told;
}

}  // namespace twinhull::container
