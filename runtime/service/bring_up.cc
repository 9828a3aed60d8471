#include <fmt/format.h>

#include <optional>
#include <utility>

#include "runtime/config/atomic_write.h"
#include "runtime/container/dump.h"
#include "runtime/container/operations.h"
#include "runtime/kernel/files.h"
#include "runtime/service/fate.h"
#include "runtime/service/patient.h"

namespace twinhull::service {
namespace {

using container::Context;

constexpr Duration kLockPatience = std::chrono::seconds(30);

/// A state that cannot be resumed is kept for a look, as after a migration.
Status set_dump_aside(Kernel& kernel, const std::string& dump) {
  TH_TRY(kernel.files().remove_tree(dump + ".saved"));
  TH_TRY(kernel.files().rename(dump, dump + ".saved"));
  return kernel.files().sync(parent_directory(dump));
}

Result<Fate> resume_or_keep(Context& context, CtId id, const std::string& dump) {
  const Status resumed = container::resume(context, id, {});
  if (resumed) return Fate{.text = "resumed"};
  if (ends_everything(resumed.error())) return resumed.error();
  TH_ASSIGN(const std::optional<FileInfo> kept, context.kernel().files().stat(dump));
  // Past its point of no return there is nothing to start: recovery makes it go on.
  if (!context.node.start_unresumed || !kept) return resumed.error();
  TH_TRY(set_dump_aside(context.kernel(), dump));
  TH_TRY(container::start(context, id, {}));
  return Fate{.text = fmt::format("started; its state could not be resumed and is kept as {}.saved: {}",
                                  dump, resumed.error().message()),
              .grade = Fate::Grade::poor};
}

Result<Fate> bring_up_locked(Context& context, CtId id) {
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const CtSettings settings,
            load_ct_settings(kernel, context.layout(), context.node, id));
  TH_ASSIGN(const std::optional<ProcessRef> init,
            kernel.processes().find(container::label_of(id)));
  if (init) return Fate{};
  if (settings.disabled) return Fate{.text = "left alone: Container start disabled"};
  const std::string dump = container::dump_path(context.node, id);
  TH_ASSIGN(const std::optional<FileInfo> suspended, kernel.files().stat(dump));
  if (suspended) return resume_or_keep(context, id, dump);
  TH_TRY(container::start(context, id, {}));
  return Fate{.text = "started"};
}

}  // namespace

Result<Fate> bring_up(Context& context, CtId id) {
  auto fate = fate_with_patience(context, id, "starting", kLockPatience,
                                 [id](Context& inner) { return bring_up_locked(inner, id); });
  if (fate || ends_everything(fate.error())) return fate;
  return Fate{.text = fate.error().message(), .grade = Fate::Grade::failed};
}

bool tell(Reporter& reporter, CtId id, const Fate& fate) {
  if (fate.text.empty()) return true;
  reporter.about(id);
  // Messages of errors name the container already.
  const std::string who = fmt::format("CT {}: ", id.text());
  const std::string line = fate.text.starts_with(who) ? fate.text : who + fate.text;
  switch (fate.grade) {
    case Fate::Grade::well: reporter.say(line); break;
    case Fate::Grade::poor: reporter.warn(line); break;
    case Fate::Grade::failed: reporter.error(line); break;
  }
  return fate.grade != Fate::Grade::failed;
}

}  // namespace twinhull::service
