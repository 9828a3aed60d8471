// One simulated node and the world that it lives in, as the simulator's parts see them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/sim/engine/archive.h"
#include "backends/sim/engine/engine.h"
#include "backends/sim/world.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/channels.h"
#include "runtime/kernel/links.h"
#include "runtime/kernel/processes.h"

namespace twinhull::sim {

class FileStore;     // backends/sim/files/file_store.h
class MountTable;    // backends/sim/files/mount_table.h
class ProcessTable;  // backends/sim/process/process_table.h
class CgroupTree;    // backends/sim/cpu/cgroup_tree.h
class NetStack;      // backends/sim/net/net_stack.h
struct WorldState;

/// What every part of a node must do beside its own work. A part is made once with its node and
/// lives as long as the world; boots come and go.
class NodePart {
 public:
  virtual ~NodePart() = default;
  /// Power cut: everything volatile is gone, all timers are cancelled.
  virtual void power_off() = 0;
  /// Boot, with Node::boot counted up already: the state of a freshly booted node.
  virtual void power_on() = 0;
  /// Whole state, durable and volatile, timers as (time, sequence). The world is at rest.
  virtual void save(SaveArchive& archive) const = 0;
  /// Inverse, into a part just made from the same NodeSpec. Throws CorruptWorld for nonsense: every
  /// index, number and reference is checked here, so that nothing later can trip over it. Parts are
  /// loaded in the order files, mounts, cgroups, processes, net.
  virtual void load(LoadArchive& archive) = 0;
  /// Own bookkeeping is right (World::check). Error: corrupt.
  [[nodiscard]] virtual Status check() const = 0;
};

/// One node. Parts reach each other through it; `index` is its place in WorldState::nodes.
struct Node {
  Node(WorldState& world_state, std::uint32_t node_index, NodeSpec node_spec);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  WorldState& world;
  Engine& engine;
  std::uint32_t index;
  NodeSpec spec;
  std::uint64_t boot = 1;  ///< counts boots; a port of an older boot is dead
  bool powered = true;
  Instant booted_at{};  ///< world time of the present boot
  Bytes occupied{0};    ///< World::occupy_disk

  std::unique_ptr<FileStore> files;
  std::unique_ptr<MountTable> mounts;
  std::unique_ptr<CgroupTree> cgroups;
  std::unique_ptr<ProcessTable> processes;
  std::unique_ptr<NetStack> net;

  /// All parts in the order of saving and booting.
  [[nodiscard]] std::vector<NodePart*> parts() const;
  /// Time since this boot, as the node's monotonic clock shows it.
  [[nodiscard]] Instant uptime() const { return Instant(engine.now() - booted_at); }
};

/// A cable between two nodes, by index.
struct Cable {
  LinkSpec spec;
  std::uint32_t a = 0, b = 0;
  bool up = true;
};

/// Everything of a world but its public face.
struct WorldState {
  explicit WorldState(std::uint64_t seed) : engine(seed) {}
  Engine engine;
  std::vector<std::unique_ptr<Node>> nodes;
  std::vector<Cable> cables;
  std::map<std::string, ServiceBody> services;
  std::vector<LifeEvent> life_events;
  /// Counts what can open or close a way through the network (NetModel::changed, boots): who has
  /// found a way need not look for it again until then. Not saved.
  std::uint64_t network_changes = 0;

  /// nullptr when there is no such node.
  [[nodiscard]] Node* find_node(std::string_view name) const;
  /// Runs `body` as a fiber of `node` with the node's present kernel: for services of channels.
  /// The channel handed to a ServiceBody is owned by the closure.
  std::function<Fiber*(Node&, std::function<void(Kernel&)>)> start_service;
  /// A container's init came up or went away; ProcessTable calls it.
  void record_life(const Node& node, std::string label, bool up);
};

/// What a port holds of its node: the boot that it was made for. Every port call begins with
/// `TH_TRY(gate_.enter("files.write", path))`, and every effect after a wait needs it again (the
/// wait below does it).
class NodeGate {
 public:
  explicit NodeGate(Node& node) : node_(&node), boot_(node.boot) {}
  /// Success when the node still runs this boot and the calling command was not killed; otherwise
  /// node_down. Costs a few compares.
  Status enter(std::string_view operation, std::string_view object) const {
    const Fiber* fiber = node_->engine.current();
    if (node_->boot == boot_ && node_->powered && (fiber == nullptr || !fiber->killed)) return {};
    return refuse(operation, object);
  }
  /// Blocks the caller until `queue` is woken. Errors: interrupted, node_down, and timed_out when
  /// the deadline (world time) passed or nothing can ever wake it.
  Status wait(WaitQueue& queue, std::optional<Instant> deadline, std::string_view operation,
              std::string_view object) const;
  /// Blocks for `length` of virtual time (not positive = returns at once). Errors: interrupted,
  /// node_down.
  Status sleep(Duration length, std::string_view operation, std::string_view object) const;
  /// The same for work that a signal cannot break off (bulk copies): an interrupt stays pending
  /// for the next breakable call. Errors: node_down.
  Status work(Duration length, std::string_view operation, std::string_view object) const;
  [[nodiscard]] Node& node() const { return *node_; }
  [[nodiscard]] std::uint64_t boot() const { return boot_; }

 private:
  [[nodiscard]] Error refuse(std::string_view operation, std::string_view object) const;
  Node* node_;
  std::uint64_t boot_;
};

// Ports of the parts beside files: made once a boot by NodeKernel.
std::unique_ptr<Processes> make_processes_port(NodeGate gate);  // backends/sim/process
std::unique_ptr<Cgroups> make_cgroups_port(NodeGate gate);      // backends/sim/cpu
std::unique_ptr<Links> make_links_port(NodeGate gate);          // backends/sim/net
std::unique_ptr<Channels> make_channels_port(NodeGate gate);    // backends/sim/net

}  // namespace twinhull::sim
