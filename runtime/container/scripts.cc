#include "runtime/container/scripts.h"

#include <optional>
#include <utility>

#include "runtime/kernel/files.h"
#include "runtime/node/exit_codes.h"

namespace twinhull::container {
namespace {

constexpr const char* kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string script_path(const Layout& layout, std::string_view prefix, std::string_view stage) {
  return layout.config_directory() + "/" + std::string(prefix) + "." + std::string(stage);
}

/// Whether there is a script to run; says so when one is there but may not run.
Result<bool> is_runnable(Context& context, const std::string& path) {
  TH_ASSIGN(const std::optional<FileInfo> info, context.kernel().files().stat(path));
  if (!info || info->kind == FileKind::directory) return false;
  if (info->kind == FileKind::regular && (info->mode & 0111U) == 0) {
    context.reporter.warn("the action script " + path + " is not executable and was skipped");
    return false;
  }
  return true;
}

void show(Context& context, const ExecOutcome& outcome) {
  if (context.reporter.quiet()) return;
  if (!outcome.out.empty()) context.session.console.out(outcome.out);
  if (!outcome.err.empty()) context.session.console.error(outcome.err);
}

Status check(const std::string& path, const ExecOutcome& outcome) {
  if (outcome.status.success()) return {};
  return fail(ErrorCode::failed, "container.script", path,
              "the action script ended with exit code " +
                  std::to_string(outcome.status.shell_code()))
      .with_exit_code(to_int(ExitCode::action_script_failed));
}

}  // namespace

Status run_node_scripts(Context& context, CtId id, std::string_view stage) {
  for (const std::string& prefix : {std::string("vps"), id.text()}) {
    const std::string path = script_path(context.layout(), prefix, stage);
    TH_ASSIGN(const bool runnable, is_runnable(context, path));
    if (!runnable) continue;
    context.reporter.detail("Running " + path);
    ExecSpec spec;
    spec.argv = {path};
    spec.environment = {{"PATH", kPath},
                        {"VEID", id.text()},
                        {"VE_CONFFILE", context.layout().container_config(id)}};
    Result<ExecOutcome> outcome = context.kernel().processes().run(spec);
    if (!outcome)
      return with_default_exit_code(std::move(outcome).error(), ExitCode::action_script_failed);
    show(context, *outcome);
    TH_TRY(check(path, *outcome));
  }
  return {};
}

Status run_inside_script(Context& context, CtId id, ProcessRef init, std::string_view stage) {
  const std::string path = script_path(context.layout(), id.text(), stage);
  TH_ASSIGN(const bool runnable, is_runnable(context, path));
  if (!runnable) return {};
  context.reporter.detail("Running " + path + " inside");
  ExecSpec spec;
  spec.argv = {"/bin/sh"};
  TH_ASSIGN(spec.input, context.kernel().files().read(path));
  spec.environment = {{"PATH", kPath}, {"HOME", "/"}, {"VEID", id.text()}};
  Result<ExecOutcome> outcome = context.kernel().processes().exec(init, spec);
  if (!outcome)
    return with_default_exit_code(std::move(outcome).error(), ExitCode::action_script_failed);
  show(context, *outcome);
  return check(path, *outcome);
}

std::vector<std::string> container_scripts(const Layout& layout, CtId id) {
  std::vector<std::string> paths;
  for (const char* stage : {"premount", "mount", "start", "stop", "umount", "postumount"})
    paths.push_back(script_path(layout, id.text(), stage));
  return paths;
}

Result<std::vector<ScriptFile>> present_scripts(Context& context, CtId id) {
  std::vector<ScriptFile> present;
  for (std::string& path : container_scripts(context.layout(), id)) {
    TH_ASSIGN(const std::optional<FileInfo> info, context.kernel().files().stat(path));
    if (info) present.push_back({std::move(path), *info});
  }
  return present;
}

}  // namespace twinhull::container
