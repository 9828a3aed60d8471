#include "backends/sim/net/net_model.h"

#include <fmt/format.h>

#include <algorithm>

namespace twinhull::sim {
namespace {

IpPrefix prefix(const char* text) { return *IpPrefix::parse(text); }

}  // namespace

std::unique_ptr<NetStack> make_net_stack(Node& node) { return std::make_unique<NetModel>(node); }

NetModel::NetModel(Node& node) : node_(node), loss_(node.engine.stream("net.loss." + node.spec.name)) {
  reset();
}

IpAddress NetModel::uplink_address() const {
  IpAddress address;
  const std::uint32_t number = node_.index + 1;
  address.bytes[0] = 10;
  address.bytes[1] = 255;
  address.bytes[2] = static_cast<std::uint8_t>(number >> 8U);
  address.bytes[3] = static_cast<std::uint8_t>(number & 0xffU);
  return address;
}

/// A freshly booted node: loopback, and an uplink on the segment that its cables form.
void NetModel::reset() {
  node_.engine.cancel(timer_);
  spaces_.clear();
  announced_.clear();
  flows_.clear();
  received_.clear();
  add_namespace(0);
  NetDevice uplink;
  uplink.kind = LinkKind::physical;
  uplink.up = true;
  uplink.mac = make_mac(0, "eth0");
  uplink.addresses = {{uplink_address(), 16}};
  NetNamespace& own = spaces_.at(0);
  own.devices["eth0"] = std::move(uplink);
  own.routes.push_back({prefix("0.0.0.0/0"), "eth0", std::nullopt});
  own.devices.at("lo").up = true;
}

void NetModel::power_off() {
  reset();
  ++node_.world.network_changes;
  flows_changed_.wake_all();
}
void NetModel::power_on() {
  reset();
  ++node_.world.network_changes;
}

void NetModel::add_namespace(std::uint32_t id) {
  NetDevice loopback;
  loopback.kind = LinkKind::loopback;
  loopback.up = true;
  loopback.mac = "00:00:00:00:00:00";
  loopback.addresses = {prefix("127.0.0.1/8"), prefix("::1/128")};
  spaces_[id].devices["lo"] = std::move(loopback);
}

void NetModel::remove_namespace(std::uint32_t id) {
  const auto found = spaces_.find(id);
  if (found == spaces_.end()) return;
  std::vector<std::string> names;
  for (const auto& [name, device] : found->second.devices) names.push_back(name);
  for (const std::string& name : names) remove_device(id, name);
  spaces_.erase(id);
  changed();
}

NetNamespace* NetModel::find(std::uint32_t id) {
  const auto found = spaces_.find(id);
  return found == spaces_.end() ? nullptr : &found->second;
}
const NetNamespace* NetModel::find(std::uint32_t id) const {
  const auto found = spaces_.find(id);
  return found == spaces_.end() ? nullptr : &found->second;
}

void NetModel::remove_device(std::uint32_t space, const std::string& name) {
  NetNamespace* home = find(space);
  if (home == nullptr) return;
  const auto found = home->devices.find(name);
  if (found == home->devices.end()) return;
  const NetDevice device = found->second;
  home->devices.erase(found);
  std::erase_if(home->routes, [&](const Route& route) { return route.device == name; });
  if (device.kind == LinkKind::bridge) {
    for (auto& [other, port] : home->devices) {
      if (port.bridge == name) port.bridge.clear();
    }
  }
  if (device.kind == LinkKind::veth) {
    NetNamespace* peer = find(device.peer_space);
    if (peer != nullptr) {
      peer->devices.erase(device.peer_name);
      std::erase_if(peer->routes,
                    [&](const Route& route) { return route.device == device.peer_name; });
    }
  }
  changed();
}

std::string NetModel::make_mac(std::uint32_t space, const std::string& name) {
  const std::uint64_t hash =
      mix(mix(hash_text(node_.spec.name + "/" + name), space), mix(node_.engine.seed(), next_mac_++));
  return fmt::format("02:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", hash & 0xffU, hash >> 8U & 0xffU,
                     hash >> 16U & 0xffU, hash >> 24U & 0xffU, hash >> 32U & 0xffU);
}

void NetModel::announce(const IpAddress& address) {
  std::uint64_t latest = 0;
  for (const auto& node : node_.world.nodes) {
    if (node->net == nullptr) continue;
    latest = std::max(latest, net_of(*node).next_announcement_);
    if (node.get() != &node_) net_of(*node).announced_.erase(address);
  }
  next_announcement_ = latest + 1;
  announced_[address] = latest;
  changed();
}

/// The most specific way; addresses with a prefix bring a route of their own.
const Route* NetModel::route_for(const NetNamespace& space, const IpAddress& address,
                                 Route& scratch) const {
  const Route* best = nullptr;
  int best_length = -1;
  for (const Route& route : space.routes) {
    const auto device = space.devices.find(route.device);
    if (device == space.devices.end() || !device->second.up) continue;
    if (!route.destination.contains(address)) continue;
    if (static_cast<int>(route.destination.length) > best_length) {
      best = &route;
      best_length = route.destination.length;
    }
  }
  for (const auto& [name, device] : space.devices) {
    if (!device.up) continue;
    for (const IpPrefix& own : device.addresses) {
      if (own.length == own.address.bit_length() || !own.contains(address)) continue;
      if (static_cast<int>(own.length) > best_length) {
        best_length = own.length;
        scratch = {own, name, std::nullopt};
        best = &scratch;
      }
    }
  }
  return best;
}

/// Whoever answers for an address on the segment behind a device, and how to get there.
struct NetModel::Neighbour {
  const NetModel* owner = nullptr;
  std::uint32_t space = 0;
  std::string device;
  std::vector<NetHop> hops;
  std::vector<NetPath::Cross> cables;
  std::uint64_t priority = 0;
};

bool NetModel::answers(const NetModel& owner, std::uint32_t space, const std::string& device,
                       const IpAddress& target, std::uint64_t& priority) const {
  const NetNamespace& home = *owner.find(space);
  const NetDevice& facts = home.devices.at(device);
  if (!facts.up || !facts.bridge.empty()) return false;
  priority = 0;
  if (const auto told = owner.announced_.find(target); space == 0 && told != owner.announced_.end()) {
    priority = told->second;
  }
  for (const auto& [name, other] : home.devices) {
    if (!other.up) continue;
    for (const IpPrefix& own : other.addresses) {
      if (own.address == target) return true;
    }
  }
  if (!home.forwards || (!facts.proxies && priority == 0)) return false;
  Route scratch;
  const Route* route = route_for(home, target, scratch);
  return route != nullptr && route->device != device;
}

std::optional<NetModel::Neighbour> NetModel::resolve(std::uint32_t space, const std::string& device,
                                                     const IpAddress& target) const {
  using Entry = std::map<std::string, NetDevice>::value_type;
  struct Place {
    const NetModel* owner;
    std::uint32_t space;
    const Entry* device;
    std::size_t from;
    std::optional<NetPath::Cross> cable;
  };
  std::vector<Place> places;
  std::set<const NetDevice*> seen;  // only asked whether it holds one
  const auto reach = [&](const NetModel* owner, std::uint32_t where, const std::string& name,
                         std::size_t from, std::optional<NetPath::Cross> cable) {
    const NetNamespace* home = owner->find(where);
    if (home == nullptr) return;
    const auto found = home->devices.find(name);
    if (found == home->devices.end() || !found->second.up) return;
    if (!seen.insert(&found->second).second) return;
    places.push_back({owner, where, &*found, from, cable});
  };
  reach(this, space, device, 0, {});
  std::optional<std::size_t> best;
  std::uint64_t best_priority = 0;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const NetModel* const owner = places[i].owner;
    const std::uint32_t where = places[i].space;
    const auto& [device_name, facts] = *places[i].device;
    if (i > 0) {
      std::uint64_t priority = 0;
      if (answers(*owner, where, device_name, target, priority) &&
          (!best || priority > best_priority)) {
        best = i;
        best_priority = priority;
      }
    }
    if (!facts.bridge.empty()) {
      reach(owner, where, facts.bridge, i, {});
    }
    if (facts.kind == LinkKind::bridge) {
      for (const auto& [name, port] : owner->find(where)->devices) {
        if (port.bridge == device_name) reach(owner, where, name, i, {});
      }
    }
    if (facts.kind == LinkKind::veth) {
      // From a port inwards to the container, from a container outwards to the node.
      reach(owner, facts.peer_space, facts.peer_name, i, {});
    }
    if (facts.kind == LinkKind::physical) {
      const std::uint32_t here = owner->node_.index;
      for (std::uint32_t c = 0; c < node_.world.cables.size(); ++c) {
        const Cable& cable = node_.world.cables[c];
        if (!cable.up || (cable.a != here && cable.b != here)) continue;
        const std::uint32_t there = cable.a == here ? cable.b : cable.a;
        const Node& other = *node_.world.nodes[there];
        if (!other.powered) continue;
        reach(&net_of(other), 0, "eth0", i, NetPath::Cross{c, cable.a == here});
      }
    }
  }
  if (!best) return std::nullopt;
  Neighbour found;
  found.owner = places[*best].owner;
  found.space = places[*best].space;
  found.device = places[*best].device->first;
  found.priority = best_priority;
  for (std::size_t i = *best; i != 0; i = places[i].from) {
    found.hops.push_back({places[i].owner->node_.index, places[i].space, places[i].device->first, false});
    const Place& from = places[places[i].from];
    found.hops.push_back({from.owner->node_.index, from.space, from.device->first, true});
    if (places[i].cable) found.cables.push_back(*places[i].cable);
  }
  std::reverse(found.hops.begin(), found.hops.end());
  std::reverse(found.cables.begin(), found.cables.end());
  return found;
}

