// What each kind of step does.
#include <fmt/format.h>

#include <algorithm>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/files.h"
#include "scenarios/engine/player.h"
#include "scenarios/engine/trace_file.h"

namespace twinhull::scenario {
namespace {

constexpr Duration kDefaultTimeout = seconds(600);

std::string problem_of(const Status& status) {
  return status.error().message();
}

/// The text between single quotes of a shell.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

/// Durable, as the file in them.
Status make_parents(Files& files, const std::string& path) {
  std::string parent = "/";
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    std::string directory = path.substr(0, slash);
    TH_ASSIGN(const auto info, files.stat(directory));
    if (!info) {
      TH_TRY(files.make_directory(directory));
      TH_TRY(files.sync(parent));
    }
    parent = std::move(directory);
  }
  return {};
}

}  // namespace

Player::Problem Player::act(const RunStep& step) {
  const Duration started = stage_->now();
  const auto command = stage_->start({step.node, step.argv, step.input});
  if (!command) return command.error().message();
  if (step.background) {
    Background entry{*command, step.argv, step.node, started, false, false};
    entry.load =
        step.argv.size() > 1 && step.argv[0] == "vzctl" && step.argv[1].starts_with("exec");
    background_[step.id] = entry;
    return std::nullopt;
  }
  const auto end = stage_->wait(*command, step.end.timeout.value_or(kDefaultTimeout));
  if (!end) {
    disturbed(step.node, step.argv);
    return "`" + step.line + "`: " + end.error().message();
  }
  const bool cut = armed_cuts_.contains(step.node) && (end->killed || !stage_->is_on(step.node));
  if (end->killed || cut) {
    disturbed(step.node, step.argv);
    armed_cuts_.erase(step.node);
    // A command that was broken off has no exit code that could be right or wrong.
    if (armed_cuts_.empty() && step.end.exits == std::vector<int>{0}) return std::nullopt;
  } else {
    ended(step.node, step.argv, *end);
    // A migration is broken off by what happens to its other end, too.
    const bool other_end = std::any_of(armed_cuts_.begin(), armed_cuts_.end(),
                                       [&](const std::string& node) { return node != step.node; });
    if (other_end && step.argv[0] == "vzmigrate") disturbed(step.node, step.argv);
  }
  return judge_end(step.end, *end, stage_->now() - started, step.line);
}

Player::Problem Player::act(const WaitStep& step) {
  Background& entry = background_.at(step.id);
  const auto end = stage_->wait(entry.command, step.end.timeout.value_or(kDefaultTimeout));
  if (!end) return "'" + step.id + "': " + end.error().message();
  entry.ended = true;
  if (!stage_->is_on(entry.node))
    disturbed(entry.node, entry.argv);
  else
    ended(entry.node, entry.argv, *end);
  std::string line;
  for (const std::string& word : entry.argv) line += (line.empty() ? "" : " ") + word;
  return judge_end(step.end, *end, stage_->now() - entry.started, line);
}

Player::Problem Player::act(const SleepStep& step) {
  if (const Status status = stage_->advance(step.length); !status) return problem_of(status);
  return std::nullopt;
}

Player::Problem Player::act(const PutStep& step) {
  Kernel& kernel = stage_->kernel(step.node);
  const Layout layout = stage_->layout(step.node);
  std::string path = layout.root + step.path;
  if (step.container) {
    const auto tree = container_tree(kernel, layout, *step.container);
    if (!tree) return tree.error().message();
    path = *tree + step.path;
  }
  Files& files = kernel.files();
  if (step.remove) {
    const auto removed = files.remove(path);
    if (!removed) return removed.error().message();
    if (*removed == Effect::none) return "there is no " + path;
    return std::nullopt;
  }
  if (const Status status = make_parents(files, path); !status) return problem_of(status);
  if (const Status status = files.write(path, step.content, step.mode); !status)
    return problem_of(status);
  if (const Status status = files.set_mode(path, step.mode); !status) return problem_of(status);
  if (const Status status = files.sync(path); !status) return problem_of(status);
  if (const Status status = files.sync(path.substr(0, path.rfind('/'))); !status)
    return problem_of(status);
  return std::nullopt;
}

Player::Problem Player::act(const WriteStep& step) {
  const std::string parent = step.path.substr(0, step.path.rfind('/'));
  std::string script;
  if (!parent.empty()) script = "mkdir -p " + quoted(parent) + " && ";
  script += "printf %s " + quoted(step.content) + " > " + quoted(step.path) + " && sync";
  const auto end = command(step.node, {"vzctl", "exec", step.container.text(), script});
  if (!end) return end.error().message();
  if (end->exit_code != 0)
    return fmt::format("the data was refused with {}: {}", end->exit_code, excerpt(end->error));
  std::erase_if(remembered_, [&](const RememberedFile& file) {
    return file.container == step.container && file.path == step.path;
  });
  remembered_.push_back({step.container, step.path, step.content});
  return std::nullopt;
}

