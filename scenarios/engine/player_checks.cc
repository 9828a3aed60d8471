// What each kind of expectation demands.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/links.h"
#include "runtime/kernel/quotas.h"
#include "scenarios/engine/pattern.h"
#include "scenarios/engine/player.h"

namespace twinhull::scenario {
namespace {

const char* word_of(ContainerCheck::State state) {
  using State = ContainerCheck::State;
  switch (state) {
    case State::running: return "running";
    case State::stopped: return "stopped";
    case State::mounted: return "mounted";
    case State::paused: return "paused";
    case State::suspended: return "suspended";
    case State::absent: return "absent";
  }
  return "?";
}

ContainerCheck::State state_of(const ContainerTrace& trace) {
  using State = ContainerCheck::State;
  if (!trace.config && !trace.private_area && !trace.running) return State::absent;
  if (trace.running) return trace.frozen ? State::paused : State::running;
  if (trace.mounted) return State::mounted;
  return trace.dump ? State::suspended : State::stopped;
}

struct CounterName {
  const char* name;
  RangeUnit unit;
};
CounterName name_of(CounterCheck::What what) {
  using What = CounterCheck::What;
  switch (what) {
    case What::memory_usage: return {"memory in use", RangeUnit::bytes};
    case What::memory_anonymous: return {"anonymous memory", RangeUnit::bytes};
    case What::oom_kills: return {"OOM kills", RangeUnit::count};
    case What::limit_hits: return {"memory limit hits", RangeUnit::count};
    case What::swap: return {"swap in use", RangeUnit::bytes};
    case What::pids: return {"processes", RangeUnit::count};
    case What::pids_refused: return {"refused processes", RangeUnit::count};
    case What::received: return {"bytes received", RangeUnit::bytes};
    case What::sent: return {"bytes sent", RangeUnit::bytes};
    case What::dropped: return {"packets dropped", RangeUnit::count};
    case What::io_read: return {"bytes read from disk", RangeUnit::bytes};
    case What::io_written: return {"bytes written to disk", RangeUnit::bytes};
    case What::io_reads: return {"reads from disk", RangeUnit::count};
    case What::io_writes: return {"writes to disk", RangeUnit::count};
    case What::disk_bytes: return {"disk space in use", RangeUnit::bytes};
    case What::disk_inodes: return {"inodes in use", RangeUnit::count};
    case What::disk_limit: return {"disk space limit", RangeUnit::bytes};
    case What::inode_limit: return {"inode limit", RangeUnit::count};
  }
  return {"?", RangeUnit::count};
}

Result<std::uint64_t> read_counter(Kernel& kernel, const Layout& layout,
                                   const CounterCheck& check) {
  using What = CounterCheck::What;
  const std::string id = check.container.text();
  switch (check.what) {
    case What::received:
    case What::sent:
    case What::dropped: {
      TH_ASSIGN(const auto link, kernel.links().find(NetScope::node(), "veth" + id));
      if (!link)
        return fail(ErrorCode::not_found, "links.find", "veth" + id, "the container has no device");
      // Directions are those that the container sees.
      if (check.what == What::received) return link->counters.sent.value;
      if (check.what == What::sent) return link->counters.received.value;
      return link->counters.dropped;
    }
    case What::disk_bytes:
    case What::disk_inodes:
    case What::disk_limit:
    case What::inode_limit: {
      TH_ASSIGN(const TreeUsage usage,
                kernel.quotas().usage(layout.data_directory() + "/private/" + id));
      if (check.what == What::disk_bytes) return usage.bytes.value;
      if (check.what == What::disk_inodes) return usage.inodes.value;
      if (check.what == What::disk_limit) return usage.limit.bytes.value;
      return usage.limit.inodes.value;
    }
    default: break;
  }
  TH_ASSIGN(const CgroupSample sample, kernel.cgroups().sample(CgroupPath{id}));
  switch (check.what) {
    case What::memory_usage: return sample.memory.usage.value;
    case What::memory_anonymous: return sample.memory.anonymous.value;
    case What::oom_kills: return sample.memory.oom_kills;
    case What::limit_hits: return sample.memory.limit_hits;
    case What::swap: return sample.memory.swap.value;
    case What::io_read: return sample.io.read.value;
    case What::io_written: return sample.io.written.value;
    case What::io_reads: return sample.io.reads;
    case What::io_writes: return sample.io.writes;
    case What::pids: return sample.pids;
    default: return sample.pids_limit_hits;
  }
}

}  // namespace

Player::Problem Player::act(const ExpectStep& step) {
  for (const MarkedCheck& item : step.checks) {
    const Problem problem =
        std::visit([&](const auto& wanted) { return check(wanted); }, item.check);
    if (problem) return fmt::format("line {}: {}", item.mark.line, *problem);
  }
  return std::nullopt;
}

Player::Problem Player::check(const ContainerCheck& check) {
  const auto trace = look_at(stage_->kernel(check.node), stage_->layout(check.node));
  if (!trace) return trace.error().message();
  const auto found = trace->containers.find(check.container);
  const auto state = state_of(found == trace->containers.end() ? ContainerTrace{} : found->second);
  if (state == check.state) return std::nullopt;
  return fmt::format("CT {} on {} should be {}, but is {}", check.container.text(), check.node,
                     word_of(check.state), word_of(state));
}

Player::Problem Player::check(const OnlyOnCheck& check) {
  std::vector<std::string> homes;
  for (const std::string& node : node_names()) {
    if (!stage_->is_on(node))
      return node + " has no power: where CT " + check.container.text() + " is cannot be told";
    const auto trace = look_at(stage_->kernel(node), stage_->layout(node));
    if (!trace) return trace.error().message();
    const auto found = trace->containers.find(check.container);
    if (found == trace->containers.end()) continue;
    const ContainerTrace& container = found->second;
    if (container.config && container.private_area)
      homes.push_back(node);
    else if (container.config || container.private_area || container.running || container.mounted)
      return fmt::format("parts of CT {} are on {}", check.container.text(), node);
  }
  if (homes == std::vector{check.node}) return std::nullopt;
  std::string where;
  for (const std::string& node : homes) where += (where.empty() ? "" : ", ") + node;
  return fmt::format("CT {} should be on {} alone, but is on {}", check.container.text(),
                     check.node, where.empty() ? "no node" : where);
}

Player::Problem Player::check(const CpuShareCheck& check) {
  struct Usage {
    CtId id;
    CpuSample before;
    CpuSample after;
  };
  std::vector<Usage> usages;
  for (const auto& [id, weight] : check.weights) usages.push_back({id, {}, {}});
  for (const auto& [id, percent] : check.percents)
    if (!check.weights.contains(id)) usages.push_back({id, {}, {}});
  const auto sample = [&](CpuSample Usage::* into) -> Problem {
    for (Usage& usage : usages) {
      const auto now = stage_->kernel(check.node).cgroups().sample(CgroupPath{usage.id.text()});
      if (!now) return now.error().message();
      usage.*into = now->cpu;
    }
    return std::nullopt;
  };
  const Duration start = stage_->now();
  if (const auto problem = sample(&Usage::before)) return problem;
  if (const Status status = stage_->advance(check.over); !status) return status.error().message();
  if (const auto problem = sample(&Usage::after)) return problem;
  const auto window = static_cast<double>((stage_->now() - start).count());
  if (window <= 0) return "the window has no length";

  double total_usage = 0;
  double total_weight = 0;
  for (const Usage& usage : usages) {
    if (!check.weights.contains(usage.id)) continue;
    total_usage += static_cast<double>((usage.after.usage - usage.before.usage).count());
    total_weight += static_cast<double>(check.weights.at(usage.id));
  }
  if (!check.weights.empty() && total_usage <= 0) return "none of the containers used any CPU";
  const bool real = !stage_->abilities().virtual_time;
  const double tolerance =  // percent
      static_cast<double>(real ? check.real_tolerance.value_or(check.tolerance) : check.tolerance) /
      1000;
  for (const Usage& usage : usages) {
    const auto used = static_cast<double>((usage.after.usage - usage.before.usage).count());
    if (const auto weight = check.weights.find(usage.id); weight != check.weights.end()) {
      const double wanted = 100.0 * static_cast<double>(weight->second) / total_weight;
      const double got = 100.0 * used / total_usage;
      // Tolerance is relative to the wanted share, as a fluid model's error is.
      if (std::abs(got - wanted) > wanted * tolerance / 100)
        return fmt::format("CT {} got {:.2f} % of the CPU time, wanted {:.2f} % +- {} %",
                           usage.id.text(), got, wanted, tolerance);
    }
    if (const auto percent = check.percents.find(usage.id); percent != check.percents.end()) {
      const double wanted = static_cast<double>(percent->second) / 1000;
      const double got = 100.0 * used / window;
      const double slack = std::max(wanted, 1.0) * tolerance / 100;
      // A real machine has other work too: what it took away proves nothing. What a container got
      // beyond its due does.
      const double least = real ? 0.1 : wanted - slack;
      if (got > wanted + slack || got < least)
        return fmt::format("CT {} used {:.2f} % of one CPU, wanted {:.2f} % +- {} %",
                           usage.id.text(), got, wanted, tolerance);
    }
    if (check.throttled_periods) {
      const auto periods =
          static_cast<std::int64_t>(usage.after.throttled_periods - usage.before.throttled_periods);
      if (!check.throttled_periods->contains(periods))
        return fmt::format("CT {} was throttled in {} periods, wanted {}", usage.id.text(), periods,
                           check.throttled_periods->text);
    }
  }
  return std::nullopt;
}

Player::Problem Player::check(const CounterCheck& check) {
  const CounterName name = name_of(check.what);
  const auto value = read_counter(stage_->kernel(check.node), stage_->layout(check.node), check);
  if (!value) return fmt::format("{}: {}", name.name, value.error().message());
  const auto number = *value > static_cast<std::uint64_t>(INT64_MAX)
                          ? INT64_MAX
                          : static_cast<std::int64_t>(*value);
  if (check.range.contains(number)) return std::nullopt;
  return fmt::format("CT {}: {}: {}, wanted {}", check.container.text(), name.name,
                     amount_text(number, name.unit), check.range.text);
}

Player::Problem Player::check(const FileCheck& check) {
  Kernel& kernel = stage_->kernel(check.node);
  const Layout layout = stage_->layout(check.node);
  std::string shown = check.node + ":" + check.path;
  std::optional<std::string> content;
  if (check.container) {
    shown = "CT " + check.container->text() + ":" + check.path;
    const auto tree = container_tree(kernel, layout, *check.container);
    if (!tree) return tree.error().message();
    const auto there = kernel.files().exists_inside(*tree, check.path);
    if (!there) return there.error().message();
    if (*there) {
      const auto text = kernel.files().read_inside(*tree, check.path);
      if (!text) return text.error().message();
      content = *text;
    }
  } else {
    const auto info = kernel.files().stat(layout.root + check.path);
    if (!info) return info.error().message();
    if (*info && (*info)->kind == FileKind::regular) {
      const auto text = kernel.files().read(layout.root + check.path);
      if (!text) return text.error().message();
      content = *text;
    } else if (*info) {
      content = "";
    }
  }
  if (check.absent) return content ? Problem(shown + " should not exist") : std::nullopt;
  if (!content) return shown + " does not exist";
  return mismatch(check.content, *content, shown);
}

Player::Problem Player::check(const DowntimeCheck& check) {
  const std::string label = check.container.text();
  int up = 0;
  bool seen = false;
  Duration down_since{0};
  Duration longest{0};
  for (const LifeRecord& record : stage_->life_records()) {
    if (record.label != label) continue;
    if (record.up) {
      if (seen && up == 0) longest = std::max(longest, record.at - down_since);
      seen = true;
      ++up;
    } else if (up > 0 && --up == 0) {
      down_since = record.at;
    }
  }
  if (!seen) return "CT " + label + " never ran";
  if (up == 0) longest = std::max(longest, stage_->now() - down_since);
  if (check.range.contains(longest.count())) return std::nullopt;
  return fmt::format("CT {} was down for {}, wanted {}", label, duration_text(longest),
                     check.range.text);
}

Player::Problem Player::check(const RecordCheck& check) {
  if (report_.recordings.empty()) return "nothing was recorded before";
  Duration demand{0};
  Duration delivered{0};
  std::int64_t throttled = 0;
  for (const ContainerSeries& series : report_.recordings.back().containers) {
    if (!check.node.empty() && series.node != check.node) continue;
    for (const LoadPoint& point : series.points) {
      demand += point.demand;
      delivered += point.delivered;
    }
    if (series.throttled_periods > 0) ++throttled;
  }
  const std::string where = check.node.empty() ? "all nodes" : check.node;
  if (demand <= Duration(0)) return where + ": no demand was recorded";
  if (check.delivered) {
    const std::int64_t percent = delivered / std::max(demand / 100, Duration(1));
    if (!check.delivered->contains(percent))
      return fmt::format("{}: {} % of the demand was delivered, wanted {}", where, percent,
                         check.delivered->text);
  }
  if (check.throttled && !check.throttled->contains(throttled))
    return fmt::format("{}: {} containers were throttled, wanted {}", where, throttled,
                       check.throttled->text);
  return std::nullopt;
}

}  // namespace twinhull::scenario