Result<NetPath> NetModel::trace(std::uint32_t space, const IpAddress& destination) const {
  const auto no_way = [&](const NetModel& where, std::uint32_t at, const std::string& why) {
    return fail(ErrorCode::unreachable, "net.trace", destination.text(),
                why + " (on node " + where.node_.spec.name +
                    (at == 0 ? ")" : ", in a container)"));
  };
  NetPath path;
  const NetModel* owner = this;
  for (int step = 0; step < 16; ++step) {
    const NetNamespace* home = owner->find(space);
    if (home == nullptr) return no_way(*owner, space, "the network namespace is gone");
    if (home->locked) return no_way(*owner, space, "a checkpoint has locked the network");
    for (const auto& [name, device] : home->devices) {
      if (!device.up) continue;
      for (const IpPrefix& own : device.addresses) {
        const bool loopback = device.kind == LinkKind::loopback && own.contains(destination);
        if (own.address != destination && !loopback) continue;
        path.node = owner->node_.index;
        path.space = space;
        if (step == 0) {
          path.hops.push_back({path.node, space, "lo", true});
          path.hops.push_back({path.node, space, "lo", false});
        }
        for (const NetPath::Cross& cross : path.cables) {
          const LinkSpec& cable = node_.world.cables[cross.cable].spec;
          path.latency += cable.latency;
          path.loss_per_million =
              std::min<std::uint32_t>(1'000'000, path.loss_per_million + cable.loss_per_million);
        }
        if (path.cables.empty()) path.latency = microseconds(step == 0 ? 10 : 50);
        return path;
      }
    }
    if (step > 0 && !home->forwards) return no_way(*owner, space, "forwarding is off");
    Route scratch;
    const Route* route = owner->route_for(*home, destination, scratch);
    if (route == nullptr) return no_way(*owner, space, "no route");
    const auto next =
        owner->resolve(space, route->device, route->gateway.value_or(destination));
    if (!next) return no_way(*owner, space, "nobody answers on " + route->device);
    path.hops.insert(path.hops.end(), next->hops.begin(), next->hops.end());
    path.cables.insert(path.cables.end(), next->cables.begin(), next->cables.end());
    owner = next->owner;
    space = next->space;
  }
  return no_way(*owner, space, "the way goes round in a circle");
}