Player::Problem Player::act(const ForgetStep& step) {
  const auto count = std::erase_if(
      remembered_, [&](const RememberedFile& file) { return file.container == step.container; });
  if (count == 0) return "nothing of CT " + step.container.text() + " was remembered";
  return std::nullopt;
}

Player::Problem Player::act(const LoadStep& step) {
  std::string line = "vzload";
  for (const std::string& word : step.argv) line += " " + word;
  if (!step.trace.empty()) {
    PutStep put;
    put.node = step.node;
    put.container = step.container;
    put.path = "/trace.txt";
    put.content = trace_text(step.trace);
    if (const auto wrong = act(put)) return wrong;
    line = fmt::format("vzload trace /trace.txt --interval {} --cpus {}",
                       step.trace_interval / seconds(1), step.trace_cpus);
    demands_.push_back({step.node, step.container, stage_->now(), step.trace_interval,
                        step.trace_cpus, step.trace});
  }
  const std::vector<std::string> argv = {"vzctl", "exec", step.container.text(), line};
  const auto command = stage_->start({step.node, argv, ""});
  if (!command) return command.error().message();
  background_[step.id] = {*command, argv, step.node, stage_->now(), true, false};
  return std::nullopt;
}

Player::Problem Player::act(const RecordStep& step) {
  Recording recording;
  recording.title = step.title;
  recording.start = stage_->now();
  recording.every = step.every;
  for (const NodePlan& node : scenario_.nodes) recording.node_cpus[node.name] = node.cpus;
  std::map<std::pair<std::string, CtId>, CpuSample> last;
  for (const TraceDemand& demand : demands_) {
    if (!stage_->is_on(demand.node)) continue;
    ContainerSeries series;
    series.node = demand.node;
    series.container = demand.container;
    recording.containers.push_back(std::move(series));
  }
  if (recording.containers.empty()) return "no container plays a trace: there is nothing to record";
  const Duration stop = recording.start + step.length;
  while (true) {
    const Duration now = stage_->now();
    for (std::size_t i = 0; i < recording.containers.size(); ++i) {
      ContainerSeries& series = recording.containers[i];
      const auto sample =
          stage_->kernel(series.node).cgroups().sample(CgroupPath{series.container.text()});
      if (!sample) return sample.error().message();
      const auto key = std::make_pair(series.node, series.container);
      if (now > recording.start) {
        const CpuSample& before = last[key];
        LoadPoint point;
        point.demand = demands_[i].between(now - step.every, now);
        point.delivered = sample->cpu.usage - before.usage;
        point.throttled = sample->cpu.throttled - before.throttled;
        series.throttled_periods += sample->cpu.throttled_periods - before.throttled_periods;
        series.points.push_back(point);
      }
      last[key] = sample->cpu;
    }
    if (now + step.every > stop) break;
    if (const Status status = stage_->advance(step.every); !status) return problem_of(status);
  }
  report_.recordings.push_back(std::move(recording));
  return std::nullopt;
}

Player::Problem Player::act(const FaultStep& step) {
  using Kind = FaultStep::Kind;
  Status status;
  switch (step.kind) {
    case Kind::power_off:
      for (const auto& [id, command] : background_)
        if (!command.ended && (command.node == step.node || command.argv[0] == "vzmigrate"))
          disturbed(command.node, command.argv);
      status = stage_->power_off(step.node);
      break;
    case Kind::power_on:
      status = stage_->power_on(step.node);
      rebooted_.insert(step.node);
      break;
    case Kind::cut_link: status = stage_->set_link(step.node, step.peer, false); break;
    case Kind::mend_link: status = stage_->set_link(step.node, step.peer, true); break;
    case Kind::fill_disk: status = stage_->fill_disk(step.node, step.leave); break;
    case Kind::free_disk: status = stage_->fill_disk(step.node, std::nullopt); break;
    case Kind::kill: {
      const Background& entry = background_.at(step.id);
      disturbed(entry.node, entry.argv);
      status = stage_->kill(entry.command);
      break;
    }
    case Kind::interrupt: status = stage_->interrupt(background_.at(step.id).command); break;
    case Kind::clear:
      armed_cuts_.erase(step.node);
      status = stage_->arm(step.node, std::nullopt);
      break;
    default: return call_fault(step);
  }
  if (!status) return problem_of(status);
  return std::nullopt;
}

Player::Problem Player::call_fault(const FaultStep& step) {
  CallFault fault;
  fault.call = step.call;
  fault.object = step.object;
  fault.nth = step.nth;
  fault.code = step.code;
  if (step.kind == FaultStep::Kind::power_cut_at) fault.effect = CallFault::Effect::power_cut;
  if (step.kind == FaultStep::Kind::kill_at) fault.effect = CallFault::Effect::kill;
  if (fault.effect != CallFault::Effect::fail) armed_cuts_.insert(step.node);
  if (const Status status = stage_->arm(step.node, fault); !status) return problem_of(status);
  return std::nullopt;
}

}  // namespace twinhull::scenario
