#include "backends/linux/link/device_info.h"

#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <netlink/route/nexthop.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace twinhull::linux_backend {
namespace {

std::string mac_text(nl_addr* address) {
  constexpr unsigned kMacLength = 6;
  if (address == nullptr || nl_addr_get_len(address) != kMacLength) return {};
  std::array<char, 32> text{};
  return nl_addr2str(address, text.data(), text.size());
}

}  // namespace

LinkKind kind_of(rtnl_link* link) {
  if ((rtnl_link_get_flags(link) & IFF_LOOPBACK) != 0) return LinkKind::loopback;
  const char* const type = rtnl_link_get_type(link);
  if (type == nullptr) {
    return rtnl_link_get_arptype(link) == ARPHRD_ETHER ? LinkKind::physical : LinkKind::other;
  }
  if (std::string_view(type) == "veth") return LinkKind::veth;
  return std::string_view(type) == "bridge" ? LinkKind::bridge : LinkKind::other;
}

LinkInfo read_device(rtnl_link* link, rtnl_link* master, nl_cache* addresses) {
  LinkInfo info;
  info.name = rtnl_link_get_name(link);
  info.kind = kind_of(link);
  info.up = (rtnl_link_get_flags(link) & IFF_UP) != 0;
  if (info.kind != LinkKind::loopback) info.mac = mac_text(rtnl_link_get_addr(link));
  if (master != nullptr && kind_of(master) == LinkKind::bridge) {
    info.bridge = rtnl_link_get_name(master);
  }
  for (nl_object* object = nl_cache_get_first(addresses); object != nullptr;
       object = nl_cache_get_next(object)) {
    auto* const entry = reinterpret_cast<rtnl_addr*>(object);
    if (rtnl_addr_get_ifindex(entry) != rtnl_link_get_ifindex(link)) continue;
    if (auto prefix = from_nl(rtnl_addr_get_local(entry))) {
      // The length is the entry's: with a peer address the local one has none of its own.
      prefix->length = static_cast<std::uint8_t>(rtnl_addr_get_prefixlen(entry));
      info.addresses.push_back(*prefix);
    }
  }
  const auto count = [link](rtnl_link_stat_id_t id) { return rtnl_link_get_stat(link, id); };
  info.counters.received.value = count(RTNL_LINK_RX_BYTES);
  info.counters.sent.value = count(RTNL_LINK_TX_BYTES);
  info.counters.packets_received = count(RTNL_LINK_RX_PACKETS);
  info.counters.packets_sent = count(RTNL_LINK_TX_PACKETS);
  info.counters.dropped = count(RTNL_LINK_RX_DROPPED) + count(RTNL_LINK_TX_DROPPED);
  return info;
}

std::vector<Route> read_routes(nl_cache* devices, nl_cache* routes) {
  std::vector<Route> found;
  for (nl_object* object = nl_cache_get_first(routes); object != nullptr;
       object = nl_cache_get_next(object)) {
    auto* const entry = reinterpret_cast<rtnl_route*>(object);
    if (rtnl_route_get_table(entry) != RT_TABLE_MAIN || rtnl_route_get_type(entry) != RTN_UNICAST ||
        rtnl_route_get_nnexthops(entry) < 1) {
      continue;
    }
    const auto destination = from_nl(rtnl_route_get_dst(entry));
    rtnl_nexthop* const hop = rtnl_route_nexthop_n(entry, 0);
    const NlLink device(rtnl_link_get(devices, rtnl_route_nh_get_ifindex(hop)));
    if (!destination || !device) continue;
    Route route{.destination = *destination,
                .device = rtnl_link_get_name(device.get()),
                .gateway = std::nullopt};
    if (const auto gateway = from_nl(rtnl_route_nh_get_gateway(hop))) {
      route.gateway = gateway->address;
    }
    found.push_back(std::move(route));
  }
  return found;
}

}  // namespace twinhull::linux_backend
