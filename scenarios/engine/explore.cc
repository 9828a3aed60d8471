#include "scenarios/engine/explore.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "runtime/kernel/files.h"
#include "runtime/kernel/quotas.h"

namespace twinhull::scenario {
namespace {

/// Codes by which a command says that its wish has come true already, beside 0: start on a running
/// container, stop of a stopped one, create of one that exists, destroy or migration of one that
/// is gone, mount of a mounted one, umount of one that is not, deletion of a deleted address.
bool already_done(const std::vector<std::string>& argv, int code) {
  static const std::map<std::string, std::vector<int>> codes = {
      {"start", {32}},      {"stop", {31}},  {"create", {44}}, {"destroy", {14, 43}},
      {"delete", {14, 43}}, {"mount", {41}}, {"umount", {40}},  {"resume", {32}},
  };
  if (argv[0] == "vzmigrate") return code == 10;
  // Moved to another number, copied, or moved to another place.
  if (argv[0] == "vzmlocal") return code == 10 || code == 9 || code == 34;
  if (code == 71 && std::find(argv.begin(), argv.end(), "--ipdel") != argv.end()) return true;
  if (argv.size() < 2) return false;
  const auto found = codes.find(argv[1]);
  return found != codes.end() &&
         std::find(found->second.begin(), found->second.end(), code) != found->second.end();
}

/// What an operator would compare: containers, their state and their settings, by node.
struct Picture {
  std::map<std::string, std::string> facts;
};

/// Settings that differ between two otherwise equal containers.
std::string comparable_config(const std::string& text) {
  std::string out;
  for (const std::string& line : squeezed_lines(text))
    if (!line.starts_with("UUID=") && !line.starts_with("#")) out += line + "\n";
  return out;
}

Result<Picture> picture_of(Player& player) {
  Picture picture;
  Stage& stage = player.stage();
  for (const std::string& node : player.node_names()) {
    TH_ASSIGN(const NodeTrace trace, look_at(stage.kernel(node), stage.layout(node)));
    for (const auto& [id, container] : trace.containers) {
      const std::string key = node + ": CT " + id.text();
      picture.facts[key + " state"] = fmt::format(
          "{}{}{}{}{}", container.config ? "configured " : "", container.private_area ? "area " : "",
          container.mounted ? "mounted " : "", container.running ? "running" : "",
          container.dump ? " suspended" : "");
      if (const auto config = trace.configs.find(id); config != trace.configs.end())
        picture.facts[key + " settings"] = comparable_config(config->second);
      if (container.private_area) {
        TH_ASSIGN(const std::string area,
                  private_area_of(stage.kernel(node), stage.layout(node), id));
        TH_ASSIGN(const TreeUsage usage, stage.kernel(node).quotas().usage(area));
        picture.facts[key + " limits"] =
            fmt::format("{} {}", usage.limit.bytes.value, usage.limit.inodes.value);
      }
    }
    for (const auto& [name, id] : trace.names) picture.facts[node + ": name " + name] = id.text();
  }
  return picture;
}

std::optional<std::string> difference(const Picture& wanted, const Picture& got) {
  for (const auto& [key, value] : wanted.facts) {
    const auto found = got.facts.find(key);
    const std::string now = found == got.facts.end() ? "nothing" : found->second;
    if (now != value)
      return fmt::format("{}: \"{}\" without the cut, \"{}\" with it", key, excerpt(value),
                         excerpt(now));
  }
  for (const auto& [key, value] : got.facts)
    if (!wanted.facts.contains(key))
      return fmt::format("{}: nothing without the cut, \"{}\" with it", key, excerpt(value));
  return std::nullopt;
}

class Explorer {
 public:
  Explorer(const Scenario& scenario, const ExploreOptions& options, const StageFactory& factory,
           const std::function<void(std::uint64_t)>& progress)
      : scenario_(scenario), options_(options), factory_(factory), progress_(progress) {}

  Result<Exploration> explore() {
    Exploration result;
    base_ = std::make_unique<Player>(scenario_, factory_());
    if (!base_->stage().abilities().power || !base_->stage().abilities().call_faults)
      return fail(ErrorCode::not_supported, "explore", scenario_.name,
                  "this backend cannot cut a node's power");
    TH_TRY(base_->begin(options_.seed));
    for (std::size_t i = 0; i < scenario_.steps.size(); ++i) {
      const auto* run = std::get_if<RunStep>(&scenario_.steps[i].action);
      const bool chosen =
          run != nullptr && !run->background && (!options_.step || *options_.step == i);
      if (chosen) {
        TH_ASSIGN(StepExploration step, explore_step(i, *run));
        result.steps.push_back(std::move(step));
      } else if (options_.step && *options_.step == i) {
        return fail(ErrorCode::invalid_argument, "explore", scenario_.name,
                    fmt::format("step {} is no run: step", i + 1));
      }
      if (options_.step && *options_.step == i) break;
      if (!base_->play(i))
        return fail(ErrorCode::failed, "explore", scenario_.name,
                    "the scenario fails without a cut: " + base_->report().problem);
    }
    return result;
  }