Result<NetPath> NetModel::trace_both(std::uint32_t space, const IpAddress& destination) const {
  TH_ASSIGN(NetPath path, trace(space, destination));
  if (path.node == node_.index && path.space == space) return path;
  // The source address: that of the device that the packets leave by, or any other.
  const NetNamespace& home = *find(space);
  std::optional<IpAddress> source;
  const auto look = [&](const NetDevice& device) {
    for (const IpPrefix& own : device.addresses) {
      if (!source && device.kind != LinkKind::loopback &&
          own.address.family == destination.family) {
        source = own.address;
      }
    }
  };
  if (const auto out = home.devices.find(path.hops.front().device); out != home.devices.end()) {
    look(out->second);
  }
  for (const auto& [name, device] : home.devices) look(device);
  if (!source) {
    return fail(ErrorCode::unreachable, "net.trace", destination.text(), "no source address");
  }
  // A container behind the node's own link-local gateway is asked from that gateway's address; the
  // way back to an address that several nodes have (the gateway) ends at the first of them.
  const auto back = net_of(*node_.world.nodes[path.node]).trace(path.space, *source);
  if (!back) return back.error();
  if (back->node != node_.index || back->space != space) {
    return fail(ErrorCode::unreachable, "net.trace", destination.text(),
                "answers to " + source->text() + " go elsewhere");
  }
  return path;
}

