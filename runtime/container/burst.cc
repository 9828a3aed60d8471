#include "runtime/container/burst.h"

#include <array>

#include "runtime/container/live.h"
#include "runtime/node/journal.h"
#include "runtime/node/undo.h"
#include "runtime/resource/resources.h"

namespace twinhull::container {
namespace {

Status apply_cpu(Context& context, const CtSettings& settings) {
  TH_ASSIGN(const resource::ApplyReport applied,
            resource::apply_resources(context.kernel(), group_of(settings.id), settings,
                                      {resource::ResourcePart::cpu}, /*strict=*/true));
  for (const std::string& warning : applied.warnings) context.reporter.detail(warning);
  return {};
}

Status run(Context& context, const CtSettings& before, const CtSettings& after, UndoList& undo) {
  undo.add(UndoList::When::on_failure, "the earlier CPU limit",
           [&context, &before] { return apply_cpu(context, before); });
  TH_TRY(apply_cpu(context, after));
  // To forget a key is what a saved change does to it.
  const bool forget = !after.burst_imposed;
  const std::array change = {
      KeyChange{std::string(kBurstImposedKey),
                forget ? std::nullopt : std::optional(burst_imposed_text(*after.burst_imposed))}};
  return record_live(context, after.id, change, /*saved=*/forget);
}

}  // namespace

Status set_burst(Context& context, CtId id, const std::optional<BurstImposed>& imposed) {
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const std::optional<ProcessRef> init, kernel.processes().find(label_of(id)));
  if (!init) return {};
  TH_ASSIGN(const ContainerConfig effective, load_effective_config(context, id));
  CtSettings after = effective.settings;
  after.burst_imposed = imposed;
  // The same journal as vzctl set: recovery applies what is recorded, whichever of the two effects
  // came last.
  Intent intent;
  intent.operation = "set";
  intent.durable = false;
  const std::string journal = context.node.journal_file(id);
  TH_TRY(write_intent(kernel, journal, intent));
  UndoList undo(kernel);
  const Status result = undo.close(run(context, effective.settings, after, undo));
  if (!undo.clean()) return result;
  const Status cleared = clear_intent(kernel, journal, /*durable=*/false);
  return result ? cleared : result;
}

}  // namespace twinhull::container
