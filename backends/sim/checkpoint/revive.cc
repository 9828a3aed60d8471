// The way back: from captured state to a container of this node.
#include <algorithm>

#include "backends/sim/checkpoint/capture.h"

namespace twinhull::sim {
namespace {

constexpr std::string_view kCall = "checkpoints.restore";

/// Device names and files that the state needs and this node must have.
Status check_surroundings(Node& node, const RestoreSpec& spec, const FileRoot& root,
                          const CapturedContainer& state) {
  NetModel& net = net_of(node);
  for (const VethEnds& ends : spec.devices) {
    if (!state.devices.contains(ends.inside)) {
      return fail(ErrorCode::invalid_argument, kCall, ends.inside,
                  "the images have no such device");
    }
    if (net.find(0)->devices.contains(ends.node)) {
      return fail(ErrorCode::exists, kCall, ends.node, "the node has a device of this name");
    }
  }
  for (const auto& [name, device] : state.devices) {
    const bool named = std::ranges::any_of(
        spec.devices, [&wanted = name](const VethEnds& ends) { return ends.inside == wanted; });
    if (!named) {
      return fail(ErrorCode::invalid_argument, kCall, name,
                  "the other end of this device of the images was not named");
    }
  }
  for (const CapturedProcess& process : state.processes) {
    const FileView view(node, {root.mount, root.inner + process.root});
    const auto needed = [&](const std::string& path) -> Status {
      if (path.starts_with("/dev/") || path.starts_with("/proc/")) return {};
      const auto there = view.stat_target(path);
      if (there && *there) return {};
      return fail(ErrorCode::failed, kCall, spec.root + path,
                  "process " + std::to_string(process.inner_pid) + " (" + process.argv[0] +
                      ") had it open, and it is not in the root");
    };
    TH_TRY(needed(process.directory));
    for (const OutputStream* stream : {&process.streams.out, &process.streams.err}) {
      if (stream->kind == OutputStream::Kind::file) TH_TRY(needed(stream->path));
    }
  }
  return {};
}

void revive_devices(Node& node, const RestoreSpec& spec, const CapturedContainer& state,
                    std::uint32_t space) {
  NetModel& net = net_of(node);
  NetNamespace& home = *net.find(space);
  NetNamespace& own = *net.find(0);
  for (const VethEnds& ends : spec.devices) {
    const CapturedDevice& captured = state.devices.at(ends.inside);
    NetDevice inside;
    inside.kind = LinkKind::veth;
    inside.up = captured.up;
    inside.mac = captured.mac;
    inside.addresses = captured.addresses;
    inside.counters = captured.counters;
    inside.peer_space = 0;
    inside.peer_name = ends.node;
    home.devices[ends.inside] = std::move(inside);
    NetDevice outside;
    outside.kind = LinkKind::veth;
    outside.mac = net.make_mac(0, ends.node);
    outside.peer_space = space;
    outside.peer_name = ends.inside;
    own.devices[ends.node] = std::move(outside);
  }
  home.routes = state.routes;
}

/// Connections and servers, once the processes have their new numbers.
void revive_sockets(Node& node, const CapturedContainer& state, std::uint32_t space,
                    Relocation& relocation) {
  NetModel& net = net_of(node);
  for (const auto& [port, server] : state.servers) {
    const std::int32_t pid = relocation.pid(server);
    if (pid == 0) continue;
    net.find(space)->servers[port] = pid;
    const auto received = state.received.find(server);
    net.revive_server(pid, received == state.received.end() ? 0 : received->second);
  }
  for (const auto& [id, captured] : state.flows) {
    NetFlow flow;
    flow.pid = relocation.pid(captured.pid);
    if (flow.pid == 0) continue;
    flow.space = space;
    flow.destination = captured.destination;
    flow.port = captured.port;
    flow.total = captured.total;
    flow.most_rate = captured.most_rate;
    flow.server = captured.server;
    flow.moved = captured.moved;
    flow.fraction = captured.fraction;
    flow.done = captured.done;
    flow.lost = captured.lost;
    flow.path.node = captured.node;
    flow.path.space = captured.space;
    if (const std::int32_t peer = relocation.pid(captured.server); peer != 0) {  // inside too
      flow.server = peer;
      flow.path.node = node.index;
      flow.path.space = space;
    }
    relocation.flows[id] = net.revive_flow(std::move(flow));
  }
  for (const CapturedConnection& connection : state.connections) {
    if (connection.node >= node.world.nodes.size()) continue;
    net.reattach(net_of(*node.world.nodes[connection.node]), connection.flow, connection.server,
                 relocation.pid(connection.server), space);
  }
}

Status revive_process(ProcessModel& table, const RestoreSpec& spec, const FileRoot& root,
                      const CapturedProcess& captured, std::unique_ptr<Program> program,
                      std::uint32_t space, Relocation& relocation) {
  RunSpec run;
  run.space = space;
  run.cgroup = spec.cgroup.text + captured.group;
  run.root = {root.mount, root.inner + captured.root};
  run.directory = captured.directory;
  run.environment = captured.environment;
  run.streams = captured.streams;
  run.parent = relocation.pid(captured.parent);
  run.depth = captured.depth;
  run.oom_adjust = captured.oom_adjust;
  if (table.cgroups().find(run.cgroup) == nullptr) table.cgroups().add(run.cgroup);
  auto made = table.revive(run, captured.argv, std::move(program), captured.inner_pid);
  if (!made) return std::move(made).error();
  SimProcess& process = **made;
  relocation.pids[captured.pid] = process.ref.pid;
  process.stopped = captured.stopped;
  process.cpu_before = captured.cpu_used;
  table.lack(process, captured.missing);
  if (captured.threads > 1) {
    TH_TRY(table.cgroups().may_fork(run.cgroup, captured.threads - 1));
    table.cgroups().change_tasks(run.cgroup, captured.threads - 1);
    process.threads = captured.threads;
  }
  const ProcessRef ref = process.ref;
  if (!table.charge(process, captured.held) || table.find(ref) == nullptr) {
    return fail(ErrorCode::no_memory, kCall, spec.label,
                "its memory does not fit into the limit of its group");
  }
  if (captured.demand) table.demand_cpu(process, captured.demand);
  return {};
}

}  // namespace

Result<ProcessRef> revive_container(Node& node, const RestoreSpec& spec, CapturedContainer state) {
  ProcessModel& table = processes_of(node);
  auto root = FileView::root_of(node, spec.root);
  if (!root) {
    return fail(ErrorCode::not_found, kCall, spec.root, "the root directory does not exist")
        .caused_by(std::move(root).error());
  }
  TH_TRY(check_surroundings(node, spec, *root, state));
  Space space;
  space.label = spec.label;
  space.hostname = state.hostname;
  space.open_files = state.open_files;
  space.next_inner = state.next_inner;
  space.boots = true;
  const std::uint32_t id = table.add_space(std::move(space));
  node.world.record_life(node, spec.label, true);
  Relocation relocation;
  const auto give_up = [&](Error error) {
    const bool silent = table.space(id) != nullptr && table.find(table.space(id)->init) == nullptr;
    table.abandon_space(id);
    if (silent) node.world.record_life(node, spec.label, false);  // ended before it had an init
    error.operation = kCall;
    return error;
  };
  for (std::size_t i = 0; i < state.processes.size(); ++i) {
    Status made = revive_process(table, spec, *root, state.processes[i],
                                 std::move(state.programs[i]), id, relocation);
    if (!made) return give_up(std::move(made).error());
    if (table.space(id) == nullptr) {  // the OOM killer took its init for a later one
      return fail(ErrorCode::no_memory, kCall, spec.label,
                  "its memory does not fit into the limit of its group");
    }
  }
  revive_devices(node, spec, state, id);
  revive_sockets(node, state, id, relocation);
  for (const CapturedProcess& captured : state.processes) {
    SimProcess* process = table.find(relocation.pid(captured.pid));
    if (process == nullptr) {
      return give_up(fail(ErrorCode::no_memory, kCall, spec.label,
                          "its memory does not fit into the limit of its group"));
    }
    process->program->relocate(relocation);
    for (ProcessEvent event : captured.inbox) {
      if (event.kind == ProcessEvent::Kind::child) event.pid = relocation.pid(event.pid);
      table.post(*process, event);
    }
    if (captured.timer) table.arm(*process, later(node.engine.now(), *captured.timer));
    // What was at the disk was done by the time that the process stood still.
    if (process->program->uses_disk() && !captured.timer && captured.inbox.empty()) {
      ProcessEvent event;
      event.kind = ProcessEvent::Kind::disk;
      table.post(*process, event);
    }
  }
  net_of(node).changed();
  return table.find(table.space(id)->init)->ref;
}

}  // namespace twinhull::sim
