#include "backends/sim/cpu/affinity_fill.h"

#include <algorithm>
#include <deque>
#include <map>

namespace twinhull::sim {
namespace {

/// CPUs that belong to the same masks are one sink; takers with the same mask are one source.
struct Network {
  std::vector<std::vector<std::size_t>> sinks_of;     // source -> sinks that it may use
  std::vector<std::vector<std::uint32_t>> cpus_of;    // sink -> CPUs
  std::vector<std::uint64_t> room;                    // sink -> capacity left
};

Network build(const std::vector<std::uint64_t>& capacity, const std::vector<CpuMask>& masks) {
  Network net;
  net.sinks_of.resize(masks.size());
  std::map<std::vector<bool>, std::size_t> by_signature;
  for (std::uint32_t cpu = 0; cpu < capacity.size(); ++cpu) {
    std::vector<bool> signature(masks.size());
    for (std::size_t m = 0; m < masks.size(); ++m) signature[m] = masks[m].has(cpu);
    auto [place, fresh] = by_signature.try_emplace(signature, net.room.size());
    if (fresh) {
      net.room.push_back(0);
      net.cpus_of.emplace_back();
      for (std::size_t m = 0; m < masks.size(); ++m) {
        if (signature[m]) net.sinks_of[m].push_back(place->second);
      }
    }
    net.room[place->second] += capacity[cpu];
    net.cpus_of[place->second].push_back(cpu);
  }
  return net;
}

/// A maximum flow from sources with `wanted` to sinks with `room`, and the source side of a
/// minimum cut: sources that still want something reach exactly these.
struct Flow {
  std::vector<std::vector<std::uint64_t>> sent;  // source × sink
  std::vector<bool> cut_sources, cut_sinks;
  bool satisfied = true;
};

Flow maximum_flow(const Network& net, const std::vector<std::uint64_t>& wanted) {
  const std::size_t sources = wanted.size(), sinks = net.room.size();
  Flow flow;
  flow.sent.assign(sources, std::vector<std::uint64_t>(sinks, 0));
  std::vector<std::uint64_t> missing = wanted, room = net.room;
  for (std::size_t s = 0; s < sources; ++s) {  // greedy start
    for (std::size_t t : net.sinks_of[s]) {
      const std::uint64_t amount = std::min(missing[s], room[t]);
      flow.sent[s][t] += amount;
      missing[s] -= amount;
      room[t] -= amount;
    }
  }
  constexpr std::size_t kNone = ~std::size_t{0};
  while (true) {
    std::vector<std::size_t> source_from(sources, kNone), sink_from(sinks, kNone);
    std::vector<bool> source_seen(sources, false), sink_seen(sinks, false);
    std::deque<std::size_t> queue;
    for (std::size_t s = 0; s < sources; ++s) {
      if (missing[s] > 0) {
        source_seen[s] = true;
        queue.push_back(s);
      }
    }
    std::size_t end = kNone;
    while (!queue.empty() && end == kNone) {
      const std::size_t s = queue.front();
      queue.pop_front();
      for (std::size_t t : net.sinks_of[s]) {
        if (sink_seen[t]) continue;
        sink_seen[t] = true;
        sink_from[t] = s;
        if (room[t] > 0) {
          end = t;
          break;
        }
        for (std::size_t other = 0; other < sources; ++other) {
          if (source_seen[other] || flow.sent[other][t] == 0) continue;
          source_seen[other] = true;
          source_from[other] = t;
          queue.push_back(other);
        }
      }
    }
    if (end == kNone) {
      flow.cut_sources = source_seen;
      flow.cut_sinks = sink_seen;
      break;
    }
    std::uint64_t amount = room[end];
    for (std::size_t t = end;;) {
      const std::size_t s = sink_from[t];
      if (source_from[s] == kNone) {
        amount = std::min(amount, missing[s]);
        break;
      }
      amount = std::min(amount, flow.sent[s][source_from[s]]);
      t = source_from[s];
    }
    room[end] -= amount;
    for (std::size_t t = end;;) {
      const std::size_t s = sink_from[t];
      flow.sent[s][t] += amount;
      if (source_from[s] == kNone) {
        missing[s] -= amount;
        break;
      }
      t = source_from[s];
      flow.sent[s][t] -= amount;
    }
  }
  flow.satisfied = std::all_of(missing.begin(), missing.end(), [](auto m) { return m == 0; });
  return flow;
}

}  // namespace

std::vector<std::uint64_t> affinity_fill(const std::vector<std::uint64_t>& capacity,
                                         std::vector<AffinityShare>& takers) {
  std::map<CpuMask, std::size_t> numbers;
  for (const AffinityShare& taker : takers) numbers.try_emplace(taker.allowed, 0);
  std::vector<CpuMask> masks;
  for (auto& [mask, number] : numbers) {
    number = masks.size();
    masks.push_back(mask);
  }
  Network net = build(capacity, masks);
  std::vector<std::vector<std::size_t>> members(masks.size());
  for (std::size_t i = 0; i < takers.size(); ++i) {
    takers[i].share.given = takers[i].share.bound;
    takers[i].level = {};
    members[numbers[takers[i].allowed]].push_back(i);
  }
  std::vector<bool> fixed(masks.size(), false);
  std::vector<std::uint64_t> used_room(net.room.size(), 0);
  const auto demand = [&](std::size_t m) {
    UInt128 sum = 0;
    for (std::size_t i : members[m]) sum += takers[i].share.given;
    // More than all CPUs together is as good as all CPUs together: keeps sums within 64 bits.
    const UInt128 most = static_cast<UInt128>(kOneCpu) * kMostCpus * 2;
    return static_cast<std::uint64_t>(std::min(sum, most));
  };

  while (true) {
    std::vector<bool> bottleneck, bottleneck_sinks;
    Flow flow;
    // The level falls until the takers fit; the last violated cut is the bottleneck.
    for (std::size_t round = 0; round <= 4 * masks.size() + 4; ++round) {
      std::vector<std::uint64_t> wanted(masks.size(), 0);
      for (std::size_t m = 0; m < masks.size(); ++m) wanted[m] = fixed[m] ? 0 : demand(m);
      flow = maximum_flow(net, wanted);
      if (flow.satisfied) break;
      bottleneck = flow.cut_sources;
      bottleneck_sinks = flow.cut_sinks;
      std::uint64_t room = 0;
      for (std::size_t t = 0; t < net.room.size(); ++t) {
        if (bottleneck_sinks[t]) room += net.room[t];
      }
      std::vector<std::size_t> inside;
      std::vector<Share> shares;
      for (std::size_t m = 0; m < masks.size(); ++m) {
        if (!bottleneck[m]) continue;
        for (std::size_t i : members[m]) {
          inside.push_back(i);
          shares.push_back(takers[i].share);
        }
      }
      const WaterLevel level = water_fill(room, shares);
      for (std::size_t m = 0; m < masks.size(); ++m) {
        if (fixed[m] || bottleneck[m]) continue;
        for (std::size_t i : members[m]) {
          Share& share = takers[i].share;
          share.given = std::min(share.bound, level.at(share.weight));
        }
      }
      for (std::size_t k = 0; k < inside.size(); ++k) {
        takers[inside[k]].share.given = shares[k].given;
        takers[inside[k]].level = level;
      }
    }
    if (bottleneck.empty()) {  // everybody left fits with all that he wants
      for (std::size_t m = 0; m < masks.size(); ++m) {
        if (fixed[m]) continue;
        for (std::size_t t = 0; t < net.room.size(); ++t) used_room[t] += flow.sent[m][t];
      }
      break;
    }
    for (std::size_t m = 0; m < masks.size(); ++m) {
      if (fixed[m]) continue;
      if (bottleneck[m]) {
        fixed[m] = true;
        continue;
      }
      for (std::size_t i : members[m]) {  // they start anew on what is left
        takers[i].share.given = takers[i].share.bound;
        takers[i].level = {};
      }
    }
    for (std::size_t t = 0; t < net.room.size(); ++t) {
      if (!bottleneck_sinks[t]) continue;
      used_room[t] += net.room[t];
      net.room[t] = 0;
    }
  }

  std::vector<std::uint64_t> left = capacity;
  for (std::size_t t = 0; t < net.cpus_of.size(); ++t) {
    for (std::uint32_t cpu : net.cpus_of[t]) {
      const std::uint64_t taken = std::min(left[cpu], used_room[t]);
      left[cpu] -= taken;
      used_room[t] -= taken;
    }
  }
  return left;
}

}  // namespace twinhull::sim