 private:
  /// The performance just before the step, to go on in any way.
  Result<std::unique_ptr<Player>> before(std::size_t step) {
    auto copy = base_->branch();
    if (copy) return copy;
    // A world with running commands cannot be copied: play it again.
    auto again = std::make_unique<Player>(scenario_, factory_());
    TH_TRY(again->begin(options_.seed));
    for (std::size_t i = 0; i < step; ++i)
      if (!again->play(i))
        return fail(ErrorCode::failed, "explore", scenario_.name, again->report().problem);
    return again;
  }

  Result<StepExploration> explore_step(std::size_t index, const RunStep& run) {
    StepExploration result;
    result.step = index;
    result.title = scenario_.steps[index].title;
    TH_ASSIGN(auto straight, before(index));
    TH_ASSIGN(const NodeTraces earlier, traces_of(*straight));
    std::map<std::string, std::uint64_t> calls;
    for (const std::string& node : straight->node_names())
      calls[node] = straight->stage().calls(node);
    if (!straight->play(index))
      return fail(ErrorCode::failed, "explore", scenario_.name,
                  "the scenario fails without a cut: " + straight->report().problem);
    TH_ASSIGN(const Picture wanted, picture_of(*straight));
    for (auto& [node, count] : calls) {
      if (!options_.node.empty() && options_.node != node) continue;
      const std::uint64_t made = straight->stage().calls(node) - count;
      if (made == 0) continue;
      for (std::uint64_t cut = 1; cut <= made + 1; ++cut) {
        if (options_.cut && *options_.cut != cut) continue;
        ++result.points;
        if (const auto problem = survive(index, run, node, cut, cut > made, earlier, wanted))
          result.failures.push_back({index, node, cut, result.title, *problem});
        if (progress_) progress_(++done_);
      }
    }
    return result;
  }

  using NodeTraces = std::map<std::string, NodeTrace>;
  static Result<NodeTraces> traces_of(Player& player) {
    NodeTraces traces;
    for (const std::string& node : player.node_names()) {
      TH_ASSIGN(traces[node], look_at(player.stage().kernel(node), player.stage().layout(node)));
    }
    return traces;
  }

  /// One cut. Returns what went wrong.
  std::optional<std::string> survive(std::size_t index, const RunStep& run, const std::string& node,
                                     std::uint64_t cut, bool after_last, const NodeTraces& earlier,
                                     const Picture& wanted) {
    auto made = before(index);
    if (!made) return made.error().message();
    Player& player = **made;
    Stage& stage = player.stage();
    CallFault fault;
    fault.effect = CallFault::Effect::power_cut;
    fault.nth = cut;
    if (const Status armed = stage.arm(node, fault); !armed) return armed.error().message();
    const auto end = player.command(run.node, run.argv, run.input, seconds(3600));
    if (!end) return "the command did not end after the cut: " + end.error().message();
    if (const Status disarmed = stage.arm(node, std::nullopt); !disarmed)
      return disarmed.error().message();
    if (after_last && stage.is_on(node))
      if (const Status off = stage.power_off(node); !off) return off.error().message();
    if (stage.is_on(node)) return fmt::format("call {} was not reached again", cut);
    // The other nodes notice that this one is gone.
    if (const Status passed = stage.advance(seconds(60)); !passed) return passed.error().message();
    if (const Status on = stage.power_on(node); !on) return on.error().message();
    if (const Status passed = stage.advance(seconds(5)); !passed) return passed.error().message();

    if (auto problem = recover(player, earlier, wanted)) return "recovery: " + *problem;
    if (auto problem = broken(player)) return "after recovery: " + *problem;

    const auto again = player.command(run.node, run.argv, run.input, seconds(3600));
    if (!again) return "the step again: " + again.error().message();
    const auto& codes = run.end.exits;
    const bool fine = std::find(codes.begin(), codes.end(), again->exit_code) != codes.end() ||
                      already_done(run.argv, again->exit_code);
    if (!fine)
      return fmt::format("the step again ended with {}: {}", again->exit_code,
                         excerpt(again->error));
    if (auto problem = broken(player)) return "after the step again: " + *problem;
    const auto got = picture_of(player);
    if (!got) return got.error().message();
    return difference(wanted, *got);
  }

