// The archive form of captured state.
#pragma once

#include <cereal/types/deque.hpp>

#include "backends/sim/checkpoint/capture.h"

namespace twinhull::sim {

template <typename Archive>
void serialize(Archive& archive, CpuDemand& demand) {
  archive(demand.threads, demand.each.value, demand.work);
}
template <typename Archive>
void serialize(Archive& archive, CapturedDevice& device) {
  archive(device.mac, device.up, device.addresses, device.counters);
}
template <typename Archive>
void serialize(Archive& archive, CapturedConnection& connection) {
  archive(connection.node, connection.flow, connection.server);
}
template <typename Archive>
void serialize(Archive& archive, CapturedProcess& process) {
  archive(process.pid, process.parent, process.inner_pid, process.group, process.root,
          process.directory, process.environment, process.argv, process.threads, process.depth,
          process.stopped, process.cpu_used, process.demand, process.held, process.missing,
          process.oom_adjust,
          process.timer, process.inbox, process.streams, process.kind);
}
template <typename Archive>
void serialize(Archive& archive, CapturedFlow& flow) {
  archive(flow.pid, flow.server, flow.node, flow.space, flow.destination, flow.port, flow.total,
          flow.most_rate, flow.moved, flow.fraction, flow.done, flow.lost);
  if (flow.moved > flow.total || flow.fraction >= 1'000'000'000) {
    throw CorruptWorld("a connection is damaged");
  }
}

/// All but the processes, of which only the number.
template <typename Archive>
void archive_head(Archive& archive, CapturedContainer& state) {
  auto count = static_cast<std::uint64_t>(state.processes.size());
  archive(state.hostname, state.open_files, state.next_inner, state.devices, state.routes,
          state.servers, state.received, state.flows, state.connections, count);
  if constexpr (std::is_same_v<Archive, LoadArchive>) {
    require_sane(count <= archive.remaining(), "too many processes");
    state.processes.resize(count);
  }
}

}  // namespace twinhull::sim
