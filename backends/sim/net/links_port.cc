// The Links port of a simulated node.
#include <algorithm>

#include "backends/sim/net/net_model.h"
#include "backends/sim/process/process_model.h"

namespace twinhull::sim {
namespace {

bool valid_name(const std::string& name) {
  return !name.empty() && name.size() <= 15 && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

bool valid_mac(const std::string& mac) {
  if (mac.size() != 17) return false;
  for (std::size_t i = 0; i < mac.size(); ++i) {
    const char c = mac[i];
    const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (i % 3 == 2 ? c != ':' : !digit) return false;
  }
  return true;
}

LinkInfo info_of(const std::string& name, const NetDevice& device) {
  return {name, device.kind, device.up, device.mac, device.bridge, device.addresses, device.counters};
}

class SimLinks final : public Links {
 public:
  explicit SimLinks(NodeGate gate) : gate_(gate) {}

  Status create_veth(const VethSpec& spec) override {
    constexpr std::string_view kCall = "links.create_veth";
    TH_TRY(gate_.enter(kCall, spec.node_name));
    TH_TRY(named(kCall, spec.node_name));
    TH_TRY(named(kCall, spec.peer_name));
    for (const std::string* mac : {&spec.node_mac, &spec.peer_mac}) {
      if (!mac->empty() && !valid_mac(*mac)) {
        return fail(ErrorCode::invalid_argument, kCall, *mac, "is no hardware address");
      }
    }
    TH_ASSIGN(const std::uint32_t peer, space_of(kCall, spec.peer_scope));
    NetNamespace& own = *model().find(0);
    NetNamespace& other = *model().find(peer);
    if (own.devices.contains(spec.node_name)) return taken(kCall, spec.node_name);
    if (other.devices.contains(spec.peer_name) || (peer == 0 && spec.node_name == spec.peer_name)) {
      return taken(kCall, spec.peer_name);
    }
    NetDevice near;
    near.kind = LinkKind::veth;
    near.mac = spec.node_mac.empty() ? model().make_mac(0, spec.node_name) : spec.node_mac;
    near.peer_space = peer;
    near.peer_name = spec.peer_name;
    NetDevice far = near;
    far.mac = spec.peer_mac.empty() ? model().make_mac(peer, spec.peer_name) : spec.peer_mac;
    far.peer_space = 0;
    far.peer_name = spec.node_name;
    own.devices[spec.node_name] = std::move(near);
    other.devices[spec.peer_name] = std::move(far);
    note(kCall, spec.node_name, peer);
    return {};
  }

  Result<Effect> create_bridge(const std::string& name) override {
    constexpr std::string_view kCall = "links.create_bridge";
    TH_TRY(gate_.enter(kCall, name));
    TH_TRY(named(kCall, name));
    NetNamespace& own = *model().find(0);
    if (const auto found = own.devices.find(name); found != own.devices.end()) {
      if (found->second.kind == LinkKind::bridge) return Effect::none;
      return taken(kCall, name);
    }
    NetDevice bridge;
    bridge.kind = LinkKind::bridge;
    bridge.mac = model().make_mac(0, name);
    own.devices[name] = std::move(bridge);
    note(kCall, name);
    return Effect::changed;
  }

  Result<Effect> remove(const std::string& name) override {
    constexpr std::string_view kCall = "links.remove";
    TH_TRY(gate_.enter(kCall, name));
    TH_TRY(named(kCall, name));
    const NetNamespace& own = *model().find(0);
    const auto found = own.devices.find(name);
    if (found == own.devices.end()) return Effect::none;
    if (found->second.kind == LinkKind::loopback || found->second.kind == LinkKind::physical) {
      return fail(ErrorCode::not_supported, kCall, name, "this device cannot be removed");
    }
    model().remove_device(0, name);
    note(kCall, name);
    return Effect::changed;
  }

  Status set_bridge(const std::string& device, const std::string& bridge) override {
    constexpr std::string_view kCall = "links.set_bridge";
    TH_TRY(gate_.enter(kCall, device));
    TH_ASSIGN(NetDevice * port, open(kCall, NetScope::node(), device));
    if (!bridge.empty()) {
      TH_ASSIGN(const NetDevice* target, open(kCall, NetScope::node(), bridge));
      if (target->kind != LinkKind::bridge || port->kind == LinkKind::bridge ||
          port->kind == LinkKind::loopback) {
        return fail(ErrorCode::invalid_argument, kCall, device,
                    "cannot become a port of " + bridge);
      }
    }
    port->bridge = bridge;
    note(kCall, device);
    model().changed();
    return {};
  }

  Status set_up(const NetScope& scope, const std::string& device, bool up) override {
    constexpr std::string_view kCall = "links.set_up";
    TH_TRY(gate_.enter(kCall, device));
    TH_ASSIGN(NetDevice * found, open(kCall, scope, device));
    TH_ASSIGN(const std::uint32_t space, space_of(kCall, scope));
    found->up = up;
    if (!up) {  // the kernel drops the routes of a device that goes down
      std::erase_if(model().find(space)->routes,
                    [&](const Route& route) { return route.device == device; });
    }
    note(kCall, device, up ? 1 : 0);
    model().changed();
    return {};
  }

  Result<Effect> add_address(const NetScope& scope, const std::string& device,
                             const IpPrefix& address) override {
    constexpr std::string_view kCall = "links.add_address";
    TH_TRY(gate_.enter(kCall, device));
    TH_TRY(sane(kCall, address));
    TH_ASSIGN(NetDevice * found, open(kCall, scope, device));
    if (std::find(found->addresses.begin(), found->addresses.end(), address) !=
        found->addresses.end()) {
      return Effect::none;
    }
    found->addresses.push_back(address);
    note(kCall, device + " " + address.text());
    model().changed();
    return Effect::changed;
  }

  Result<Effect> remove_address(const NetScope& scope, const std::string& device,
                                const IpPrefix& address) override {
    constexpr std::string_view kCall = "links.remove_address";
    TH_TRY(gate_.enter(kCall, device));
    TH_TRY(sane(kCall, address));
    TH_ASSIGN(NetDevice * found, open(kCall, scope, device));
    if (std::erase(found->addresses, address) == 0) return Effect::none;
    note(kCall, device + " " + address.text());
    model().changed();
    return Effect::changed;
  }

  Result<Effect> add_route(const NetScope& scope, const Route& route) override {
    constexpr std::string_view kCall = "links.add_route";
    const std::string object = route.destination.text() + " dev " + route.device;
    TH_TRY(gate_.enter(kCall, object));
    TH_TRY(sane(kCall, route.destination));
    TH_ASSIGN(const NetDevice* device, open(kCall, scope, route.device));
    TH_ASSIGN(const std::uint32_t space, space_of(kCall, scope));
    NetNamespace& home = *model().find(space);
    for (const Route& there : home.routes) {
      if (there == route) return Effect::none;
      if (there.destination == route.destination) {
        return fail(ErrorCode::exists, kCall, object, "there is another route to this destination")
            .with_hint("it leads over " + there.device);
      }
    }
    if (!device->up) {
      return fail(ErrorCode::unreachable, kCall, object, "the device is down")
          .with_hint("bring it up first");
    }
    home.routes.push_back(route);
    note(kCall, object);
    model().changed();
    return Effect::changed;
  }

  Result<Effect> remove_route(const NetScope& scope, const IpPrefix& destination) override {
    constexpr std::string_view kCall = "links.remove_route";
    TH_TRY(gate_.enter(kCall, destination.text()));
    TH_TRY(sane(kCall, destination));
    TH_ASSIGN(const std::uint32_t space, space_of(kCall, scope));
    auto& routes = model().find(space)->routes;
    const auto found = std::find_if(routes.begin(), routes.end(), [&](const Route& route) {
      return route.destination == destination;
    });
    if (found == routes.end()) return Effect::none;
    routes.erase(found);
    note(kCall, destination.text());
    model().changed();
    return Effect::changed;
  }

  Result<std::vector<Route>> routes(const NetScope& scope) override {
    TH_TRY(gate_.enter("links.routes", ""));
    TH_ASSIGN(const std::uint32_t space, space_of("links.routes", scope));
    return model().find(space)->routes;
  }

  Status enable_routing(const std::string& device) override {
    constexpr std::string_view kCall = "links.enable_routing";
    TH_TRY(gate_.enter(kCall, device));
    TH_ASSIGN(NetDevice * found, open(kCall, NetScope::node(), device));
    found->proxies = true;
    model().find(0)->forwards = true;
    note(kCall, device);
    model().changed();
    return {};
  }

  Status announce(const IpAddress& address) override {
    TH_TRY(gate_.enter("links.announce", address.text()));
    model().announce(address);
    note("links.announce", address.text());
    return {};
  }

  Result<std::optional<LinkInfo>> find(const NetScope& scope, const std::string& device) override {
    TH_TRY(gate_.enter("links.find", device));
    TH_TRY(named("links.find", device));
    TH_ASSIGN(const std::uint32_t space, space_of("links.find", scope));
    const NetNamespace& home = *model().find(space);
    const auto found = home.devices.find(device);
    if (found == home.devices.end()) return std::optional<LinkInfo>();
    return std::optional(info_of(device, found->second));
  }

  Result<std::vector<LinkInfo>> list(const NetScope& scope) override {
    TH_TRY(gate_.enter("links.list", ""));
    TH_ASSIGN(const std::uint32_t space, space_of("links.list", scope));
    std::vector<LinkInfo> result;
    for (const auto& [name, device] : model().find(space)->devices) {
      result.push_back(info_of(name, device));
    }
    return result;
  }

 private:
  [[nodiscard]] NetModel& model() const { return net_of(gate_.node()); }

  static Status named(std::string_view call, const std::string& name) {
    if (valid_name(name)) return {};
    return fail(ErrorCode::invalid_argument, call, name,
                "a device's name is 1 to 15 letters, digits, '.', '_' or '-'");
  }
  static Status sane(std::string_view call, const IpPrefix& prefix) {
    if (prefix.length <= prefix.address.bit_length()) return {};
    return fail(ErrorCode::invalid_argument, call, prefix.text(), "the prefix is too long");
  }
  static Error taken(std::string_view call, const std::string& name) {
    return fail(ErrorCode::exists, call, name, "there is a device of this name");
  }
  Result<std::uint32_t> space_of(std::string_view call, const NetScope& scope) const {
    if (!scope.init) return std::uint32_t{0};
    const SimProcess* process = processes_of(gate_.node()).find(*scope.init);
    if (process == nullptr || model().find(process->space) == nullptr) {
      return fail(ErrorCode::not_running, call, "process " + std::to_string(scope.init->pid),
                  "it is gone, and its network with it");
    }
    return process->space;
  }
  Result<NetDevice*> open(std::string_view call, const NetScope& scope,
                          const std::string& device) const {
    TH_TRY(named(call, device));
    TH_ASSIGN(const std::uint32_t space, space_of(call, scope));
    NetNamespace& home = *model().find(space);
    const auto found = home.devices.find(device);
    if (found == home.devices.end()) {
      return fail(ErrorCode::not_found, call, device, "there is no such device");
    }
    return &found->second;
  }
  void note(std::string_view call, std::string_view object, std::uint64_t value = 0) const {
    gate_.node().engine.note(call, object, {gate_.node().index, value});
  }

  NodeGate gate_;
};

}  // namespace

std::unique_ptr<Links> make_links_port(NodeGate gate) { return std::make_unique<SimLinks>(gate); }

}  // namespace twinhull::sim
