#include "backends/sim/world.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "backends/sim/cpu/scheduler_rules.h"
#include "backends/sim/files/file_store.h"
#include "backends/sim/net/net_stack.h"
#include "backends/sim/ports/ports.h"
#include "backends/sim/process/process_table.h"
#include "backends/sim/template_tree.h"
#include "backends/sim/world_impl.h"

namespace twinhull::sim {
namespace {

// As a shell shows SIGKILL.
constexpr int kKilledResult = 137;
// Amounts stay far from the end of 64 bits, so that sums cannot overflow.
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 58U;

bool is_node_name(const std::string& name) {
  return !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

Error no_such_node(std::string_view operation, const std::string& name) {
  return fail(ErrorCode::not_found, operation, name, "the world has no such node");
}

}  // namespace

World::Impl::Impl(std::uint64_t seed) : state(seed) {
  state.start_service = [this](Node& node, std::function<void(Kernel&)> body) {
    // A process of its own: what it leaves when it is killed is known for a dead one's.
    const ProcessRef process = node.processes->begin_command("service");
    const auto run = [this, body = std::move(body), process, target = &node, boot = node.boot,
                      kernel = &kernel_of(node)] {
      const Fiber* self = state.engine.current();
      if (!self->killed) body(*kernel);
      if (target->powered && target->boot == boot) target->processes->end_command(process);
    };
    return state.engine.start_fiber(node.index, process.pid, run);
  };
}

World::Impl::~Impl() {
  // Suspended commands own memory and refer to nodes: they end before anything else does.
  state.engine.shut_down();
}

Status World::Impl::add_node(const NodeSpec& spec) {
  constexpr std::string_view kOperation = "world.add_node";
  if (!is_node_name(spec.name)) {
    return fail(ErrorCode::invalid_argument, kOperation, spec.name,
                "a node's name is 1 to 32 of a-z, 0-9 and -");
  }
  if (state.find_node(spec.name) != nullptr) {
    return fail(ErrorCode::exists, kOperation, spec.name, "the world has a node of this name");
  }
  if (spec.cpus < 1 || spec.cpus > 1024) {
    return fail(ErrorCode::invalid_argument, kOperation, spec.name, "a node has 1 to 1024 CPUs");
  }
  if (!is_release(spec.kernel)) {
    return fail(ErrorCode::invalid_argument, kOperation, spec.name,
                "a kernel's release begins with its version, such as 6.1, and has at most 64 of A-Z, "
                "a-z, 0-9 and . - + _ ~");
  }
  if (spec.memory_nodes < 1 || spec.memory_nodes > spec.cpus) {
    return fail(ErrorCode::invalid_argument, kOperation, spec.name,
                "a node has at least one memory node, and not more than CPUs");
  }
  if (spec.memory.value < kPageSize || spec.memory.value > kMostBytes ||
      spec.swap.value > kMostBytes || spec.disk.value < 64 * kBlockSize ||
      spec.disk.value > kMostBytes || spec.inodes.value < 16 || spec.inodes.value > 0xf0000000U ||
      spec.disk_bandwidth.value == 0 || spec.disk_iops == 0) {
    return fail(ErrorCode::invalid_argument, kOperation, spec.name,
                "memory, disk, inodes or disk bandwidth are out of range");
  }
  const auto index = static_cast<std::uint32_t>(state.nodes.size());
  state.nodes.push_back(std::make_unique<Node>(state, index, spec));
  kernels_.emplace_back();
  boot_kernel(*state.nodes.back());
  state.engine.note(kOperation, spec.name);
  return {};
}

Status World::Impl::add_link(const LinkSpec& spec) {
  constexpr std::string_view kOperation = "world.add_link";
  const Node* a = state.find_node(spec.a);
  const Node* b = state.find_node(spec.b);
  if (a == nullptr) return no_such_node(kOperation, spec.a);
  if (b == nullptr) return no_such_node(kOperation, spec.b);
  const std::string name = spec.a + "-" + spec.b;
  if (a == b || spec.bandwidth.value == 0 || spec.latency < Duration::zero() ||
      spec.loss_per_million > 1'000'000) {
    return fail(ErrorCode::invalid_argument, kOperation, name,
                "a link joins two nodes, with bandwidth, and loses at most all");
  }
  for (const Cable& cable : state.cables) {
    if ((cable.a == a->index && cable.b == b->index) ||
        (cable.a == b->index && cable.b == a->index)) {
      return fail(ErrorCode::exists, kOperation, name, "the two nodes are joined already");
    }
  }
  state.cables.push_back({spec, a->index, b->index, true});
  state.engine.note(kOperation, name);
  state.nodes[a->index]->net->cables_changed();
  state.nodes[b->index]->net->cables_changed();
  return {};
}

Node& World::Impl::require_node(const std::string& name) {
  Node* node = state.find_node(name);
  if (node == nullptr) {  // the caller broke the contract
    std::fprintf(stderr, "twinhull: the world has no node \"%s\"\n", name.c_str());
    std::abort();
  }
  return *node;
}

void World::Impl::boot_kernel(Node& node) {
  kernels_[node.index].push_back(make_kernel(node));
}

void World::Impl::end_command(CommandId id, int result) {
  Command& command = commands.at(id);
  if (command.result) return;
  command.result = result;
  command.fiber = 0;
  state.engine.note("command.end", {id, static_cast<std::uint64_t>(result)});
}

void World::Impl::cables_changed_at(std::uint32_t node) {
  state.nodes[node]->net->cables_changed();
  for (const Cable& cable : state.cables) {
    if (cable.a == node) state.nodes[cable.b]->net->cables_changed();
    if (cable.b == node) state.nodes[cable.a]->net->cables_changed();
  }
}

World::World(std::uint64_t seed) : impl_(std::make_unique<Impl>(seed)) {}
World::World(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
World::~World() = default;

Status World::add_node(const NodeSpec& spec) {
  TH_TRY(impl_->add_node(spec));
  return install_node_system(*impl_->state.nodes.back());
}
Status World::add_link(const LinkSpec& spec) {
  return impl_->add_link(spec);
}

Status World::install_template(const std::string& node, const std::string& path,
                               const TemplateSpec& spec) {
  Node* found = impl_->state.find_node(node);
  if (found == nullptr) return no_such_node("world.install_template", node);
  return install_template_tree(*found, path, spec);
}

void World::set_service(const std::string& name, ServiceBody body) {
  impl_->state.services[name] = std::move(body);
}

std::vector<NodeSpec> World::nodes() const {
  std::vector<NodeSpec> specs;
  for (const auto& node : impl_->state.nodes) specs.push_back(node->spec);
  return specs;
}

std::vector<LinkSpec> World::links() const {
  std::vector<LinkSpec> specs;
  for (const Cable& cable : impl_->state.cables) specs.push_back(cable.spec);
  return specs;
}

std::uint64_t World::seed() const {
  return impl_->state.engine.seed();
}

Kernel& World::kernel(const std::string& node) {
  return impl_->kernel_of(impl_->require_node(node));
}

Result<CommandId> World::start(const std::string& node, std::string command_line,
                               CommandBody body) {
  Node* found = impl_->state.find_node(node);
  if (found == nullptr) return no_such_node("world.start", node);
  if (!found->powered) {
    return fail(ErrorCode::node_down, "world.start", node, "the node has no power");
  }
  Engine& engine = impl_->state.engine;
  const CommandId id = impl_->next_command++;
  engine.note("command.start", command_line, {id, found->index});
  const ProcessRef process = found->processes->begin_command(command_line);
  const auto run = [impl = impl_.get(), id, process, body = std::move(body), found,
                    kernel = &impl_->kernel_of(*found)] {
    const Fiber* self = impl->state.engine.current();
    if (self->killed) return;
    const int result = body(*kernel);
    if (self->killed) return;  // its end was recorded when it was killed
    impl->end_command(id, result);
    found->processes->end_command(process);
  };
  const Fiber* fiber = engine.start_fiber(found->index, process.pid, run);
  impl_->commands.emplace(id, Command{found->index, fiber->id, process, std::nullopt});
  return id;
}

std::optional<int> World::result(CommandId command) const {
  const auto found = impl_->commands.find(command);
  return found == impl_->commands.end() ? std::nullopt : found->second.result;
}

Result<ProcessRef> World::process_of(CommandId command) const {
  const auto found = impl_->commands.find(command);
  if (found == impl_->commands.end())
    return fail(ErrorCode::not_found, "world.process_of", std::to_string(command),
                "no such command was started");
  return found->second.process;
}

Result<int> World::finish(CommandId command, Duration at_most) {
  const auto found = impl_->commands.find(command);
  const std::string name = std::to_string(command);
  if (found == impl_->commands.end()) {
    return fail(ErrorCode::not_found, "world.finish", name, "no such command was started");
  }
  Engine& engine = impl_->state.engine;
  if (engine.current() != nullptr) {
    return fail(ErrorCode::not_supported, "world.finish", name,
                "a command cannot run the world that it lives in");
  }
  const Instant deadline = later(engine.now(), at_most);
  while (!found->second.result) {
    if (engine.run_next(deadline)) continue;
    engine.run_until(deadline);
    if (found->second.result) break;
    return fail(ErrorCode::timed_out, "world.finish", name,
                "the command is still running at the deadline");
  }
  engine.drain_killed();  // those that the command took along by cutting its own power
  return *found->second.result;
}

Status World::interrupt(CommandId command) {
  const auto found = impl_->commands.find(command);
  if (found == impl_->commands.end()) {
    return fail(ErrorCode::not_found, "world.interrupt", std::to_string(command),
                "no such command was started");
  }
  impl_->state.engine.note("command.interrupt", {command});
  if (Fiber* fiber = impl_->state.engine.find_fiber(found->second.fiber)) {
    impl_->state.engine.interrupt(*fiber);
  }
  return {};
}

Status World::kill(CommandId command) {
  const auto found = impl_->commands.find(command);
  if (found == impl_->commands.end()) {
    return fail(ErrorCode::not_found, "world.kill", std::to_string(command),
                "no such command was started");
  }
  if (found->second.result) return {};
  Engine& engine = impl_->state.engine;
  Fiber* fiber = engine.find_fiber(found->second.fiber);
  impl_->end_command(command, kKilledResult);
  if (fiber != nullptr) engine.kill(*fiber);
  Node& node = *impl_->state.nodes[found->second.node];
  if (node.powered) node.processes->end_command(found->second.process);
  engine.drain_killed();
  return {};
}

Status World::kill_caller() {
  Engine& engine = impl_->state.engine;
  Fiber* fiber = engine.current();
  if (fiber == nullptr) {
    return fail(ErrorCode::not_found, "world.kill_caller", "",
                "no command or service runs this code");
  }
  for (auto& [id, command] : impl_->commands) {
    if (command.result || command.fiber != fiber->id) continue;
    impl_->end_command(id, kKilledResult);
    Node& node = *impl_->state.nodes[command.node];
    if (node.powered) node.processes->end_command(command.process);
  }
  // A service's process ends with its body, which no longer lets time pass.
  engine.kill(*fiber);
  return {};
}

void World::advance(Duration length) {
  Engine& engine = impl_->state.engine;
  const Instant until = later(engine.now(), std::max(length, Duration::zero()));
  if (engine.current() != nullptr) {
    // From inside a command the world goes on around it.
    (void)engine.wait(nullptr, kNoNode, until);
    return;
  }
  engine.run_until(until);
  engine.drain_killed();
}

Duration World::time_left() const {
  return kClockEnd - impl_->state.engine.now();
}

Instant World::now() const {
  return impl_->state.engine.now();
}

bool World::at_rest() const {
  return impl_->state.engine.fiber_count() == 0;
}

Status World::power_off(const std::string& name) {
  Node* node = impl_->state.find_node(name);
  if (node == nullptr) return no_such_node("world.power_off", name);
  if (!node->powered) {
    return fail(ErrorCode::node_down, "world.power_off", name, "the node has no power already");
  }
  Engine& engine = impl_->state.engine;
  engine.note("node.power_off", name);
  node->powered = false;
  for (auto& [id, command] : impl_->commands) {
    if (command.node == node->index) impl_->end_command(id, kKilledResult);
  }
  engine.kill_node(node->index);
  for (NodePart* part : node->parts()) part->power_off();
  impl_->cables_changed_at(node->index);
  engine.drain_killed();
  return {};
}

Status World::power_on(const std::string& name) {
  Node* node = impl_->state.find_node(name);
  if (node == nullptr) return no_such_node("world.power_on", name);
  if (node->powered) {
    return fail(ErrorCode::already_running, "world.power_on", name, "the node has power already");
  }
  impl_->state.engine.note("node.power_on", name);
  ++node->boot;
  node->powered = true;
  node->booted_at = impl_->state.engine.now();
  for (NodePart* part : node->parts()) part->power_on();
  impl_->boot_kernel(*node);
  impl_->cables_changed_at(node->index);
  return {};
}

bool World::is_on(const std::string& node) const {
  const Node* found = impl_->state.find_node(node);
  return found != nullptr && found->powered;
}

Status World::set_link_up(const std::string& a, const std::string& b, bool up) {
  for (Cable& cable : impl_->state.cables) {
    const bool same =
        (cable.spec.a == a && cable.spec.b == b) || (cable.spec.a == b && cable.spec.b == a);
    if (!same) continue;
    if (cable.up == up) return {};
    cable.up = up;
    impl_->state.engine.note("link.set_up", cable.spec.a + "-" + cable.spec.b, {up ? 1U : 0U});
    impl_->state.nodes[cable.a]->net->cables_changed();
    impl_->state.nodes[cable.b]->net->cables_changed();
    return {};
  }
  return fail(ErrorCode::not_found, "world.set_link_up", a + "-" + b, "no such link");
}

Status World::occupy_disk(const std::string& name, Bytes bytes) {
  Node* node = impl_->state.find_node(name);
  if (node == nullptr) return no_such_node("world.occupy_disk", name);
  if (bytes.value > kMostBytes) {
    return fail(ErrorCode::invalid_argument, "world.occupy_disk", name, "no disk is so large");
  }
  impl_->state.engine.note("disk.occupy", name, {bytes.value});
  node->occupied = bytes;
  return {};
}

const std::vector<LifeEvent>& World::life_events() const {
  return impl_->state.life_events;
}
void World::clear_life_events() {
  impl_->state.life_events.clear();
}
std::uint64_t World::digest() const {
  return impl_->state.engine.digest();
}

Status World::check() const {
  for (const auto& node : impl_->state.nodes) {
    for (const NodePart* part : node->parts()) TH_TRY(part->check());
  }
  return {};
}

std::string World::save() const {
  return impl_->save();
}

}  // namespace twinhull::sim
