#include "runtime/container/set_live.h"
#include "runtime/container/state.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "runtime/container/apply.h"
#include "runtime/container/distribution.h"
#include "runtime/container/oom.h"
#include "runtime/network/venet.h"
#include "runtime/resource/resources.h"

namespace twinhull::container {
namespace {

using resource::ResourcePart;

std::set<ResourcePart> changed_parts(const CtSettings& before, const CtSettings& after) {
  std::set<ResourcePart> parts;
  if (before.cpuunits != after.cpuunits || before.cpulimit != after.cpulimit ||
      before.cpus != after.cpus || before.cpumask != after.cpumask ||
      before.nodemask != after.nodemask ||
      before.acting_burst_limit() != after.acting_burst_limit())
    parts.insert(ResourcePart::cpu);
  if (before.ram() != after.ram() || before.swap() != after.swap() ||
      before.vm_overcommit_thousandths != after.vm_overcommit_thousandths ||
      resource::memory_guarantee(before) != resource::memory_guarantee(after))
    parts.insert(ResourcePart::memory);
  if (before.numproc() != after.numproc()) parts.insert(ResourcePart::tasks);
  if (before.ioprio != after.ioprio || before.iolimit != after.iolimit ||
      before.iopslimit != after.iopslimit)
    parts.insert(ResourcePart::io);
  return parts;
}

/// Addresses of `list` that `other` lacks.
std::vector<IpPrefix> difference(const std::vector<IpPrefix>& list,
                                 const std::vector<IpPrefix>& other) {
  std::vector<IpPrefix> rest;
  for (const IpPrefix& address : list)
    if (std::none_of(other.begin(), other.end(),
                     [&](const IpPrefix& entry) { return entry.address == address.address; }))
      rest.push_back(address);
  return rest;
}

Status apply_limits(Context& context, const CtSettings& before, const CtSettings& after,
                    UndoList& undo) {
  const std::set<ResourcePart> parts = changed_parts(before, after);
  if (parts.empty()) return {};
  undo_limits(context.kernel(), group_of(after.id), before, parts, undo);
  return change_limits(context, group_of(after.id), after, parts);
}

/// OOM groups act on what runs by now; a changed guarantee on all.
Status apply_oom_choice(Context& context, const CtSettings& before, const CtSettings& after,
                        ProcessRef init, UndoList& undo) {
  TH_ASSIGN(const OomPolicy policy, oom_policy(context, after));
  const bool changed = resource::memory_guarantee(before) != resource::memory_guarantee(after);
  if (changed) {
    undo.add(UndoList::When::on_failure, "the earlier guarantee",
             [&context, &before, init]() -> Status {
               TH_ASSIGN(const OomPolicy earlier, oom_policy(context, before));
               return apply_oom(context, before.id, init, earlier, {.guarantee = true});
             });
  }
  return apply_oom(context, after.id, init, policy, {.guarantee = changed});
}

Status apply_addresses(Context& context, const CtSettings& before, const CtSettings& after,
                       ProcessRef init, UndoList& undo) {
  Kernel& kernel = context.kernel();
  const CtId id = after.id;
  const bool masks = context.node.use_venet_mask;
  const std::vector<IpPrefix> removed = difference(before.addresses, after.addresses);
  const std::vector<IpPrefix> added = difference(after.addresses, before.addresses);
  if (!removed.empty()) {
    context.reporter.say("Deleting IP address(es): " + address_text(removed));
    undo.add(UndoList::When::on_failure, "the deleted addresses",
             [&kernel, id, init, removed, masks] {
               return network::add_addresses(kernel, id, init, removed, masks);
             });
    TH_TRY(network::remove_addresses(kernel, id, init, removed));
  }
  if (!added.empty()) {
    TH_TRY(add_network(context, id, init, added));
    undo.add(UndoList::When::on_failure, "the added addresses", [&kernel, id, init, added] {
      return network::remove_addresses(kernel, id, init, added);
    });
  }
  return {};
}

/// What the system inside must be told to come from one state to the other.
Result<std::vector<DistributionAction>> inside_actions(Context& context, const CtSettings& before,
                                                       const CtSettings& after) {
  std::vector<DistributionAction> actions;
  const std::vector<IpPrefix> removed = difference(before.addresses, after.addresses);
  const std::vector<IpPrefix> added = difference(after.addresses, before.addresses);
  if (!removed.empty()) actions.push_back(del_ip_action(removed, after));
  if (!added.empty()) actions.push_back(add_ip_action(after, /*starting=*/false));
  if (before.hostname != after.hostname && !after.hostname.empty())
    actions.push_back(set_hostname_action(after));
  if (before.nameservers != after.nameservers || before.searchdomains != after.searchdomains) {
    TH_ASSIGN(DistributionAction action, set_dns_action(context, after));
    actions.push_back(std::move(action));
  }
  return actions;
}

Status configure_inside(Context& context, const CtSettings& before, const CtSettings& after,
                        ProcessRef init) {
  TH_ASSIGN(const std::vector<DistributionAction> actions, inside_actions(context, before, after));
  if (before.hostname != after.hostname && !after.hostname.empty()) {
    context.reporter.say("Set hostname: " + after.hostname);
    // Where it is not supported hostname(1) inside does it, from the script.
    const Status named = context.kernel().processes().set_hostname(init, after.hostname);
    if (!named && named.error().code != ErrorCode::not_supported) return named;
  }
  return run_distribution_actions(context, after, {init, {}}, actions, /*required=*/false);
}

}  // namespace

Status apply_live_disk(Context& context, const CtSettings& before, const CtSettings& after,
                       UndoList& undo) {
  if (before.diskspace == after.diskspace && before.diskinodes == after.diskinodes) return {};
  Kernel& kernel = context.kernel();
  undo.add(UndoList::When::on_failure, "the earlier disk limits", [&kernel, &before]() -> Status {
    TH_TRY(resource::apply_disk_limit(kernel, before, /*strict=*/false));
    return {};
  });
  TH_ASSIGN(const resource::ApplyReport applied,
            resource::apply_disk_limit(kernel, after, /*strict=*/true));
  report(context, applied);
  return {};
}

Status apply_live(Context& context, const CtSettings& before, const CtSettings& after,
                  ProcessRef init, UndoList& undo) {
  // A frozen container would let a script wait for ever.
  TH_ASSIGN(const std::vector<DistributionAction> inside, inside_actions(context, before, after));
  if (!inside.empty()) TH_TRY(require_awake(context.kernel(), after.id));
  // Registered first, so that it is undone last: a limit that lets no script inside run must be
  // gone before one can put the files back.
  const auto begun = std::make_shared<bool>(false);
  undo.add(UndoList::When::on_failure, "the files inside",
           [&context, &before, &after, init, begun]() -> Status {
             if (!*begun) return {};
             return configure_inside(context, after, before, init);
           });
  TH_TRY(apply_limits(context, before, after, undo));
  TH_TRY(apply_oom_choice(context, before, after, init, undo));
  TH_TRY(apply_live_disk(context, before, after, undo));
  TH_TRY(apply_addresses(context, before, after, init, undo));
  *begun = true;
  return configure_inside(context, before, after, init);
}

}  // namespace twinhull::container
