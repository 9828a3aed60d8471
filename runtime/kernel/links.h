// Port: network devices, addresses and routes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/kernel/processes.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull {

/// A network namespace: the node's own, or that of a container's init.
struct NetScope {
  std::optional<ProcessRef> init;  ///< std::nullopt = the node
  static NetScope node() { return {}; }
  static NetScope of(ProcessRef process) { return {process}; }
};

enum class LinkKind : std::uint8_t { loopback, veth, bridge, physical, other };

struct LinkCounters {
  Bytes received, sent;
  std::uint64_t packets_received = 0, packets_sent = 0, dropped = 0;
};

struct LinkInfo {
  std::string name;
  LinkKind kind = LinkKind::other;
  bool up = false;
  std::string mac;     ///< "aa:bb:cc:dd:ee:ff"; empty when it has none
  std::string bridge;  ///< the bridge it is a port of; empty when none
  std::vector<IpPrefix> addresses;
  LinkCounters counters;
};

/// A veth pair: one end on the node, the other in a container.
struct VethSpec {
  std::string node_name;       ///< 1…15 bytes, [A-Za-z0-9._-]
  NetScope peer_scope;
  std::string peer_name;
  std::string node_mac;        ///< empty = the kernel's choice
  std::string peer_mac;
};

struct Route {
  IpPrefix destination;               ///< length 0 = default
  std::string device;
  std::optional<IpAddress> gateway;   ///< used on-link
  bool operator==(const Route&) const = default;
};

/// Devices, addresses and routes, by namespace. Everything is lost at a power cut.
/// Common errors: not_found (device), not_running (the scope's process is gone), invalid_argument
/// (name longer than 15 bytes), node_down.
class Links {
 public:
  virtual ~Links() = default;
  /// Errors: exists (a device of either name).
  virtual Status create_veth(const VethSpec& spec) = 0;
  /// Effect::none when a bridge of that name is there. Errors: exists (another kind of device).
  virtual Result<Effect> create_bridge(const std::string& name) = 0;
  /// Removes a node's device (and a veth's peer). Effect::none when absent.
  virtual Result<Effect> remove(const std::string& name) = 0;
  /// Makes `device` a port of `bridge`; empty bridge = of none.
  virtual Status set_bridge(const std::string& device, const std::string& bridge) = 0;
  virtual Status set_up(const NetScope& scope, const std::string& device, bool up) = 0;

  virtual Result<Effect> add_address(const NetScope& scope, const std::string& device,
                                     const IpPrefix& address) = 0;
  virtual Result<Effect> remove_address(const NetScope& scope, const std::string& device,
                                        const IpPrefix& address) = 0;
  /// Effect::none when exactly this route is there. Errors: exists (same destination, other way),
  /// unreachable (device down or gateway not reachable).
  virtual Result<Effect> add_route(const NetScope& scope, const Route& route) = 0;
  virtual Result<Effect> remove_route(const NetScope& scope, const IpPrefix& destination) = 0;
  virtual Result<std::vector<Route>> routes(const NetScope& scope) = 0;
  /// Lets the node forward between its devices, and answer ARP on `device` for addresses that it
  /// routes elsewhere (ip_forward, proxy_arp).
  virtual Status enable_routing(const std::string& device) = 0;
  /// Tells the neighbours on all other devices of the node that `address` is here now
  /// (gratuitous ARP or unsolicited neighbour advertisement).
  virtual Status announce(const IpAddress& address) = 0;

  virtual Result<std::optional<LinkInfo>> find(const NetScope& scope, const std::string& device) = 0;
  virtual Result<std::vector<LinkInfo>> list(const NetScope& scope) = 0;
};

}  // namespace twinhull
