#include "backends/sim/checkpoint/capture.h"

#include <cereal/types/deque.hpp>

#include <algorithm>

#include "backends/sim/checkpoint/state_archive.h"

namespace twinhull::sim {
namespace {

std::string name_of(const SimProcess& process) {
  return "process " + std::to_string(process.inner_pid) + " (" + process.argv[0] + ")";
}

/// What of a path lies below another one; std::nullopt when it does not.
std::optional<std::string> below(const std::string& path, const std::string& top) {
  if (!path.starts_with(top)) return std::nullopt;
  std::string rest = path.substr(top.size());
  if (!rest.empty() && !rest.starts_with('/') && !top.empty()) return std::nullopt;
  return rest;
}

CapturedProcess picture(ProcessModel& table, const SimProcess& process, const SimProcess& init) {
  CgroupModel& groups = table.cgroups();
  CapturedProcess captured;
  captured.pid = process.ref.pid;
  captured.parent = process.parent;
  captured.inner_pid = process.inner_pid;
  captured.group = below(process.cgroup, init.cgroup).value_or("");
  captured.root = below(process.root.inner, init.root.inner).value_or("");
  captured.directory = process.directory;
  captured.environment = process.environment;
  captured.argv = process.argv;
  captured.threads = process.threads;
  captured.depth = process.depth;
  captured.stopped = process.stopped;
  captured.cpu_used = table.cpu_used(process);
  if (process.cpu != 0) {
    const CpuDemand demand = groups.cpu().demand(process.cpu);
    if (demand.work != Duration(0)) captured.demand = demand;  // done: its event is in the inbox
  }
  captured.missing = process.held_back;
  captured.held = groups.memory().held(process.memory);
  captured.held -= Bytes{captured.missing * kPageSize};
  captured.oom_adjust = groups.memory().oom_adjust(process.memory);
  if (process.timer.pending()) {
    captured.timer = std::max(process.timer.at - table.node().engine.now(), Duration(0));
  }
  captured.inbox = process.inbox;
  captured.streams = process.streams;
  captured.kind = process.program->kind();
  return captured;
}

void picture_network(ProcessModel& table, std::uint32_t space, CapturedContainer& state) {
  NetModel& net = net_of(table.node());
  const NetNamespace& home = *net.find(space);
  for (const auto& [name, device] : home.devices) {
    if (device.kind == LinkKind::loopback) continue;
    state.devices[name] = {device.mac, device.up, device.addresses, device.counters};
  }
  state.routes = home.routes;
  state.servers = home.servers;
  for (const auto& [port, pid] : home.servers) state.received[pid] = net.received(pid);
  for (const auto& [id, flow] : net.flows()) {
    if (flow.space != space || flow.pid == 0) continue;
    const std::uint64_t moved = net.moved(id);
    state.flows[id] = {flow.pid,  flow.server, flow.path.node, flow.path.space, flow.destination,
                       flow.port, flow.total,  flow.most_rate, moved,           flow.fraction,
                       flow.done, flow.lost};
  }
  for (const auto& node : table.node().world.nodes) {
    for (const auto& [id, flow] : net_of(*node).flows()) {
      if (flow.done || flow.server == 0 || flow.path.node != table.node().index) continue;
      if (flow.path.space == space) state.connections.push_back({node->index, id, flow.server});
    }
  }
}

Status check_devices(const NetNamespace& home, const std::vector<VethEnds>& devices,
                     std::string_view operation) {
  for (const auto& [name, device] : home.devices) {
    if (device.kind == LinkKind::loopback) continue;
    const bool named = std::ranges::any_of(
        devices, [&wanted = name](const VethEnds& ends) { return ends.inside == wanted; });
    if (!named) {
      return fail(ErrorCode::invalid_argument, operation, name,
                  "the other end of this device of the container was not named");
    }
  }
  for (const VethEnds& ends : devices) {
    if (!home.devices.contains(ends.inside)) {
      return fail(ErrorCode::invalid_argument, operation, ends.inside,
                  "the container has no such device");
    }
  }
  return {};
}

}  // namespace

namespace {

/// Calls `found(process, error)` for each hindrance until it says that it has seen enough.
template <typename Found>
void each_hindrance(ProcessModel& table, std::uint32_t space, std::string_view operation,
                    const Found& found) {
  NetModel& net = net_of(table.node());
  const SimProcess& init = *table.find(table.space(space)->init);
  const std::int64_t now = table.node().engine.now().time_since_epoch().count();
  for (const SimProcess* process : table.members(space)) {
    const auto hinders = [&](ErrorCode code, const std::string& why, const char* remedy) {
      return found(fail(code, operation, name_of(*process), why).with_hint(remedy));
    };
    if (table.is_awaited(process->ref.pid) &&
        hinders(ErrorCode::busy, "was started from outside of the container, and its caller waits for it",
                "wait until that vzctl exec or enter has ended"))
      return;
    if (process->late &&
        hinders(ErrorCode::busy, "lacks memory that has yet to come from the node that it comes from",
                "wait until its migration is complete"))
      return;
    if ((process->root.mount != init.root.mount || !below(process->root.inner, init.root.inner)) &&
        hinders(ErrorCode::not_supported, "its root directory lies outside of the container's",
                "end it"))
      return;
    if (!below(process->cgroup, init.cgroup) &&
        hinders(ErrorCode::not_supported,
                "is in the control group " + process->cgroup + ", which is not the container's",
                "end it, or move it to a group of the container"))
      return;
    for (const OutputStream* stream : {&process->streams.out, &process->streams.err}) {
      const bool file = stream->kind == OutputStream::Kind::file;
      if (!file || stream->path.starts_with("/dev/") || stream->path.starts_with("/proc/")) continue;
      const auto there = table.view(*process).stat_target(stream->path);
      if (there && *there) continue;
      if (hinders(ErrorCode::not_supported,
                  "descriptor " + std::string(stream == &process->streams.out ? "1" : "2") +
                      " is the file " + stream->path + ", which was deleted",
                  "restart it"))
        return;
    }
    for (const auto& [id, flow] : net.flows()) {
      if (flow.pid != process->ref.pid || flow.done || flow.opens <= now) continue;
      if (hinders(ErrorCode::busy,
                  "its connection to " + flow.destination.text() + " port " +
                      std::to_string(flow.port) + " is being set up",
                  "try again"))
        return;
    }
  }
}

}  // namespace

Status find_hindrance(ProcessModel& table, std::uint32_t space,
                      const std::vector<VethEnds>& devices, std::string_view operation) {
  TH_TRY(check_devices(*net_of(table.node()).find(space), devices, operation));
  Status first;
  each_hindrance(table, space, operation, [&](Error error) {
    first = std::move(error);
    return true;
  });
  return first;
}

Survey survey_of(ProcessModel& table, std::uint32_t space) {
  Survey survey;
  each_hindrance(table, space, "checkpoints.survey", [&](const Error& error) {
    survey.hindrances.push_back(
        {error.object, error.detail, error.hint, error.code == ErrorCode::busy});
    return false;
  });
  NetModel& net = net_of(table.node());
  for (const SimProcess* process : table.members(space)) {
    ++survey.tasks;
    std::uint64_t sockets = 0;
    for (const auto& [port, pid] : net.find(space)->servers) sockets += pid == process->ref.pid;
    for (const auto& [id, flow] : net.flows()) sockets += flow.pid == process->ref.pid && !flow.done;
    survey.sockets += sockets;
    survey.descriptors += 3 + sockets;
    survey.held += Pages{table.cgroups().memory().held(process->memory).value / kPageSize};
  }
  return survey;
}

std::string capture_state(ProcessModel& table, std::uint32_t id) {
  const Space& space = *table.space(id);
  const SimProcess& init = *table.find(space.init);
  CapturedContainer state;
  state.hostname = space.hostname;
  state.open_files = space.open_files;
  state.next_inner = space.next_inner;
  picture_network(table, id, state);
  const std::vector<SimProcess*> members = table.members(id);
  for (const SimProcess* process : members) {
    state.processes.push_back(picture(table, *process, init));
  }
  std::string text;
  SaveArchive archive(text);
  archive_head(archive, state);
  // In one archive with the programs: streams that several share stay shared.
  for (std::size_t i = 0; i < members.size(); ++i) {
    archive(state.processes[i]);
    members[i]->program->save(archive);
  }
  return text;
}

Result<CapturedContainer> parse_state(std::string_view text, const std::string& path) {
  const auto damaged = [&](const std::string& why) {
    return fail(ErrorCode::corrupt, "checkpoints.restore", path, "the image is damaged: " + why);
  };
  try {
    CapturedContainer state;
    LoadArchive archive(text);
    archive_head(archive, state);
    for (CapturedProcess& process : state.processes) {
      archive(process);
      auto program = make_program(process.kind);
      if (program == nullptr) return damaged("an unknown program");
      program->load(archive);
      state.programs.push_back(std::move(program));
    }
    if (archive.remaining() != 0) return damaged("more follows than belongs to it");
    if (state.processes.empty() || state.processes.front().inner_pid != 1) {
      return damaged("it has no init");
    }
    for (const CapturedProcess& process : state.processes) {
      if (process.argv.empty()) return damaged("a process has no name");
    }
    return state;
  } catch (const std::exception& error) {
    return damaged(error.what());
  }
}

}  // namespace twinhull::sim
