#include "runtime/migrate/letting_go.h"

#include <fmt/format.h>

#include <string>

#include "runtime/container/dump.h"
#include "runtime/kernel/files.h"

namespace twinhull::migrate {

Result<std::vector<Step>> letting_go_steps(container::Context& context, const CtSettings& settings,
                                           std::span<const container::ScriptFile> scripts,
                                           bool remove) {
  Files& files = context.kernel().files();
  const std::string config = context.layout().container_config(settings.id);
  std::vector<Step> steps;
  if (!settings.name.empty()) {
    steps.push_back(
        {StepKind::remove_file, context.layout().names_directory() + "/" + settings.name, {}});
  }
  const auto put_away = [&](const std::string& path) {
    if (remove)
      steps.push_back({StepKind::remove_file, path, {}});
    else
      steps.push_back({StepKind::rename, path, path + ".migrated"});
  };
  put_away(config);
  steps.push_back({StepKind::remove_file, context.node.up_mark(settings.id), {}});
  for (const container::ScriptFile& script : scripts) put_away(script.path);
  if (remove) {
    steps.push_back({StepKind::remove_quota_tree, settings.private_area, {}});
  } else {
    // An area that an earlier migration left is kept too.
    std::string kept = settings.private_area + ".migrated";
    for (int number = 2;; ++number) {
      TH_ASSIGN(const auto there, files.stat(kept));
      if (!there) break;
      kept = fmt::format("{}.{}.migrated", settings.private_area, number);
    }
    steps.push_back({StepKind::rename_quota_tree, settings.private_area, kept});
  }
  steps.push_back({StepKind::remove_file, settings.root, {}});
  // Of a suspended one, or what a live one was dumped into: it has gone on there.
  const std::string dump = container::dump_path(context.node, settings.id);
  for (const std::string& path : {dump, container::unfinished_dump(dump)})
    steps.push_back({StepKind::remove_tree, path, {}});
  return steps;
}

}  // namespace twinhull::migrate
