#include "runtime/container/apply.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "runtime/container/live.h"
#include "runtime/container/oom.h"
#include "runtime/kernel/files.h"
#include "runtime/network/venet.h"

namespace twinhull::container {
namespace {

bool holds(const std::vector<IpPrefix>& list, const IpAddress& address) {
  return std::any_of(list.begin(), list.end(),
                     [&](const IpPrefix& entry) { return entry.address == address; });
}

Status reapply_network(Context& context, CtId id, ProcessRef init,
                       const std::vector<IpPrefix>& wanted) {
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const std::vector<IpPrefix> held, network::addresses_inside(kernel, init));
  std::vector<IpPrefix> surplus;
  for (const IpPrefix& address : held)
    if (!holds(wanted, address.address)) surplus.push_back(address);
  TH_TRY(network::remove_addresses(kernel, id, init, surplus));
  return network::add_addresses(kernel, id, init, wanted, context.node.use_venet_mask);
}

}  // namespace

void report(Context& context, const resource::ApplyReport& applied) {
  for (const std::string& line : applied.lines) context.reporter.say(line);
  for (const std::string& warning : applied.warnings) context.reporter.warn(warning);
}

void undo_limits(Kernel& kernel, const CgroupPath& group, const CtSettings& before,
                 const std::set<resource::ResourcePart>& parts, UndoList& undo) {
  undo.add(UndoList::When::on_failure, "the earlier limits",
           [&kernel, group, &before, parts]() -> Status {
             TH_TRY(resource::apply_resources(kernel, group, before, parts));
             return {};
           });
}

Status change_limits(Context& context, const CgroupPath& group, const CtSettings& after,
                     const std::set<resource::ResourcePart>& parts) {
  TH_ASSIGN(const resource::ApplyReport applied,
            resource::apply_resources(context.kernel(), group, after, parts, /*strict=*/true));
  report(context, applied);
  return {};
}

std::string address_text(const std::vector<IpPrefix>& addresses) {
  std::string text;
  for (const IpPrefix& address : addresses)
    text += (text.empty() ? "" : " ") + address.address.text();
  return text;
}

Status add_network(Context& context, CtId id, ProcessRef init,
                   const std::vector<IpPrefix>& addresses) {
  if (addresses.empty()) return {};
  context.reporter.say("Adding IP address(es): " + address_text(addresses));
  TH_TRY(
      network::add_addresses(context.kernel(), id, init, addresses, context.node.use_venet_mask));
  // The container works without; only the neighbours take longer to find it.
  const Status told = network::announce(context.kernel(), addresses);
  if (!told) {
    if (told.error().code == ErrorCode::node_down) return told;
    context.reporter.warn("the neighbours were not told: " + told.error().message());
  }
  return {};
}

Status reapply(Context& context, CtId id) {
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const std::optional<ProcessRef> init, kernel.processes().find(label_of(id)));
  const Result<ContainerConfig> config = load_effective_config(context, id);
  if (!config) {
    if (config.error().code == ErrorCode::not_found) return {};
    return config.error();
  }
  const CtSettings& settings = config->settings;
  TH_ASSIGN(const std::optional<FileInfo> area, kernel.files().stat(settings.private_area));
  if (area) TH_TRY(resource::apply_disk_limit(kernel, settings, /*strict=*/false));
  if (!init) return {};
  TH_TRY(resource::apply_resources(kernel, group_of(id), settings));
  TH_ASSIGN(const OomPolicy oom, oom_policy(context, settings));
  TH_TRY(apply_oom(context, id, *init, oom, {.guarantee = true, .tell = false}));
  return reapply_network(context, id, *init, settings.addresses);
}

}  // namespace twinhull::container
