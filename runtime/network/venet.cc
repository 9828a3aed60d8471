#include "runtime/network/venet.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "runtime/kernel/links.h"
#include "runtime/node/exit_codes.h"

namespace twinhull::network {
namespace {

constexpr std::string_view kDevicePrefix = "veth";

IpPrefix default_destination(IpAddress::Family family) {
  IpPrefix prefix;
  prefix.address.family = family;
  prefix.length = 0;
  return prefix;
}

/// The kernel gives every device one of these by itself: it is none of ours.
bool is_link_local(const IpAddress& address) {
  static_assert(sizeof(address.bytes) == 16);
  return address.family == IpAddress::Family::v6 && address.bytes[0] == 0xfe &&
         (address.bytes[1] & 0xc0) == 0x80;
}

Error address_error(Error cause, CtId id, const std::string& what) {
  const ErrorCode code = cause.code;
  if (code == ErrorCode::node_down) return cause;
  return fail(code, "network.add_addresses", "CT " + id.text(), what)
      .with_exit_code(to_int(ExitCode::cannot_add_address))
      .caused_by(std::move(cause));
}

Error in_use(const IpAddress& address, const std::string& owner) {
  return fail(ErrorCode::exists, "network.check_free", "IP address " + address.text(),
              "is already used by " + owner)
      .with_exit_code(to_int(ExitCode::address_in_use))
      .with_hint("choose another address, or take it away there first");
}

std::string owner_name(const std::string& device) {
  const std::optional<CtId> id = container_of_device(device);
  return id ? "CT " + id->text() : "the node's device " + device;
}

/// Names who has the route that stands in the way.
Error explain_conflict(Kernel& kernel, const IpAddress& address) {
  const Result<std::vector<Route>> routes = kernel.links().routes(NetScope::node());
  if (routes)
    for (const Route& route : *routes)
      if (route.destination == IpPrefix::host(address))
        return in_use(address, owner_name(route.device));
  return in_use(address, "another route of this node");
}

/// Everything that the pair needs once, and per family once.
Status make_pair(Kernel& kernel, CtId id, ProcessRef init) {
  Links& links = kernel.links();
  const std::string device = node_device(id);
  VethSpec spec{.node_name = device,
                .peer_scope = NetScope::of(init),
                .peer_name = kContainerDevice,
                .node_mac = {},
                .peer_mac = {}};
  Status made = links.create_veth(spec);
  if (!made && made.error().code == ErrorCode::exists) {
    // The end of an earlier life whose namespace the kernel has not let go of yet.
    TH_TRY(links.remove(device));
    made = links.create_veth(spec);
  }
  TH_TRY(made);
  TH_TRY(links.set_up(NetScope::node(), device, true));
  TH_TRY(links.set_up(NetScope::of(init), kContainerDevice, true));
  return links.enable_routing(device);
}

/// The container's way out, on the node's side.
Status add_gateway_address(Kernel& kernel, CtId id, IpAddress::Family family) {
  TH_TRY(kernel.links().add_address(NetScope::node(), node_device(id),
                                    IpPrefix::host(gateway(family))));
  return {};
}

Status add_gateway(Kernel& kernel, CtId id, ProcessRef init, IpAddress::Family family) {
  Links& links = kernel.links();
  const NetScope inside = NetScope::of(init);
  const IpPrefix via = IpPrefix::host(gateway(family));
  TH_TRY(add_gateway_address(kernel, id, family));
  TH_TRY(links.add_route(inside, {via, kContainerDevice, std::nullopt}));
  TH_TRY(links.add_route(inside, {default_destination(family), kContainerDevice, via.address}));
  return {};
}

struct Done {
  bool pair = false;
  std::vector<IpPrefix> addresses;
};

Result<Effect> route_to(Kernel& kernel, CtId id, const IpAddress& address) {
  const IpPrefix host = IpPrefix::host(address);
  Result<Effect> routed =
      kernel.links().add_route(NetScope::node(), {host, node_device(id), std::nullopt});
  if (routed) return routed;
  if (routed.error().code == ErrorCode::exists) return explain_conflict(kernel, address);
  return address_error(std::move(routed).error(), id, "cannot route " + host.text());
}

Status add_one(Kernel& kernel, CtId id, ProcessRef init, const IpPrefix& address, bool keep_masks,
               Done& done) {
  Links& links = kernel.links();
  const IpPrefix host = IpPrefix::host(address.address);
  TH_ASSIGN(const Effect routed, route_to(kernel, id, address.address));
  if (routed == Effect::changed) done.addresses.push_back(address);
  const Result<Effect> added =
      links.add_address(NetScope::of(init), kContainerDevice, keep_masks ? address : host);
  if (!added) return address_error(added.error(), id, "cannot add " + address.text());
  return {};
}

Status add_all(Kernel& kernel, CtId id, ProcessRef init, std::span<const IpPrefix> addresses,
               bool keep_masks, Done& done) {
  TH_ASSIGN(const std::optional<LinkInfo> existing,
            kernel.links().find(NetScope::of(init), kContainerDevice));
  std::set<IpAddress::Family> ready;
  if (existing) {
    for (const IpPrefix& address : existing->addresses)
      if (!is_link_local(address.address)) ready.insert(address.address.family);
  } else {
    done.pair = true;
    if (const Status made = make_pair(kernel, id, init); !made)
      return address_error(made.error(), id, "cannot make the network device " + node_device(id));
  }
  for (const IpPrefix& address : addresses) {
    TH_TRY(add_one(kernel, id, init, address, keep_masks, done));
    const IpAddress::Family family = address.address.family;
    if (ready.insert(family).second) {
      if (const Status added = add_gateway(kernel, id, init, family); !added)
        return address_error(added.error(), id, "cannot set the default route");
    }
  }
  return {};
}

}  // namespace

std::string node_device(CtId id) {
  return std::string(kDevicePrefix) + id.text();
}

std::optional<CtId> container_of_device(const std::string& device) {
  if (!device.starts_with(kDevicePrefix)) return std::nullopt;
  const char* first = device.data() + kDevicePrefix.size();
  const char* last = device.data() + device.size();
  CtId id;
  const auto [end, error] = std::from_chars(first, last, id.value);
  if (error != std::errc() || end != last || device != node_device(id) ||
      id.value < CtId::kFirstUsable || id.value > CtId::kLastUsable)
    return std::nullopt;
  return id;
}

IpAddress gateway(IpAddress::Family family) {
  return *IpAddress::parse(family == IpAddress::Family::v4 ? "169.254.255.1" : "fe80::1");
}

Status check_free(Kernel& kernel, CtId id, std::span<const IpPrefix> addresses) {
  if (addresses.empty()) return {};
  std::set<IpAddress> wanted;
  for (const IpPrefix& address : addresses) wanted.insert(address.address);
  TH_ASSIGN(const std::vector<Route> routes, kernel.links().routes(NetScope::node()));
  for (const Route& route : routes)
    if (route.destination == IpPrefix::host(route.destination.address) &&
        wanted.contains(route.destination.address) && route.device != node_device(id))
      return in_use(route.destination.address, owner_name(route.device));
  TH_ASSIGN(const std::vector<LinkInfo> devices, kernel.links().list(NetScope::node()));
  for (const LinkInfo& device : devices)
    for (const IpPrefix& own : device.addresses)
      if (wanted.contains(own.address))
        return in_use(own.address, "this node on its device " + device.name);
  return {};
}

Status add_addresses(Kernel& kernel, CtId id, ProcessRef init, std::span<const IpPrefix> addresses,
                     bool keep_masks) {
  if (addresses.empty()) return {};
  Done done;
  Status added = add_all(kernel, id, init, addresses, keep_masks, done);
  if (added || added.error().code == ErrorCode::node_down) return added;
  // Undone by hand and in order: the routes of the node go with its device.
  const Status undone = done.pair ? [&]() -> Status {
    TH_TRY(tear_down(kernel, id));
    return {};
  }()
      : remove_addresses(kernel, id, init, done.addresses);
  if (!undone) added.error().detail += "; also failed: taking back: " + undone.error().message();
  return added;
}

Status remove_addresses(Kernel& kernel, CtId id, ProcessRef init,
                        std::span<const IpPrefix> addresses) {
  if (addresses.empty()) return {};
  Links& links = kernel.links();
  TH_ASSIGN(const std::optional<LinkInfo> device, links.find(NetScope::of(init), kContainerDevice));
  if (!device) return {};
  // A route through another device is another container's: not ours to remove.
  TH_ASSIGN(const std::vector<Route> routes, links.routes(NetScope::node()));
  for (const IpPrefix& address : addresses) {
    const IpPrefix host = IpPrefix::host(address.address);
    const bool ours = std::any_of(routes.begin(), routes.end(), [&](const Route& route) {
      return route.destination == host && route.device == node_device(id);
    });
    if (ours) {
      if (const Result<Effect> unrouted = links.remove_route(NetScope::node(), host); !unrouted)
        return address_error(unrouted.error(), id, "cannot remove the route to " + address.text());
    }
    // With the prefix length that it was given when it was added.
    for (const IpPrefix& held : device->addresses) {
      if (held.address != address.address) continue;
      if (const Result<Effect> removed =
              links.remove_address(NetScope::of(init), kContainerDevice, held);
          !removed)
        return address_error(removed.error(), id, "cannot remove " + address.text());
    }
  }
  return {};
}

Result<Effect> disconnect(Kernel& kernel, CtId id) {
  Effect effect = Effect::none;
  TH_ASSIGN(const std::vector<Route> routes, kernel.links().routes(NetScope::node()));
  for (const Route& route : routes) {
    if (route.device != node_device(id) ||
        !(route.destination == IpPrefix::host(route.destination.address)) ||
        is_link_local(route.destination.address))
      continue;
    TH_TRY(kernel.links().remove_route(NetScope::node(), route.destination));
    effect = Effect::changed;
  }
  return effect;
}

Status reconnect(Kernel& kernel, CtId id, ProcessRef init) {
  Links& links = kernel.links();
  const std::string device = node_device(id);
  TH_ASSIGN(const std::optional<LinkInfo> there, links.find(NetScope::node(), device));
  if (!there) return {};
  TH_ASSIGN(const std::vector<IpPrefix> addresses, addresses_inside(kernel, init));
  TH_TRY(links.set_up(NetScope::node(), device, true));
  TH_TRY(links.enable_routing(device));
  std::set<IpAddress::Family> ready;
  for (const IpPrefix& address : addresses) {
    if (ready.insert(address.address.family).second) {
      if (const Status added = add_gateway_address(kernel, id, address.address.family); !added)
        return address_error(added.error(), id, "cannot give the gateway its address");
    }
    TH_TRY(route_to(kernel, id, address.address));
  }
  const Status told = announce(kernel, addresses);
  // Without it the neighbours only take longer.
  return !told && told.error().code == ErrorCode::node_down ? told : Status();
}

Status announce(Kernel& kernel, std::span<const IpPrefix> addresses) {
  Status first;
  for (const IpPrefix& address : addresses) {
    Status told = kernel.links().announce(address.address);
    if (!told && first) first = std::move(told);
  }
  return first;
}

Result<Effect> tear_down(Kernel& kernel, CtId id) {
  return kernel.links().remove(node_device(id));
}

Result<std::vector<IpPrefix>> addresses_inside(Kernel& kernel, ProcessRef init) {
  TH_ASSIGN(const std::optional<LinkInfo> device,
            kernel.links().find(NetScope::of(init), kContainerDevice));
  std::vector<IpPrefix> addresses;
  if (!device) return addresses;
  for (const IpPrefix& address : device->addresses)
    if (!is_link_local(address.address)) addresses.push_back(address);
  return addresses;
}

Result<std::map<CtId, std::vector<IpAddress>>> routed_addresses(Kernel& kernel) {
  TH_ASSIGN(const std::vector<Route> routes, kernel.links().routes(NetScope::node()));
  std::map<CtId, std::vector<IpAddress>> found;
  for (const Route& route : routes) {
    if (route.destination != IpPrefix::host(route.destination.address)) continue;
    const std::optional<CtId> id = container_of_device(route.device);
    if (id) found[*id].push_back(route.destination.address);
  }
  for (auto& [id, addresses] : found) std::sort(addresses.begin(), addresses.end());
  return found;
}

}  // namespace twinhull::network
