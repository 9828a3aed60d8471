// Saving and loading the network of a node.
#include "backends/sim/net/net_model.h"
#include "backends/sim/process/process_model.h"

namespace twinhull::sim {

template <typename Archive>
void serialize(Archive& archive, NetDevice& device) {
  archive(device.kind, device.up, device.mac, device.bridge, device.addresses, device.counters,
          device.peer_space, device.peer_name, device.proxies);
}
template <typename Archive>
void serialize(Archive& archive, NetNamespace& space) {
  archive(space.devices, space.routes, space.forwards, space.servers, space.locked);
}
template <typename Archive>
void serialize(Archive& archive, NetHop& hop) {
  archive(hop.node, hop.space, hop.device, hop.sends);
}
template <typename Archive>
void serialize(Archive& archive, NetPath::Cross& cross) {
  archive(cross.cable, cross.forward);
}
template <typename Archive>
void serialize(Archive& archive, NetPath& path) {
  archive(path.hops, path.cables, path.latency, path.loss_per_million, path.node, path.space);
}
template <typename Archive>
void serialize(Archive& archive, NetFlow& flow) {
  archive(flow.pid, flow.space, flow.destination, flow.port, flow.total, flow.most_rate, flow.path,
          flow.server, flow.moved, flow.fraction, flow.rate, flow.since, flow.opens, flow.stalled,
          flow.done, flow.lost);
}

void NetModel::save(SaveArchive& archive) const {
  archive(spaces_, announced_, flows_, received_, next_flow_, next_announcement_, next_mac_, timer_,
          loss_);
}

void NetModel::load(LoadArchive& archive) {
  archive(spaces_, announced_, flows_, received_, next_flow_, next_announcement_, next_mac_, timer_,
          loss_);
  require_sane(spaces_.contains(0) && spaces_.at(0).devices.contains("lo") &&
                   spaces_.at(0).devices.contains("eth0"),
               "the node has no network");
  for (const auto& [id, space] : spaces_) {
    require_sane(id == 0 || processes_of(node_).space(id) != nullptr, "a namespace has no container");
    for (const auto& [name, device] : space.devices) {
      require_sane(device.kind <= LinkKind::other, "unknown kind of device");
      for (const IpPrefix& address : device.addresses) {
        require_sane(address.address.family <= IpAddress::Family::v6 &&
                         address.length <= address.address.bit_length(),
                     "an address is damaged");
      }
    }
    for (const Route& route : space.routes) {
      require_sane(route.destination.address.family <= IpAddress::Family::v6 &&
                       route.destination.length <= route.destination.address.bit_length(),
                   "a route is damaged");
    }
  }
  const std::int64_t now = node_.engine.now().time_since_epoch().count();
  for (const auto& [id, flow] : flows_) {
    require_sane(id < next_flow_, "a flow comes from the future");
    require_sane(flow.path.node < node_.world.nodes.size(), "a flow leads nowhere");
    for (const NetPath::Cross& cross : flow.path.cables) {
      require_sane(cross.cable < node_.world.cables.size(), "a flow uses a cable that is not there");
    }
    require_sane(flow.moved <= flow.total && flow.since <= now && flow.since >= 0 &&
                     flow.fraction < 1'000'000'000 && flow.stalled <= now &&
                     flow.opens <= now + std::int64_t{3'600'000'000'000},
                 "a flow is damaged");
  }
  const Status good = check();
  require_sane(good.has_value(), "the network does not add up");
  if (timer_.pending()) node_.engine.restore_timer(timer_, [this] { on_timer(); });
}

}  // namespace twinhull::sim
