#include "runtime/migrate/give_back.h"

#include "runtime/config/atomic_write.h"
#include "runtime/config/ct_settings.h"
#include "runtime/container/dump.h"
#include "runtime/container/scripts.h"
#include "runtime/container/state.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/processes.h"
#include "runtime/migrate/receipt.h"

namespace twinhull::migrate {

Result<Arrived> arrived(container::Context& context, CtId id, const std::string& token) {
  TH_ASSIGN(const CtSettings settings,
            load_ct_settings(context.kernel(), context.layout(), context.node, id));
  return Arrived{.id = id,
                 .token = token,
                 .name = settings.name,
                 .scripts = container::container_scripts(context.layout(), id),
                 .leave_area = {StepKind::remove_quota_tree, settings.private_area, {}},
                 .has_state = true};
}

Result<bool> has_gone_on(container::Context& context, CtId id, bool has_state) {
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const auto init, kernel.processes().find(container::label_of(id)));
  if (init) return true;
  if (!has_state) return false;
  // A dump that is used up has run, if only for a moment.
  TH_ASSIGN(const auto dump, kernel.files().stat(container::dump_path(context.node, id)));
  return !dump.has_value();
}

namespace {

Intent return_intent(container::Context& context, const Arrived& container) {
  const Layout& layout = context.layout();
  const std::string config = layout.container_config(container.id);
  Intent intent;
  intent.operation = "give-back";
  intent.phase = IntentPhase::roll_forward;
  intent.facts["token"] = container.token;
  intent.forward.push_back({StepKind::remove_file, receipt_path(layout, container.token), {}});
  intent.forward.push_back({StepKind::remove_file, config, {}});
  intent.forward.push_back({StepKind::remove_file, context.node.up_mark(container.id), {}});
  if (!container.name.empty()) {
    intent.forward.push_back(
        {StepKind::remove_file, layout.names_directory() + "/" + container.name, {}});
  }
  for (const std::string& script : container.scripts)
    intent.forward.push_back({StepKind::remove_file, script, {}});
  if (container.has_state) {
    intent.forward.push_back({StepKind::remove_file, pages_note(layout, container.id), {}});
    const std::string dump = container::dump_path(context.node, container.id);
    intent.forward.push_back({StepKind::remove_tree, dump + ".saved", {}});
    intent.forward.push_back({StepKind::rename, dump, dump + ".saved"});
  }
  intent.forward.push_back(container.leave_area);
  return intent;
}

/// What was prepared becomes the journal, which needs no room.
Status begin_return(container::Context& context, const Arrived& container, const Intent& intent) {
  Files& files = context.kernel().files();
  const std::string journal = context.node.journal_file(container.id);
  const std::string prepared = return_path(context.layout(), container.token);
  const Status begun = files.rename(prepared, journal);
  if (begun) return files.sync(parent_directory(journal));
  if (begun.error().code == ErrorCode::node_down) return begun;
  // It was not prepared, or LOCKDIR lies on another file system.
  TH_TRY(write_intent(context.kernel(), journal, intent));
  TH_TRY(files.remove(prepared));
  return {};
}

}  // namespace

Status prepare_return(container::Context& context, const Arrived& container) {
  return write_intent(context.kernel(), return_path(context.layout(), container.token),
                      return_intent(context, container));
}

Status give_back(container::Context& context, const Arrived& container) {
  const Intent intent = return_intent(context, container);
  TH_TRY(begin_return(context, container, intent));
  TH_TRY(replay_intent(context.kernel(), intent));
  return clear_intent(context.kernel(), context.node.journal_file(container.id), true);
}

}  // namespace twinhull::migrate
