// A simulated world: nodes, links and virtual time in one process, from one seed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/kernel/channels.h"
#include "runtime/kernel/kernel.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull::sim {

/// What a simulated node is made of.
struct NodeSpec {
  std::string name;                      ///< [a-z0-9-]{1,32}, unique in the world
  std::uint32_t cpus = 4;                ///< 1…1024
  std::uint64_t cpu_mhz = 2400;
  std::vector<std::string> cpu_features = {"avx", "avx2", "fpu", "sse", "sse2", "sse4_2"};  ///< ascending
  Bytes memory{std::uint64_t{8} << 30};
  Bytes swap{0};
  Bytes disk{std::uint64_t{100} << 30};
  Inodes inodes{10'000'000};
  BytesPerSecond disk_bandwidth{200'000'000};
  std::uint64_t disk_iops = 20'000;     ///< operations a second, at least 1
  /// Release of its kernel, see is_release(): a version ("6.1", "6.12.48-amd64") tells by which rules its CPU
  /// time is shared (SchedulerRules).
  std::string kernel = "sim-1";
  bool lazy_pages = true;               ///< its kernel has Feature::lazy_pages
  /// NUMA nodes, 1…cpus. CPUs are spread over them in equal runs; where a page lies is not modelled.
  std::uint32_t memory_nodes = 1;
  [[nodiscard]] std::uint32_t memory_node_of(std::uint32_t cpu) const {
    return static_cast<std::uint32_t>(std::uint64_t{cpu} * memory_nodes / cpus);
  }
};

/// A cable between two nodes, the same in both directions.
struct LinkSpec {
  std::string a, b;
  BitsPerSecond bandwidth{1'000'000'000};
  Duration latency{microseconds(200)};
  std::uint32_t loss_per_million = 0;
};

/// A ready operating-system template tree; `kind` decides which programs it holds.
struct TemplateSpec {
  std::string name;                     ///< "busybox", "debian-12-x86_64"
  enum class Kind : std::uint8_t { busybox, debian } kind = Kind::busybox;
  Bytes bulk{0};                        ///< synthetic files beside the programs
};

/// A container's init came up or went away: for downtime and "exactly one node".
struct LifeEvent {
  Instant at;
  std::string node;
  std::string label;
  bool up = false;
};

using CommandId = std::uint64_t;
/// An operator's command: runs as a fiber against the node's kernel and returns an exit code.
using CommandBody = std::function<int(Kernel&)>;
/// A service that answers Channels::connect(node, name): runs as a fiber on that node.
using ServiceBody = std::function<void(Kernel&, Channel&)>;

/// Not thread-safe: one thread runs a world. Two worlds are independent.
/// Equal seed, equal calls: equal digest(), on every compiler and machine.
class World {
 public:
  explicit World(std::uint64_t seed);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // --- building -------------------------------------------------------------------------------
  /// Errors: exists, invalid_argument.
  Status add_node(const NodeSpec& spec);
  /// Errors: exists, not_found (a node), invalid_argument.
  Status add_link(const LinkSpec& spec);
  /// Puts a template tree, durable, at `path` of the node ("/vz/template/cache/NAME").
  Status install_template(const std::string& node, const std::string& path, const TemplateSpec& spec);
  /// Services live outside the saved state: register them again after load().
  void set_service(const std::string& name, ServiceBody body);

  [[nodiscard]] std::vector<NodeSpec> nodes() const;
  [[nodiscard]] std::vector<LinkSpec> links() const;
  [[nodiscard]] std::uint64_t seed() const;

  // --- calls and commands ---------------------------------------------------------------------
  /// The kernel of the node's present boot. After power_off, calls through it give node_down for
  /// ever; take a new one after power_on. Usable outside commands too: a blocking call then runs
  /// the world until it is done. Precondition: the node exists.
  Kernel& kernel(const std::string& node);
  /// Starts a command as a process of the node; it runs when time advances. `command_line` shows
  /// in the process table. Errors: not_found, node_down.
  Result<CommandId> start(const std::string& node, std::string command_line, CommandBody body);
  /// Exit code once the command has ended, std::nullopt before.
  [[nodiscard]] std::optional<int> result(CommandId command) const;
  /// The process that the command is, alive or ended: for those who wait for it as one command does
  /// for another. Errors: not_found.
  Result<ProcessRef> process_of(CommandId command) const;
  /// Runs the world until the command has ended. Errors: timed_out (virtual time), not_found.
  Result<int> finish(CommandId command, Duration at_most);
  /// Ctrl-C for a command: its blocking calls give `interrupted` once.
  Status interrupt(CommandId command);
  /// kill -9 for a command: none of its code runs any more, as if its process vanished; kernel
  /// calls of it that follow give node_down and have no effect.
  Status kill(CommandId command);
  /// The same for the command or service whose code makes this call: it is broken off there, and
  /// what it still does has no effect. Errors: not_found (no command or service runs this code).
  Status kill_caller();
  /// Runs everything that is due within `length` and moves the clock, at most by time_left().
  void advance(Duration length);
  /// How far the clock can still go: a world lasts 200 years.
  [[nodiscard]] Duration time_left() const;
  [[nodiscard]] Instant now() const;
  /// No command runs: save() is allowed.
  [[nodiscard]] bool at_rest() const;

  // --- faults ---------------------------------------------------------------------------------
  /// Power cut: processes, mounts, cgroups, links and unsynced data are gone. Commands of the node
  /// get node_down from every further call. Errors: not_found, node_down (is off already).
  Status power_off(const std::string& node);
  /// Boots. Errors: not_found, already_running.
  Status power_on(const std::string& node);
  [[nodiscard]] bool is_on(const std::string& node) const;
  /// Cuts or mends the cable. Errors: not_found.
  Status set_link_up(const std::string& a, const std::string& b, bool up);
  /// Takes `bytes` of the node's disk away (0 = gives all back), as if something else filled it.
  Status occupy_disk(const std::string& node, Bytes bytes);

  // --- looking --------------------------------------------------------------------------------
  /// Inits that came and went, in time order, since the world began (or the last clear).
  [[nodiscard]] const std::vector<LifeEvent>& life_events() const;
  void clear_life_events();
  /// Hash over everything that happened so far.
  [[nodiscard]] std::uint64_t digest() const;
  /// Own bookkeeping is right: CPU delivered ≤ capacity, memory and disk add up to the byte, no
  /// idle CPU beside a runnable unthrottled group. Error: corrupt, saying what does not add up.
  [[nodiscard]] Status check() const;

  // --- saving ---------------------------------------------------------------------------------
  /// The whole world at rest as bytes: magic, version, checksum, state. Precondition: at_rest().
  [[nodiscard]] std::string save() const;
  /// Errors: corrupt (bad magic, checksum or content), protocol (another version).
  static Result<std::unique_ptr<World>> load(std::string_view bytes);

  class Impl;

 private:
  explicit World(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace twinhull::sim
