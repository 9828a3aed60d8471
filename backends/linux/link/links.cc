#include "backends/linux/link/links.h"

#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/rtnl.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <set>
#include <utility>

#include "backends/linux/errno_error.h"
#include "backends/linux/link/announce.h"
#include "backends/linux/link/device_info.h"
#include "backends/linux/link/netlink.h"
#include "backends/linux/link/sysctl.h"

namespace twinhull::linux_backend {
namespace {

constexpr const char* kNameRule = "a device name is 1 to 15 letters, digits, '.', '_', '-'";

bool valid_device_name(std::string_view name) {
  constexpr std::size_t kLongest = IFNAMSIZ - 1;
  if (name.empty() || name.size() > kLongest || name == "." || name == "..") return false;
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

Status check_name(std::string_view operation, const std::string& name) {
  if (valid_device_name(name)) return {};
  return fail(ErrorCode::invalid_argument, operation, "device \"" + name + '"', kNameRule);
}

Error no_device(std::string_view operation, const std::string& name) {
  return fail(ErrorCode::not_found, operation, "device " + name, "there is no such device");
}

/// Six pairs of hexadecimal digits. nl_addr_parse(3) is not used: it takes texts of other lengths
/// and fills what is missing.
Result<NlAddress> parse_mac(std::string_view operation, const std::string& text) {
  MacAddress mac{};
  constexpr std::size_t kPair = 3;  // two digits and a colon
  bool good = text.size() == mac.size() * kPair - 1;
  for (std::size_t i = 0; good && i < mac.size(); ++i) {
    const char* const at = text.data() + i * kPair;
    const auto [end, error] = std::from_chars(at, at + 2, mac[i], 16);
    good = error == std::errc{} && end == at + 2 && (i + 1 == mac.size() || *end == ':');
  }
  if (!good) {
    return fail(ErrorCode::invalid_argument, operation, text,
                "this is no MAC address such as 02:00:00:00:00:01");
  }
  return NlAddress(nl_addr_build(AF_LLC, mac.data(), mac.size()));
}

class LinuxLinks final : public Links {
 public:
  Status create_veth(const VethSpec& spec) override;
  Result<Effect> create_bridge(const std::string& name) override;
  Result<Effect> remove(const std::string& name) override;
  Status set_bridge(const std::string& device, const std::string& bridge) override;
  Status set_up(const NetScope& scope, const std::string& device, bool up) override;
  Result<Effect> add_address(const NetScope& scope, const std::string& device,
                             const IpPrefix& address) override;
  Result<Effect> remove_address(const NetScope& scope, const std::string& device,
                                const IpPrefix& address) override;
  Result<Effect> add_route(const NetScope& scope, const Route& route) override;
  Result<Effect> remove_route(const NetScope& scope, const IpPrefix& destination) override;
  Result<std::vector<Route>> routes(const NetScope& scope) override;
  Status enable_routing(const std::string& device) override;
  Status announce(const IpAddress& address) override;
  Result<std::optional<LinkInfo>> find(const NetScope& scope, const std::string& device) override;
  Result<std::vector<LinkInfo>> list(const NetScope& scope) override;

 private:
  static Result<NlLink> device(RouteSocket& socket, std::string_view operation,
                               const std::string& name);
  static Status change(RouteSocket& socket, std::string_view operation, const std::string& name,
                       rtnl_link* original, rtnl_link* wish);
  static Result<NlMessage> address_message(RouteSocket& socket, std::string_view operation,
                                           const std::string& name, const IpPrefix& address,
                                           bool add);
};

Result<NlLink> LinuxLinks::device(RouteSocket& socket, std::string_view operation,
                                  const std::string& name) {
  TH_TRY(check_name(operation, name));
  auto found = socket.device(name);
  if (!found) return no_device(operation, name);
  return found;
}

Status LinuxLinks::change(RouteSocket& socket, std::string_view operation, const std::string& name,
                          rtnl_link* original, rtnl_link* wish) {
  nl_msg* message = nullptr;
  if (const int result = rtnl_link_build_change_request(original, wish, 0, &message); result < 0) {
    return system_error(operation, "device " + name, errno_of(result), "cannot ask for the change");
  }
  if (const int number = socket.transact(NlMessage(message)); number != 0) {
    return system_error(operation, "device " + name, number);
  }
  return {};
}

Status LinuxLinks::create_veth(const VethSpec& spec) {
  constexpr auto kCall = "links.create_veth";
  TH_TRY(check_name(kCall, spec.node_name));
  TH_TRY(check_name(kCall, spec.peer_name));
  NlAddress node_mac, peer_mac;
  if (!spec.node_mac.empty()) {
    TH_ASSIGN(node_mac, parse_mac(kCall, spec.node_mac));
  }
  if (!spec.peer_mac.empty()) {
    TH_ASSIGN(peer_mac, parse_mac(kCall, spec.peer_mac));
  }
  UniqueFd space;
  if (spec.peer_scope.init) {
    TH_ASSIGN(space, open_network_namespace(kCall, *spec.peer_scope.init));
  }
  TH_ASSIGN(RouteSocket socket, RouteSocket::open(kCall, NetScope::node()));

  // The peer is made where it belongs, in the same message: no moment in which the node has it.
  const NlLink link(rtnl_link_veth_alloc());
  if (!link) return fail(ErrorCode::no_memory, kCall, spec.node_name, "no memory");
  rtnl_link* const peer = rtnl_link_veth_get_peer(link.get());
  const NlLink peer_reference(peer);
  rtnl_link_set_name(link.get(), spec.node_name.c_str());
  rtnl_link_set_name(peer, spec.peer_name.c_str());
  if (node_mac) rtnl_link_set_addr(link.get(), node_mac.get());
  if (peer_mac) rtnl_link_set_addr(peer, peer_mac.get());
  if (space) rtnl_link_set_ns_fd(peer, space.get());
  nl_msg* message = nullptr;
  if (const int result =
          rtnl_link_build_add_request(link.get(), NLM_F_CREATE | NLM_F_EXCL, &message);
      result < 0) {
    return system_error(kCall, spec.node_name, errno_of(result), "cannot ask for the pair");
  }
  const int number = socket.transact(NlMessage(message));
  if (number == 0) return {};
  const auto object = fmt::format("devices {} and {}", spec.node_name, spec.peer_name);
  if (number == EEXIST) {
    return system_error(kCall, object, number, "one of the names is taken");
  }
  if (number == EOPNOTSUPP) {
    return system_error(kCall, object, number, "this kernel has no veth devices (CONFIG_VETH)");
  }
  return system_error(kCall, object, number, "cannot make the pair");
}

Result<Effect> LinuxLinks::create_bridge(const std::string& name) {
  constexpr auto kCall = "links.create_bridge";
  TH_TRY(check_name(kCall, name));
  TH_ASSIGN(RouteSocket socket, RouteSocket::open(kCall, NetScope::node()));
  const NlLink link(rtnl_link_alloc());
  rtnl_link_set_name(link.get(), name.c_str());
  rtnl_link_set_type(link.get(), "bridge");
  nl_msg* message = nullptr;
  if (const int result =
          rtnl_link_build_add_request(link.get(), NLM_F_CREATE | NLM_F_EXCL, &message);
      result < 0) {
    return system_error(kCall, "device " + name, errno_of(result), "cannot ask for the bridge");
  }
  const int number = socket.transact(NlMessage(message));
  if (number == 0) return Effect::changed;
  if (number == EEXIST) {
    const auto there = socket.device(name);
    if (there && kind_of(there.get()) == LinkKind::bridge) return Effect::none;
    return system_error(kCall, "device " + name, number, "another kind of device has the name");
  }
  if (number == EOPNOTSUPP) {
    return system_error(kCall, "device " + name, number,
                        "this kernel has no bridges (CONFIG_BRIDGE)");
  }
  return system_error(kCall, "device " + name, number);
}

Result<Effect> LinuxLinks::remove(const std::string& name) {
  constexpr auto kCall = "links.remove";
  TH_TRY(check_name(kCall, name));
  TH_ASSIGN(RouteSocket socket, RouteSocket::open(kCall, NetScope::node()));
  const NlLink link(rtnl_link_alloc());
  rtnl_link_set_name(link.get(), name.c_str());
  nl_msg* message = nullptr;
  if (const int result = rtnl_link_build_delete_request(link.get(), &message); result < 0) {
    return system_error(kCall, "device " + name, errno_of(result), "cannot ask for the removal");
  }
  const int number = socket.transact(NlMessage(message));
  if (number == 0) return Effect::changed;
  if (number == ENODEV) return Effect::none;
  return system_error(kCall, "device " + name, number);
}

Status LinuxLinks::set_bridge(const std::string& name, const std::string& bridge) {
  constexpr auto kCall = "links.set_bridge";
  TH_ASSIGN(RouteSocket socket, RouteSocket::open(kCall, NetScope::node()));
  TH_ASSIGN(const NlLink link, device(socket, kCall, name));
  int master = 0;
  if (!bridge.empty()) {
    TH_ASSIGN(const NlLink over, device(socket, kCall, bridge));
    if (kind_of(over.get()) != LinkKind::bridge) {
      return fail(ErrorCode::invalid_argument, kCall, "device " + bridge, "it is no bridge");
    }
    master = rtnl_link_get_ifindex(over.get());
  }
  if (rtnl_link_get_master(link.get()) == master) return {};
  const NlLink wish(rtnl_link_alloc());
  rtnl_link_set_master(wish.get(), master);
  return change(socket, kCall, name, link.get(), wish.get());
}

Status LinuxLinks::set_up(const NetScope& scope, const std::string& name, bool up) {
  constexpr auto kCall = "links.set_up";
  TH_ASSIGN(RouteSocket socket, RouteSocket::open(kCall, scope));
  TH_ASSIGN(const NlLink link, device(socket, kCall, name));
  const NlLink wish(rtnl_link_alloc());
  if (up) {
    rtnl_link_set_flags(wish.get(), IFF_UP);
  } else {
    rtnl_link_unset_flags(wish.get(), IFF_UP);
  }
  return change(socket, kCall, name, link.get(), wish.get());
}

Result<NlMessage> LinuxLinks::address_message(RouteSocket& socket, std::string_view operation,
                                              const std::string& name, const IpPrefix& address,
                                              bool add) {
  TH_ASSIGN(const NlLink link, device(socket, operation, name));
  const NlDeviceAddress entry(rtnl_addr_alloc());
  rtnl_addr_set_ifindex(entry.get(), rtnl_link_get_ifindex(link.get()));
  const NlAddress local = to_nl(address);
  if (const int result = rtnl_addr_set_local(entry.get(), local.get()); result < 0) {
    return system_error(operation, address.text(), errno_of(result));
  }
  // Usable at once: duplicate address detection would keep a container's IPv6 address out of use
  // for a second or two, and the node has checked that nobody else has it.
  if (address.address.family == IpAddress::Family::v6) {
    rtnl_addr_set_flags(entry.get(), IFA_F_NODAD);
  }
  nl_msg* message = nullptr;
  const int result =
      add ? rtnl_addr_build_add_request(entry.get(), NLM_F_CREATE | NLM_F_EXCL, &message)
          : rtnl_addr_build_delete_request(entry.get(), 0, &message);
  if (result < 0) return system_error(operation, address.text(), errno_of(result));
  return NlMessage(message);
}

Result<Effect> LinuxLinks::add_address(const NetScope& scope, const std::string& name,
                                       const IpPrefix& address) {
  constexpr auto kCall = "links.add_address";
  TH_ASSIGN(RouteSocket socket, RouteSocket::open(kCall, scope));
  TH_ASSIGN(NlMessage message, address_message(socket, kCall, name, address, true));
  const int number = socket.transact(std::move(message));
  if (number == 0) return Effect::changed;
  if (number == EEXIST) return Effect::none;
  return system_error(kCall, address.text(), number, "cannot give it to device " + name);
}

Result<Effect> LinuxLinks::remove_address(const NetScope& scope, const std::string& name,
                                          const IpPrefix& address) {
  constexpr auto kCall = "links.remove_address";
  TH_ASSIGN(RouteSocket socket, RouteSocket::open(kCall, scope));
  TH_ASSIGN(NlMessage message, address_message(socket, kCall, name, address, false));
  const int number = socket.transact(std::move(message));
  if (number == 0) return Effect::changed;
  if (number == EADDRNOTAVAIL) return Effect::none;
  return system_error(kCall, address.text(), number, "cannot take it from device " + name);
}

Result<Effect> LinuxLinks::add_route(const NetScope& scope, const Route& route) {
  constexpr auto kCall = "links.add_route";
  TH_ASSIGN(RouteSocket socket, RouteSocket::open(kCall, scope));
  TH_ASSIGN(const NlLink link, device(socket, kCall, route.device));
  const bool v4 = route.destination.address.family == IpAddress::Family::v4;
  const NlRoute entry(rtnl_route_alloc());
  const NlAddress destination = to_nl(route.destination);
  rtnl_route_set_family(entry.get(), v4 ? AF_INET : AF_INET6);
  rtnl_route_set_dst(entry.get(), destination.get());
  rtnl_route_set_table(entry.get(), RT_TABLE_MAIN);
  rtnl_route_set_scope(entry.get(), route.gateway || !v4 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK);
  rtnl_nexthop* const hop = rtnl_route_nh_alloc();  // owned by the route from here on
  rtnl_route_nh_set_ifindex(hop, rtnl_link_get_ifindex(link.get()));
  if (route.gateway) {
    if (route.gateway->family != route.destination.address.family) {
      rtnl_route_nh_free(hop);
      return fail(ErrorCode::invalid_argument, kCall, route.destination.text(),
                  "the gateway is of another address family");
    }
    const NlAddress gateway = to_nl(*route.gateway);
    rtnl_route_nh_set_gateway(hop, gateway.get());
    rtnl_route_nh_set_flags(hop, RTNH_F_ONLINK);
  }
  rtnl_route_add_nexthop(entry.get(), hop);
  nl_msg* message = nullptr;
  if (const int result =
          rtnl_route_build_add_request(entry.get(), NLM_F_CREATE | NLM_F_EXCL, &message);
      result < 0) {
    return system_error(kCall, route.destination.text(), errno_of(result));
  }
  const int number = socket.transact(NlMessage(message));
  if (number == 0) return Effect::changed;
  const auto object = fmt::format("route to {}", route.destination.text());
  if (number == EEXIST) {
    TH_ASSIGN(const auto present, routes(scope));
    if (std::ranges::find(present, route) != present.end()) return Effect::none;
    return system_error(kCall, object, number, "it leads another way already")
        .with_hint("remove the other route first");
  }
  // EINVAL: an address of the node itself as the gateway, a network with host bits.
  const bool down = number == ENETDOWN || number == ENETUNREACH || number == EHOSTUNREACH;
  return system_error(down ? ErrorCode::unreachable : code_of(number), kCall, object, number,
                      fmt::format("device {}", route.device));
}

Result<Effect> LinuxLinks::remove_route(const NetScope& scope, const IpPrefix& destination) {
  constexpr auto kCall = "links.remove_route";
  TH_ASSIGN(RouteSocket socket, RouteSocket::open(kCall, scope));
  const bool v4 = destination.address.family == IpAddress::Family::v4;
  const NlRoute entry(rtnl_route_alloc());
  const NlAddress address = to_nl(destination);
  rtnl_route_set_family(entry.get(), v4 ? AF_INET : AF_INET6);
  rtnl_route_set_dst(entry.get(), address.get());
  rtnl_route_set_table(entry.get(), RT_TABLE_MAIN);
  // Whatever way it leads and whoever made it.
  rtnl_route_set_scope(entry.get(), RT_SCOPE_NOWHERE);
  rtnl_route_set_protocol(entry.get(), RTPROT_UNSPEC);
  nl_msg* message = nullptr;
  if (const int result = rtnl_route_build_del_request(entry.get(), 0, &message); result < 0) {
    return system_error(kCall, destination.text(), errno_of(result));
  }
  const int number = socket.transact(NlMessage(message));
  if (number == 0) return Effect::changed;
  if (number == ESRCH) return Effect::none;
  return system_error(kCall, "route to " + destination.text(), number);
}

Result<std::vector<Route>> LinuxLinks::routes(const NetScope& scope) {
  constexpr auto kCall = "links.routes";
  TH_ASSIGN(RouteSocket socket, RouteSocket::open(kCall, scope));
  int number = 0;
  const NlCache devices = socket.links(number);
  NlCache entries;
  if (number == 0) entries = socket.routes(number);
  if (number != 0) return system_error(kCall, "routes", number);
  return read_routes(devices.get(), entries.get());
}

Status LinuxLinks::enable_routing(const std::string& name) {
  constexpr auto kCall = "links.enable_routing";
  TH_ASSIGN(RouteSocket socket, RouteSocket::open(kCall, NetScope::node()));
  TH_ASSIGN(const NlLink link, device(socket, kCall, name));
  TH_TRY(set_sysctl(kCall, "net/ipv4/ip_forward", "1"));
  TH_TRY(set_sysctl(kCall, fmt::format("net/ipv4/conf/{}/proxy_arp", name), "1"));
  // Answers are not held back: the first packet of a container would wait up to 0.8 s.
  TH_TRY(set_sysctl(kCall, fmt::format("net/ipv4/neigh/{}/proxy_delay", name), "0"));
  if (!has_sysctl("net/ipv6/conf/all/forwarding")) return {};
  // For IPv6 of this device only: on "all" it would make the node stop listening to its routers.
  TH_TRY(set_sysctl(kCall, fmt::format("net/ipv6/conf/{}/forwarding", name), "1"));
  return set_sysctl(kCall, fmt::format("net/ipv6/conf/{}/proxy_ndp", name), "1");
}

Status LinuxLinks::announce(const IpAddress& address) {
  constexpr auto kCall = "links.announce";
  TH_ASSIGN(RouteSocket socket, RouteSocket::open(kCall, NetScope::node()));
  int number = 0;
  const NlCache devices = socket.links(number);
  if (number != 0) return system_error(kCall, "devices", number);
  TH_ASSIGN(const auto present, routes(NetScope::node()));
  std::set<std::string> towards;  // the devices behind which the address is
  for (const auto& route : present) {
    if (route.destination == IpPrefix::host(address)) towards.insert(route.device);
  }
  std::optional<Error> first;
  for (nl_object* object = nl_cache_get_first(devices.get()); object != nullptr;
       object = nl_cache_get_next(object)) {
    auto* const link = reinterpret_cast<rtnl_link*>(object);
    const std::string name = rtnl_link_get_name(link);
    const unsigned flags = rtnl_link_get_flags(link);
    nl_addr* const mac = rtnl_link_get_addr(link);
    // Ports of a bridge are reached through the bridge.
    const bool fit = (flags & IFF_UP) != 0 && (flags & IFF_RUNNING) != 0 &&
                     (flags & (IFF_NOARP | IFF_LOOPBACK)) == 0 && mac != nullptr &&
                     nl_addr_get_len(mac) == MacAddress().size() &&
                     rtnl_link_get_master(link) == 0 && !towards.contains(name);
    if (!fit) continue;
    MacAddress bytes{};
    std::copy_n(static_cast<const std::uint8_t*>(nl_addr_get_binary_addr(mac)), bytes.size(),
                bytes.data());
    const int sent = send_announcement(rtnl_link_get_ifindex(link), address, bytes);
    // Gone or gone down meanwhile: nobody is there to be told.
    if (sent == 0 || sent == ENETDOWN || sent == ENXIO || sent == ENODEV) continue;
    // A device without IPv6 has no address to speak from.
    if (address.family == IpAddress::Family::v6 && sent == EADDRNOTAVAIL) continue;
    if (!first) {
      first = system_error(kCall, address.text(), sent, "cannot announce it on device " + name);
    }
  }
  if (first) return *std::move(first);
  return {};
}

Result<std::optional<LinkInfo>> LinuxLinks::find(const NetScope& scope, const std::string& name) {
  constexpr auto kCall = "links.find";
  TH_TRY(check_name(kCall, name));
  TH_ASSIGN(RouteSocket socket, RouteSocket::open(kCall, scope));
  const NlLink link = socket.device(name);
  if (!link) return std::optional<LinkInfo>{};
  int number = 0;
  const NlCache addresses = socket.addresses(number);
  if (number != 0) return system_error(kCall, "device " + name, number);
  NlLink master;
  if (const int over = rtnl_link_get_master(link.get()); over != 0) master = socket.device(over);
  return std::optional<LinkInfo>(read_device(link.get(), master.get(), addresses.get()));
}

Result<std::vector<LinkInfo>> LinuxLinks::list(const NetScope& scope) {
  constexpr auto kCall = "links.list";
  TH_ASSIGN(RouteSocket socket, RouteSocket::open(kCall, scope));
  int number = 0;
  const NlCache devices = socket.links(number);
  NlCache addresses;
  if (number == 0) addresses = socket.addresses(number);
  if (number != 0) return system_error(kCall, "devices", number);
  std::vector<LinkInfo> found;
  for (nl_object* object = nl_cache_get_first(devices.get()); object != nullptr;
       object = nl_cache_get_next(object)) {
    auto* const link = reinterpret_cast<rtnl_link*>(object);
    const NlLink master(rtnl_link_get(devices.get(), rtnl_link_get_master(link)));
    found.push_back(read_device(link, master.get(), addresses.get()));
  }
  std::ranges::sort(found, {}, &LinkInfo::name);
  return found;
}

}  // namespace

Result<std::unique_ptr<Links>> make_links(const NodeOptions&, Processes&) {
  return std::make_unique<LinuxLinks>();
}

}  // namespace twinhull::linux_backend