void NetModel::count(const NetPath& path, std::uint64_t packets, std::uint64_t bytes) const {
  for (const NetHop& hop : path.hops) {
    if (hop.node >= node_.world.nodes.size()) continue;
    NetNamespace* home = net_of(*node_.world.nodes[hop.node]).find(hop.space);
    if (home == nullptr) continue;
    const auto device = home->devices.find(hop.device);
    if (device == home->devices.end()) continue;
    LinkCounters& counters = device->second.counters;
    (hop.sends ? counters.packets_sent : counters.packets_received) += packets;
    (hop.sends ? counters.sent : counters.received) += Bytes{bytes};
  }
}

Result<std::uint32_t> NetModel::ping(std::uint32_t space, const IpAddress& destination,
                                     std::uint32_t count_wanted, Duration& round_trip) {
  TH_ASSIGN(const NetPath path, trace_both(space, destination));
  round_trip = 2 * path.latency;
  std::uint32_t answered = 0;
  for (std::uint32_t i = 0; i < count_wanted; ++i) {
    const bool lost = loss_.below(1'000'000) < path.loss_per_million ||
                      loss_.below(1'000'000) < path.loss_per_million;
    count(path, 1, 84);
    if (lost) continue;
    NetPath back = path;
    for (NetHop& hop : back.hops) hop.sends = !hop.sends;
    count(back, 1, 84);
    ++answered;
  }
  return answered;
}

Status NetModel::check() const {
  for (const auto& [id, space] : spaces_) {
    for (const auto& [name, device] : space.devices) {
      if (device.kind == LinkKind::veth) {
        const NetNamespace* peer = find(device.peer_space);
        if (peer == nullptr || !peer->devices.contains(device.peer_name)) {
          return fail(ErrorCode::corrupt, "net.check", name, "a veth has lost its other end");
        }
      }
      if (!device.bridge.empty() && !space.devices.contains(device.bridge)) {
        return fail(ErrorCode::corrupt, "net.check", name, "is a port of a bridge that is gone");
      }
    }
    for (const Route& route : space.routes) {
      if (!space.devices.contains(route.device)) {
        return fail(ErrorCode::corrupt, "net.check", route.device, "a route's device is gone");
      }
    }
  }
  return {};
}

}  // namespace twinhull::sim
