// Flows: bytes shared max-min over cables (models 6.7, simple form), stalls and losses.
#include <algorithm>
#include <map>

#include "backends/sim/cpu/rate.h"
#include "backends/sim/net/net_model.h"
#include "backends/sim/process/process_model.h"

namespace twinhull::sim {
namespace {

constexpr std::uint64_t kLocalRate = 1'000'000'000;   ///< bytes/s through veth and bridge (feasibility C)
constexpr std::uint64_t kWindow = std::uint64_t{6} << 20;  ///< receive window, bytes
constexpr std::uint64_t kSegment = 1448;
constexpr std::uint64_t kBillion = 1'000'000'000;

std::uint64_t square_root(std::uint64_t value) {
  std::uint64_t root = 0;
  for (std::uint64_t bit = std::uint64_t{1} << 31U; bit != 0; bit >>= 1U) {
    const std::uint64_t next = root | bit;
    if (next <= value / next) root = next;
  }
  return root;
}

/// What one connection can reach on its way by itself.
std::uint64_t own_bound(const NetFlow& flow) {
  std::uint64_t bound = std::min(flow.most_rate, kLocalRate);
  const auto round_trip = static_cast<std::uint64_t>(std::max<std::int64_t>(
      1, 2 * flow.path.latency.count()));
  if (flow.path.cables.empty()) return bound;
  bound = std::min(flow.most_rate, static_cast<std::uint64_t>(
                                       static_cast<UInt128>(kWindow) * kBillion / round_trip));
  if (flow.path.loss_per_million > 0) {  // x <= 1.22 MSS / (RTT sqrt p)
    const std::uint64_t root = square_root(std::uint64_t{flow.path.loss_per_million} * 1'000'000);
    bound = std::min(bound, static_cast<std::uint64_t>(static_cast<UInt128>(kSegment) * 122 / 100 *
                                                       kBillion * 1'000'000 / round_trip /
                                                       std::max<std::uint64_t>(root, 1)));
  }
  return bound;
}

}  // namespace

void NetModel::settle(NetFlow& flow) {
  const std::int64_t now = node_.engine.now().time_since_epoch().count();
  const std::int64_t from = std::max(flow.since, flow.opens);
  if (now > from && flow.rate > 0 && !flow.done) {
    const UInt128 amount =
        static_cast<UInt128>(flow.rate) * static_cast<std::uint64_t>(now - from) + flow.fraction;
    std::uint64_t bytes = static_cast<std::uint64_t>(amount / kBillion);
    flow.fraction = static_cast<std::uint64_t>(amount % kBillion);
    if (flow.total != kUnlimited) bytes = std::min(bytes, flow.total - flow.moved);
    if (bytes > 0) {
      flow.moved += bytes;
      count(flow.path, (bytes + kSegment - 1) / kSegment, bytes);
      if (flow.server != 0) net_of(*node_.world.nodes[flow.path.node]).received_[flow.server] += bytes;
    }
  }
  flow.since = std::max(flow.since, now);
}

Result<std::uint64_t> NetModel::start_flow(NetFlow flow) {
  TH_ASSIGN(flow.path, trace_both(flow.space, flow.destination));
  if (flow.port != 0) {
    const NetNamespace* there = net_of(*node_.world.nodes[flow.path.node]).find(flow.path.space);
    const auto server = there->servers.find(flow.port);
    if (server == there->servers.end()) {
      return fail(ErrorCode::unreachable, "net.connect",
                  flow.destination.text() + " port " + std::to_string(flow.port),
                  "connection refused: nobody listens");
    }
    flow.server = server->second;
  }
  const std::int64_t now = node_.engine.now().time_since_epoch().count();
  flow.since = now;
  flow.opens = now + 3 * flow.path.latency.count();  // handshake, then the first byte's way
  const std::uint64_t id = next_flow_++;
  flows_[id] = std::move(flow);
  share_all(node_.world);
  return id;
}

std::uint64_t NetModel::revive_flow(NetFlow flow) {
  flow.since = node_.engine.now().time_since_epoch().count();
  flow.opens = std::min(flow.opens, flow.since);
  flow.rate = 0;
  if (!flow.done) flow.stalled = flow.since;
  const std::uint64_t id = next_flow_++;
  flows_[id] = std::move(flow);
  return id;
}

void NetModel::reattach(NetModel& sender, std::uint64_t id, std::int32_t before, std::int32_t now,
                        std::uint32_t space) {
  NetFlow* flow = sender.find_flow(id);
  if (flow == nullptr || flow->done || flow->server != before) return;
  flow->server = now;
  flow->path.node = node_.index;
  flow->path.space = space;
}

NetFlow* NetModel::find_flow(std::uint64_t id) {
  const auto found = flows_.find(id);
  return found == flows_.end() ? nullptr : &found->second;
}

std::uint64_t NetModel::moved(std::uint64_t id) {
  NetFlow* flow = find_flow(id);
  if (flow == nullptr) return 0;
  settle(*flow);
  return flow->moved;
}

std::uint64_t NetModel::arrived(std::uint64_t id) {
  const NetFlow* flow = find_flow(id);
  if (flow == nullptr || flow->server == 0) return 0;
  return net_of(*node_.world.nodes[flow->path.node]).received(flow->server);
}

void NetModel::end_flow(std::uint64_t id) {
  NetFlow* flow = find_flow(id);
  if (flow == nullptr) return;
  settle(*flow);
  flows_.erase(id);
  share_all(node_.world);
}

std::uint64_t NetModel::received(std::int32_t pid) {
  for (const auto& node : node_.world.nodes) {
    for (auto& [id, flow] : net_of(*node).flows_) {
      if (flow.server == pid && flow.path.node == node_.index) net_of(*node).settle(flow);
    }
  }
  const auto found = received_.find(pid);
  return found == received_.end() ? 0 : found->second;
}

Status NetModel::listen(std::uint32_t space, std::uint16_t port, std::int32_t pid) {
  NetNamespace* home = find(space);
  if (home == nullptr) {
    return fail(ErrorCode::not_running, "net.listen", std::to_string(port), "no network namespace");
  }
  if (!home->servers.try_emplace(port, pid).second) {
    return fail(ErrorCode::busy, "net.listen", std::to_string(port), "the port is in use");
  }
  received_[pid] = 0;
  return {};
}

void NetModel::unlisten(std::uint32_t space, std::uint16_t port) {
  NetNamespace* home = find(space);
  if (home == nullptr) return;
  const auto server = home->servers.find(port);
  if (server == home->servers.end()) return;
  const std::int32_t pid = server->second;
  home->servers.erase(server);
  // Its connections are reset, but for those whose peer cannot hear of it.
  for (const auto& node : node_.world.nodes) {
    NetModel& other = net_of(*node);
    for (auto& [id, flow] : other.flows_) {
      if (flow.server != pid || flow.path.node != node_.index || flow.done) continue;
      if (flow.stalled >= 0) continue;
      other.settle(flow);
      flow.server = 0;
      flow.done = flow.lost = true;
      other.tell(flow);
    }
  }
  received_.erase(pid);
  share_all(node_.world);
}

/// Progressive filling: the tightest cable or connection first.
void NetModel::share_all(WorldState& world) {
  struct Pipe {
    std::uint64_t left = 0;
    std::uint64_t users = 0;
  };
  std::map<std::pair<std::uint32_t, bool>, Pipe> pipes;
  struct Open {
    NetModel* owner;
    NetFlow* flow;
    std::uint64_t bound;
  };
  std::vector<Open> open;
  std::vector<NetModel*> owners;
  for (const auto& node : world.nodes) {
    if (node->net == nullptr) continue;
    NetModel& model = net_of(*node);
    if (model.flows_.empty()) {
      if (model.timer_.pending()) owners.push_back(&model);
      continue;
    }
    owners.push_back(&model);
    for (auto& [id, flow] : model.flows_) {
      model.settle(flow);
      flow.rate = 0;
      if (flow.done || flow.stalled >= 0) continue;
      open.push_back({&model, &flow, own_bound(flow)});
      for (const NetPath::Cross& cross : flow.path.cables) {
        Pipe& pipe = pipes[{cross.cable, cross.forward}];
        pipe.left = static_cast<std::uint64_t>(
            static_cast<UInt128>(world.cables[cross.cable].spec.bandwidth.value) * 97 / 800);
        ++pipe.users;
      }
    }
  }
  while (!open.empty()) {
    std::uint64_t least = ~std::uint64_t{0};
    for (const Open& one : open) {
      std::uint64_t share = one.bound;
      for (const NetPath::Cross& cross : one.flow->path.cables) {
        const Pipe& pipe = pipes[{cross.cable, cross.forward}];
        share = std::min(share, pipe.left / pipe.users);
      }
      least = std::min(least, share);
    }
    // Those that cannot get more than the least are settled; at least one is.
    std::vector<Open> rest;
    std::vector<Open> fixed;
    for (const Open& one : open) {
      std::uint64_t share = one.bound;
      for (const NetPath::Cross& cross : one.flow->path.cables) {
        const Pipe& pipe = pipes[{cross.cable, cross.forward}];
        share = std::min(share, pipe.left / pipe.users);
      }
      (share <= least ? fixed : rest).push_back(one);
    }
    for (const Open& one : fixed) {
      one.flow->rate = least;
      for (const NetPath::Cross& cross : one.flow->path.cables) {
        Pipe& pipe = pipes[{cross.cable, cross.forward}];
        pipe.left -= std::min(pipe.left, least);
        --pipe.users;
      }
    }
    open = std::move(rest);
  }
  for (NetModel* owner : owners) owner->arm();
}

/// Sets the timer to the next end or loss among this node's own flows.
void NetModel::arm() {
  std::optional<std::int64_t> next;
  const auto earlier = [&](std::int64_t at) { next = std::min(next.value_or(at), at); };
  for (const auto& [id, flow] : flows_) {
    if (flow.done) continue;
    if (flow.stalled >= 0) {
      earlier(flow.stalled + kSilence.count());
    } else if (flow.total != kUnlimited && flow.rate > 0) {
      const UInt128 missing = static_cast<UInt128>(flow.total - flow.moved) * kBillion -
                           std::min<UInt128>(flow.fraction, kBillion);
      const UInt128 length = (missing + flow.rate - 1) / flow.rate;
      if (length < (UInt128{1} << 62U)) {
        earlier(std::max(flow.since, flow.opens) + static_cast<std::int64_t>(length));
      }
    }
  }
  const Instant at{Duration(next.value_or(0))};
  if (timer_.pending() && next && timer_.at == at) return;
  node_.engine.cancel(timer_);
  if (next) {
    timer_ = node_.engine.schedule(std::max(at, node_.engine.now()), [this] { on_timer(); });
  }
}

void NetModel::on_timer() {
  timer_ = {};
  const std::int64_t now = node_.engine.now().time_since_epoch().count();
  bool any = false;
  for (auto& [id, flow] : flows_) {
    if (flow.done) continue;
    settle(flow);
    if (flow.stalled >= 0 && now >= flow.stalled + kSilence.count()) {
      flow.done = flow.lost = true;
    } else if (flow.total != kUnlimited && flow.moved >= flow.total) {
      flow.done = true;
    } else {
      continue;
    }
    any = true;
    tell(flow);
  }
  if (any) {
    share_all(node_.world);
    flows_changed_.wake_all();
    processes_of(node_).pump();
  } else {
    arm();
  }
}

/// The sending process hears that its flow is over.
void NetModel::tell(NetFlow& flow) {
  if (flow.pid == 0) {
    flows_changed_.wake_all();
    return;
  }
  SimProcess* process = processes_of(node_).find(flow.pid);
  if (process == nullptr) return;
  ProcessEvent event;
  event.kind = ProcessEvent::Kind::network;
  processes_of(node_).post(*process, event);
}

/// Looks for the ways of all own flows again.
void NetModel::find_ways() {
  const std::int64_t now = node_.engine.now().time_since_epoch().count();
  for (auto& [id, flow] : flows_) {
    if (flow.done) continue;
    settle(flow);
    auto path = trace_both(flow.space, flow.destination);
    const bool same_end =
        path && path->node == flow.path.node && path->space == flow.path.space;
    bool served = same_end;
    if (same_end && flow.server != 0) {
      const NetNamespace* there = net_of(*node_.world.nodes[path->node]).find(path->space);
      const auto server = there->servers.find(flow.port);
      served = server != there->servers.end() && server->second == flow.server;
    }
    if (served) {
      flow.path = std::move(*path);
      flow.stalled = -1;
    } else if (flow.stalled < 0) {
      flow.stalled = now;
    }
  }
}

void NetModel::changed() {
  ++node_.world.network_changes;
  bool any = false;
  for (const auto& node : node_.world.nodes) {
    if (node == nullptr || node->net == nullptr) continue;
    NetModel& model = net_of(*node);
    if (model.flows_.empty()) continue;
    model.find_ways();
    any = true;
  }
  if (any) share_all(node_.world);
}

void NetModel::cables_changed() {
  changed();
  for (const auto& node : node_.world.nodes) {
    if (node != nullptr && node->net != nullptr) net_of(*node).flows_changed_.wake_all();
  }
}

}  // namespace twinhull::sim
