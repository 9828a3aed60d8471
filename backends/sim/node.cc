#include "backends/sim/node.h"

#include "backends/sim/cpu/cgroup_tree.h"
#include "backends/sim/files/file_store.h"
#include "backends/sim/files/mount_table.h"
#include "backends/sim/net/net_stack.h"
#include "backends/sim/process/process_table.h"

namespace twinhull::sim {

Node::Node(WorldState& world_state, std::uint32_t node_index, NodeSpec node_spec)
    : world(world_state),
      engine(world_state.engine),
      index(node_index),
      spec(std::move(node_spec)),
      booted_at(world_state.engine.now()) {
  files = std::make_unique<FileStore>(*this);
  mounts = std::make_unique<MountTable>(*this);
  cgroups = make_cgroup_tree(*this);
  processes = make_process_table(*this);
  net = make_net_stack(*this);
}

Node::~Node() = default;

std::vector<NodePart*> Node::parts() const {
  return {files.get(), mounts.get(), cgroups.get(), processes.get(), net.get()};
}

Node* WorldState::find_node(std::string_view name) const {
  for (const auto& node : nodes) {
    if (node->spec.name == name) return node.get();
  }
  return nullptr;
}

void WorldState::record_life(const Node& node, std::string label, bool up) {
  engine.note(up ? "life.up" : "life.down", label, {node.index});
  life_events.push_back({engine.now(), node.spec.name, std::move(label), up});
}

Error NodeGate::refuse(std::string_view operation, std::string_view object) const {
  node_->engine.count_refused_call();
  const Fiber* fiber = node_->engine.current();
  const bool killed = fiber != nullptr && fiber->killed && node_->powered;
  return fail(ErrorCode::node_down, operation, object,
              killed ? "the command was killed"
                     : "node " + node_->spec.name + " lost its power since this command began");
}

Status NodeGate::wait(WaitQueue& queue, std::optional<Instant> deadline, std::string_view operation,
                      std::string_view object) const {
  TH_TRY(enter(operation, object));
  switch (node_->engine.wait(&queue, node_->index, deadline)) {
    case Wake::woken: break;
    case Wake::timed_out:
      TH_TRY(enter(operation, object));
      return fail(ErrorCode::timed_out, operation, object, "the deadline passed");
    case Wake::interrupted:
      TH_TRY(enter(operation, object));
      return fail(ErrorCode::interrupted, operation, object, "a signal asked the command to stop");
    case Wake::gone: return refuse(operation, object);
    case Wake::stalled:
      return fail(ErrorCode::timed_out, operation, object,
                  "nothing that could end this wait will ever happen");
  }
  return enter(operation, object);
}

Status NodeGate::sleep(Duration length, std::string_view operation, std::string_view object) const {
  TH_TRY(enter(operation, object));
  if (length <= Duration::zero()) return {};
  switch (node_->engine.wait(nullptr, node_->index, later(node_->engine.now(), length))) {
    case Wake::interrupted:
      TH_TRY(enter(operation, object));
      return fail(ErrorCode::interrupted, operation, object, "a signal asked the command to stop");
    case Wake::gone: return refuse(operation, object);
    case Wake::stalled:
      return fail(ErrorCode::not_supported, operation, object, "an event handler cannot sleep");
    case Wake::woken:
    case Wake::timed_out: break;
  }
  return enter(operation, object);
}

Status NodeGate::work(Duration length, std::string_view operation, std::string_view object) const {
  const Instant end = later(node_->engine.now(), length);
  Fiber* fiber = node_->engine.current();
  bool interrupted = false;
  Status status;
  for (;;) {
    status = sleep(end - node_->engine.now(), operation, object);
    if (status || status.error().code != ErrorCode::interrupted) break;
    interrupted = true;  // kept for the next call that can be broken off
  }
  if (interrupted && fiber != nullptr && !fiber->killed) fiber->interrupt_pending = true;
  return status;
}

}  // namespace twinhull::sim
