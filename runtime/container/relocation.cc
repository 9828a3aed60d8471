#include "runtime/container/relocation.h"

#include <optional>

#include "runtime/config/container_index.h"
#include "runtime/container/locked.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/processes.h"

namespace twinhull::container {
namespace {

/// The number in a fact; std::nullopt when there is none.
std::optional<CtId> number_in(const Intent& intent, const char* fact) {
  const auto found = intent.facts.find(fact);
  if (found == intent.facts.end()) return std::nullopt;
  const Result<CtId> id = parse_ctid(found->second);
  return id ? std::optional(*id) : std::nullopt;
}

/// The journal of a container when it is of this operation; a journal that cannot be read is none
/// of ours: the commands on that container deal with it.
Result<std::optional<Intent>> journal_of(Context& context, CtId id, const char* operation) {
  Result<std::optional<Intent>> intent =
      read_intent(context.kernel(), context.node.journal_file(id));
  if (!intent && intent.error().code != ErrorCode::corrupt) return intent;
  if (!intent || !*intent || (*intent)->operation != operation) return std::optional<Intent>();
  return intent;
}

}  // namespace

Status forget_relocation_target(Context& context, CtId from, CtId to) {
  TH_ASSIGN(const std::optional<Intent> there, journal_of(context, to, kRelocateHere));
  if (!there || number_in(*there, "from") != from) return {};
  return clear_intent(context.kernel(), context.node.journal_file(to), /*durable=*/true);
}

Status recover_relocation(Context& context, CtId id, const Intent& intent) {
  Kernel& kernel = context.kernel();
  TH_TRY(replay_intent(kernel, intent));
  const std::optional<CtId> to = number_in(intent, "to");
  // Before the other number is free again: a second replay must not touch who uses it then.
  TH_TRY(clear_intent(kernel, context.node.journal_file(id), /*durable=*/true));
  if (!to || *to == id) return {};
  return forget_relocation_target(context, id, *to);
}

Status recover_relocation_target(Context& context, CtId id, const Intent& intent) {
  const std::optional<CtId> from = number_in(intent, "from");
  if (!from) return {};
  // Looked at first: without a journal there is nothing to do, and the caller may hold that lock.
  TH_ASSIGN(const std::optional<Intent> move, journal_of(context, *from, kRelocate));
  if (!move || number_in(*move, "to") != id) return {};
  return with_lock(context, *from, "recovering", [] { return Status(); });
}

Status let_go_of_copied(Context& context, CtId id, const Intent& intent) {
  if (intent.facts.contains("paused")) return {};
  TH_ASSIGN(const std::optional<ProcessRef> init, context.kernel().processes().find(label_of(id)));
  return init ? context.kernel().cgroups().thaw(group_of(id)) : Status();
}

}  // namespace twinhull::container