  static std::optional<std::string> broken(Player& player) {
    InvariantScope scope;
    scope.nodes = player.node_names();
    scope.twins = {player.scenario().twins.begin(), player.scenario().twins.end()};
    const auto found = violations(player.stage(), scope, player.remembered());
    if (found.empty()) return std::nullopt;
    return found.front() +
           (found.size() > 1 ? fmt::format(" (and {} more)", found.size() - 1) : "");
  }

  /// What an operator does after a power cut: gets every container back that was up or mounted,
  /// and touches the others, so that what was half done is rolled back or forward.
  static std::optional<std::string> recover(Player& player, const NodeTraces& earlier,
                                            const Picture& wanted) {
    std::map<CtId, const char*> wishes;
    std::set<CtId> were_frozen;
    for (const auto& [node, trace] : earlier)
      for (const auto& [id, container] : trace.containers) {
        if (container.frozen) were_frozen.insert(id);
        wishes[id] = container.running   ? "start"
                     : container.dump    ? "resume"
                     : container.mounted ? "mount"
                                         : "umount";
      }
    auto now = traces_of(player);
    if (!now) return now.error().message();
    // What is half done is brought to an end first: only then is it seen what is there.
    bool touched = false;
    for (const auto& [node, trace] : *now) {
      for (const auto& [id, container] : trace.containers) {
        if (container.running || !container.journal) continue;
        const auto end = player.command(node, {"vzctl", "umount", id.text()}, "", seconds(3600));
        if (!end) return end.error().message();
        touched = true;
      }
    }
    if (touched) now = traces_of(player);
    if (!now) return now.error().message();
    for (const auto& [node, trace] : *now) {
      for (const auto& [id, container] : trace.containers) {
        // Frozen since: it waits for word from the node that it was on its way to.
        const bool held = container.running && container.frozen && !were_frozen.contains(id);
        if (container.running && !held) continue;
        const auto wish = wishes.find(id);
        std::string verb = wish == wishes.end() ? "umount" : wish->second;
        // It came under a new number: its operator wants it up there.
        const auto there = wanted.facts.find(node + ": CT " + id.text() + " state");
        if (wish == wishes.end() && there != wanted.facts.end() &&
            there->second.contains("running"))
          verb = "start";
        // What is suspended is resumed, not started anew. Who was, and is so no more, has run until
        // the power went.
        if (verb == "start" && container.dump) verb = "resume";
        else if (verb == "resume") verb = container.dump ? "umount" : "start";
        if (held) verb = "resume";
        const auto end = player.command(node, {"vzctl", verb, id.text()}, "", seconds(3600));
        if (!end) return end.error().message();
        // An umount was only to touch the container: what it has left is judged by the invariants.
        // What was up must come up again, unless the cut operation had removed or moved it (14)
        // or had already done as much itself (32, 41).
        static const std::set<int> fine = {0, 14, 32, 41};
        if (verb != "umount" && !fine.contains(end->exit_code))
          return fmt::format("{}: vzctl {} {} ended with {}: {}", node, verb, id.text(),
                             end->exit_code, excerpt(end->error));
      }
    }
    return std::nullopt;
  }

  const Scenario& scenario_;
  const ExploreOptions& options_;
  const StageFactory& factory_;
  const std::function<void(std::uint64_t)>& progress_;
  std::unique_ptr<Player> base_;
  std::uint64_t done_ = 0;
};

}  // namespace

std::string CrashFailure::reproduce(const std::string& file) const {
  return fmt::format("vzscenario explore {} --step {} --node {} --cut {}", file, step + 1, node,
                     cut);
}

std::uint64_t Exploration::points() const {
  std::uint64_t total = 0;
  for (const StepExploration& step : steps) total += step.points;
  return total;
}

std::vector<CrashFailure> Exploration::failures() const {
  std::vector<CrashFailure> out;
  for (const StepExploration& step : steps)
    out.insert(out.end(), step.failures.begin(), step.failures.end());
  return out;
}

Result<Exploration> explore(const Scenario& scenario, const ExploreOptions& options,
                            const StageFactory& factory,
                            const std::function<void(std::uint64_t)>& progress) {
  return Explorer(scenario, options, factory, progress).explore();
}

}  // namespace twinhull::scenario
