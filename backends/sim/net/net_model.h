// Network of one node: namespaces, devices, addresses, routes; flows over them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backends/sim/engine/engine.h"
#include "backends/sim/net/net_stack.h"
#include "backends/sim/node.h"
#include "runtime/kernel/links.h"

namespace twinhull::sim {

/// A device of one namespace.
struct NetDevice {
  LinkKind kind = LinkKind::other;
  bool up = false;
  std::string mac;
  std::string bridge;            ///< of the same namespace
  std::vector<IpPrefix> addresses;
  LinkCounters counters;
  std::uint32_t peer_space = 0;  ///< veth: the other end
  std::string peer_name;
  bool proxies = false;          ///< answers ARP for what is routed elsewhere
};

/// A network namespace: 0 = the node's own, else the number of a process space.
struct NetNamespace {
  std::map<std::string, NetDevice> devices;
  std::vector<Route> routes;
  bool forwards = false;
  std::map<std::uint16_t, std::int32_t> servers;   ///< port -> pid of who listens
  bool locked = false;           ///< by a checkpoint: nothing goes in or out
};

/// One place that packets pass.
struct NetHop {
  std::uint32_t node = 0;
  std::uint32_t space = 0;
  std::string device;
  bool sends = false;
};

/// A way from one namespace to an address.
struct NetPath {
  std::vector<NetHop> hops;
  struct Cross {
    std::uint32_t cable = 0;
    bool forward = true;         ///< from its end a to its end b
  };
  std::vector<Cross> cables;
  Duration latency{0};           ///< one way
  std::uint32_t loss_per_million = 0;
  std::uint32_t node = 0;        ///< where it ends
  std::uint32_t space = 0;
};

/// Bytes on their way: one TCP connection, seen as a fluid.
struct NetFlow {
  std::int32_t pid = 0;          ///< process that sends; 0 = a channel of the node
  std::uint32_t space = 0;
  IpAddress destination;
  std::uint16_t port = 0;
  std::uint64_t total = kUnlimited;
  std::uint64_t most_rate = kUnlimited;  ///< bytes per second
  NetPath path;                  ///< not saved: found again
  std::int32_t server = 0;       ///< process that receives; 0 = none
  std::uint64_t moved = 0;
  std::uint64_t fraction = 0;    ///< billionths of a byte
  std::uint64_t rate = 0;        ///< bytes per second now
  std::int64_t since = 0;
  std::int64_t opens = 0;        ///< nothing moves before: connection set-up
  std::int64_t stalled = -1;     ///< since when there is no way; -1 = there is one
  bool done = false, lost = false;
};

class NetModel final : public NetStack {
 public:
  explicit NetModel(Node& node);

  void power_off() override;
  void power_on() override;
  void save(SaveArchive& archive) const override;
  void load(LoadArchive& archive) override;
  [[nodiscard]] Status check() const override;
  void cables_changed() override;

  // --- namespaces and devices --------------------------------------------------------------------
  void add_namespace(std::uint32_t id);
  /// With its devices and the other ends of its veth pairs.
  void remove_namespace(std::uint32_t id);
  [[nodiscard]] NetNamespace* find(std::uint32_t id);
  [[nodiscard]] const NetNamespace* find(std::uint32_t id) const;
  /// Takes a device (and a veth's peer) away; routes over it go too.
  void remove_device(std::uint32_t space, const std::string& name);
  [[nodiscard]] std::string make_mac(std::uint32_t space, const std::string& name);
  /// Devices, addresses or routes changed: flows look for their way again.
  void changed();
  void announce(const IpAddress& address);

  // --- reaching ----------------------------------------------------------------------------------
  /// The way that packets take from `space` to `destination`. Errors: unreachable, saying where
  /// the way ends.
  [[nodiscard]] Result<NetPath> trace(std::uint32_t space, const IpAddress& destination) const;
  /// The same, and that there is a way back.
  [[nodiscard]] Result<NetPath> trace_both(std::uint32_t space, const IpAddress& destination) const;
  /// Address that this node has on its uplink.
  [[nodiscard]] IpAddress uplink_address() const;
  /// Counts packets along a way.
  void count(const NetPath& path, std::uint64_t packets, std::uint64_t bytes) const;
  /// Echo requests: how many of `count` came back; the way's round trip in `round_trip`.
  Result<std::uint32_t> ping(std::uint32_t space, const IpAddress& destination, std::uint32_t count,
                             Duration& round_trip);

  // --- flows -------------------------------------------------------------------------------------
  /// Errors: unreachable (no way, or nobody listens on `port`; port 0 = no listener needed).
  Result<std::uint64_t> start_flow(NetFlow flow);
  [[nodiscard]] NetFlow* find_flow(std::uint64_t id);
  [[nodiscard]] const std::map<std::uint64_t, NetFlow>& flows() const { return flows_; }
  /// A connection of a restored process goes on as soon as there is a way; share_all() is due.
  std::uint64_t revive_flow(NetFlow flow);
  /// A restored server goes on with what it had received; the connection (a flow of `sender`) that
  /// went to its process of before is its again.
  void revive_server(std::int32_t pid, std::uint64_t received) { received_[pid] = received; }
  void reattach(NetModel& sender, std::uint64_t flow, std::int32_t before, std::int32_t now,
                std::uint32_t space);
  /// Bytes moved until now.
  std::uint64_t moved(std::uint64_t id);
  /// Bytes that the flow's server has had, from this flow and from others. 0 = no server.
  std::uint64_t arrived(std::uint64_t id);
  void end_flow(std::uint64_t id);
  /// The process's bytes as a receiver, ended flows included.
  [[nodiscard]] std::uint64_t received(std::int32_t pid);
  /// Listens; errors: busy (port taken).
  Status listen(std::uint32_t space, std::uint16_t port, std::int32_t pid);
  void unlisten(std::uint32_t space, std::uint16_t port);
  /// Woken whenever a flow of this node ended, was lost, or the network changed.
  WaitQueue& flows_changed() { return flows_changed_; }
  /// Shares of all flows of the world, anew.
  static void share_all(WorldState& world);

  [[nodiscard]] Node& node() const { return node_; }
  static constexpr Duration kSilence = seconds(10);  ///< afterwards a connection is lost

 private:
  struct Neighbour;
  void reset();
  [[nodiscard]] const Route* route_for(const NetNamespace& space, const IpAddress& address,
                                       Route& scratch) const;
  [[nodiscard]] std::optional<Neighbour> resolve(std::uint32_t space, const std::string& device,
                                                 const IpAddress& target) const;
  [[nodiscard]] bool answers(const NetModel& owner, std::uint32_t space, const std::string& device,
                             const IpAddress& target, std::uint64_t& priority) const;
  void settle(NetFlow& flow);
  void find_ways();
  void arm();
  void on_timer();
  void tell(NetFlow& flow);

  Node& node_;
  std::map<std::uint32_t, NetNamespace> spaces_;
  std::map<IpAddress, std::uint64_t> announced_;
  std::map<std::uint64_t, NetFlow> flows_;
  std::map<std::int32_t, std::uint64_t> received_;
  std::uint64_t next_flow_ = 1;
  std::uint64_t next_announcement_ = 1;
  std::uint64_t next_mac_ = 1;
  Timer timer_;
  RandomStream loss_;
  WaitQueue flows_changed_;
};

inline NetModel& net_of(const Node& node) { return static_cast<NetModel&>(*node.net); }

}  // namespace twinhull::sim
