#include "scenarios/engine/explore.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "scenarios/engine/picture.h"
#include "scenarios/engine/recover.h"

namespace twinhull::scenario {
namespace {

/// A command that an accident met may wait for what does not come.
constexpr Duration kPatience = seconds(3600);
/// After this the other nodes have noticed that one is gone.
constexpr Duration kNotice = seconds(60);
/// By which vzmigrate and vzmtemplate say that there is no way to the peer.
constexpr int kNoConnection = 4;
/// What a node takes to be there again.
constexpr Duration kBoot = seconds(5);
/// How long a cable is out in a blink: less than the silence that loses a connection.
constexpr Duration kBlink = seconds(2);

/// An accident at one call of a step.
struct Point {
  Accident accident = Accident::power;
  std::string node;
  std::uint64_t call = 0;
  bool after_last = false;  ///< the step makes one call less
  bool alone = false;       ///< no other node makes calls
};

/// How the world was before the step, and how the step leaves it undisturbed.
struct Yardstick {
  NodeTraces earlier;
  Picture before;
  Picture wanted;
  /// The kernel's limits when the node was booted before the step: what holds only until a container
  /// stops is gone then. By the node that was off, "" = all. Without those whose boot changes more.
  std::map<std::string, Facts> limits_after_boot;
};

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
                    "the scenario fails without an accident: " + base_->report().problem);
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
    Yardstick yardstick;
    TH_ASSIGN(yardstick.earlier, traces_of(*straight));
    TH_ASSIGN(yardstick.before, picture_of(*straight));
    std::map<std::string, std::uint64_t> calls;
    for (const std::string& node : straight->node_names())
      calls[node] = straight->stage().calls(node);
    if (!straight->play(index))
      return fail(ErrorCode::failed, "explore", scenario_.name,
                  "the scenario fails without an accident: " + straight->report().problem);
    TH_ASSIGN(yardstick.wanted, picture_of(*straight));
    for (auto& [node, count] : calls) count = straight->stage().calls(node) - count;
    std::uint64_t number = 0;
    for (const Point& point : points_of(calls)) {
      if (number++ % options_.every != 0) continue;
      if (cuts_power(point.accident)) TH_TRY(look_after_boot(index, run, point, yardstick));
      ++result.points[point.accident];
      if (const Status survived = survive(index, run, point, yardstick); !survived)
        result.failures.push_back({index, point.accident, point.node, point.call, result.title,
                                   survived.error().message()});
      if (progress_) progress_(++done_);
    }
    return result;
  }

  /// What can happen to a step whose nodes make so many calls.
  [[nodiscard]] std::vector<Point> points_of(const std::map<std::string, std::uint64_t>& calls) const {
    const auto nodes = std::count_if(calls.begin(), calls.end(),
                                     [](const auto& entry) { return entry.second > 0; });
    std::vector<Point> out;
    for (const Accident accident : kAccidents) {
      if (!options_.accidents.empty() && !options_.accidents.contains(accident)) continue;
      if (needs_several_nodes(accident) && nodes < 2) continue;
      for (const auto& [node, made] : calls) {
        if (made == 0 || (!options_.node.empty() && options_.node != node)) continue;
        // The power goes also when the command has just ended.
        const std::uint64_t last = made + (cuts_power(accident) ? 1 : 0);
        for (std::uint64_t call = 1; call <= last; ++call)
          if (!options_.call || *options_.call == call)
            out.push_back({accident, node, call, call > made, nodes < 2});
      }
    }
    return out;
  }

  /// "WHEN: WHAT"
  static Error trouble(std::string_view when, const std::string& what) {
    return fail(ErrorCode::failed, "", when, what);
  }

  /// The step with its accident, recovery, and the step again.
  Status survive(std::size_t index, const RunStep& run, const Point& point,
                 const Yardstick& yardstick) {
    TH_ASSIGN(const auto made, before(index));
    Player& player = *made;
    TH_ASSIGN(const std::optional<CommandEnd> end, strike(player, run, point));
    TH_TRY(one_runs_at_most(player));
    if (point.accident == Accident::blink && end) TH_TRY(lived_through(run, *end));
    if (point.accident == Accident::disk && end)
      TH_TRY(ended_in_order(player, run, point, *end, yardstick));
    TH_TRY(repair(player, point));

    TH_TRY(recover(player, yardstick.earlier, yardstick.wanted));
    // A killed command's lock on what its operator has not touched again stays until somebody does.
    TH_TRY(unbroken(player, "after recovery", point.accident == Accident::tool));
    TH_TRY(settings_hold(player, point, yardstick));
    TH_ASSIGN(const CommandEnd again, player.command(run.node, run.argv, run.input, kPatience));
    if (!as_wanted(run, again) && !already_done(run.argv, again.exit_code))
      return trouble("the step again",
                     fmt::format("it ended with {}: {}", again.exit_code, excerpt(again.error)));
    TH_TRY(unbroken(player, "after the step again", false));
    TH_ASSIGN(const Picture got, picture_of(player));
    return compare(point, yardstick, got);
  }

  /// Recovery leaves the old settings or the new ones, and the kernel's limits are theirs. The step
  /// again would cover it up. (Who was started anew has got them from the settings.)
  static Status settings_hold(Player& player, const Point& point, const Yardstick& yardstick) {
    if (cuts_power(point.accident)) return {};
    TH_ASSIGN(const Picture now, picture_of(player));
    const auto strange = limits_beside_settings(now, {&yardstick.before, &yardstick.wanted});
    return strange ? Status(trouble("after recovery", *strange)) : Status();
  }

  static Status compare(const Point& point, const Yardstick& yardstick, const Picture& got) {
    const auto same = [](const Facts& wanted, const Facts& facts) -> Status {
      const auto differs = difference(wanted, facts);
      return differs ? Status(trouble("in the end", *differs)) : Status();
    };
    TH_TRY(same(yardstick.wanted.product, got.product));
    if (!cuts_power(point.accident)) {
      TH_TRY(same(yardstick.wanted.limits, got.limits));
      return same(yardstick.wanted.network, got.network);
    }
    // A container that was started anew has no device for addresses that it had lost before; what
    // must be there of its network is in its settings, and what must not is an invariant.
    const auto limits = yardstick.limits_after_boot.find(off_at(point));
    return limits == yardstick.limits_after_boot.end() ? Status() : same(limits->second, got.limits);
  }

  /// The node that is off; "" = all.
  static std::string off_at(const Point& point) {
    return point.accident == Accident::both ? "" : point.node;
  }

  /// Notes the limits that the step leads to when a boot comes first.
  Status look_after_boot(std::size_t index, const RunStep& run, const Point& point,
                         Yardstick& yardstick) {
    if (!looked_.insert({index, off_at(point)}).second) return {};
    TH_ASSIGN(const auto made, before(index));
    Player& player = *made;
    for (const std::string& node : player.node_names())
      if (off_at(point).empty() || node == point.node) TH_TRY(player.stage().power_off(node));
    TH_TRY(player.stage().advance(kNotice));
    TH_TRY(repair(player, point));
    if (!recover(player, yardstick.earlier, yardstick.wanted)) return {};
    TH_ASSIGN(const CommandEnd end, player.command(run.node, run.argv, run.input, kPatience));
    if (!as_wanted(run, end)) return {};
    TH_ASSIGN(Picture picture, picture_of(player));
    if (picture.product == yardstick.wanted.product)
      yardstick.limits_after_boot[off_at(point)] = std::move(picture.limits);
    return {};
  }

  static bool as_wanted(const RunStep& run, const CommandEnd& end) {
    return std::find(run.end.exits.begin(), run.end.exits.end(), end.exit_code) !=
           run.end.exits.end();
  }

  /// Runs the step's command into the accident. How it ended; std::nullopt when it was broken off.
  Result<std::optional<CommandEnd>> strike(Player& player, const RunStep& run, const Point& point) {
    Stage& stage = player.stage();
    TH_TRY(stage.arm(point.node, fault_of(point.accident, point.call)));
    TH_ASSIGN(const StageCommand command, stage.start({run.node, run.argv, run.input}));
    if (point.accident == Accident::blink) TH_TRY(blink(player, command, point));
    auto end = stage.wait(command, kPatience);
    if (!end)
      return trouble("the accident", "the command did not end after it: " + end.error().message());
    if (!point.after_last && stage.armed(point.node))
      return trouble("the accident", fmt::format("call {} was not reached again", point.call));
    TH_TRY(stage.arm(point.node, std::nullopt));
    if (point.after_last) {
      for (const std::string& node : player.node_names()) {
        const bool meant = node == point.node || point.accident == Accident::both;
        if (meant && stage.is_on(node)) TH_TRY(stage.power_off(node));
      }
    }
    // The other nodes notice what has happened, and commands that a killed one has started beside
    // itself come to their end. Where there is neither the operator is at once there.
    const bool others = point.accident == Accident::tool || cuts_power(point.accident);
    if (!point.alone || others) TH_TRY(stage.advance(kNotice));
    if (end->killed) return std::optional<CommandEnd>();
    return std::optional(std::move(*end));
  }

  /// Mends the cables a moment after they were cut, while the command goes on.
  Status blink(Player& player, StageCommand command, const Point& point) {
    Stage& stage = player.stage();
    while (stage.armed(point.node)) {
      TH_ASSIGN(const auto ended, stage.poll(command));
      if (ended) return {};
      TH_TRY(stage.advance(milliseconds(20)));
    }
    TH_TRY(stage.advance(kBlink));
    return mend_links(stage);
  }

  Status mend_links(Stage& stage) {
    for (const LinkPlan& link : scenario_.links) TH_TRY(stage.set_link(link.a, link.b, true));
    return {};
  }

  /// Makes the machines whole again.
  Status repair(Player& player, const Point& point) {
    Stage& stage = player.stage();
    for (const std::string& node : player.node_names())
      if (!stage.is_on(node)) TH_TRY(stage.power_on(node));
    if (needs_several_nodes(point.accident)) TH_TRY(mend_links(stage));
    if (point.accident == Accident::disk) return stage.fill_disk(point.node, std::nullopt);
    return point.accident == Accident::tool ? Status() : stage.advance(kBoot);
  }

  /// Whatever is open: two copies of a container never run.
  Status one_runs_at_most(Player& player) {
    Stage& stage = player.stage();
    std::map<CtId, std::string> runs;
    for (const std::string& node : player.node_names()) {
      if (!stage.is_on(node)) continue;
      TH_ASSIGN(const NodeTrace trace, look_at(stage.kernel(node), stage.layout(node)));
      for (const auto& [id, container] : trace.containers) {
        if (!container.running || container.frozen) continue;
        const auto [other, first] = runs.emplace(id, node);
        if (!first && std::count(scenario_.twins.begin(), scenario_.twins.end(), id) == 0)
          return trouble("after the accident",
                         fmt::format("CT {} runs on {} and on {}", id.text(), other->second, node));
      }
    }
    return {};
  }

  /// A connection that stands bears a blink; one that is being made need not.
  static Status lived_through(const RunStep& run, const CommandEnd& end) {
    if (as_wanted(run, end) || end.exit_code == kNoConnection) return {};
    return trouble("after the accident",
                   fmt::format("the command did not live through it and ended with {}: {}",
                               end.exit_code, excerpt(end.error)));
  }

  /// A full disk is no excuse for a silent end, nor for a container that is down on another node.
  Status ended_in_order(Player& player, const RunStep& run, const Point& point,
                        const CommandEnd& end, const Yardstick& yardstick) {
    if (as_wanted(run, end)) return {};
    if (end.error.empty())
      return trouble("after the accident",
                     fmt::format("the command ended with {} and did not say why", end.exit_code));
    if (run.node == point.node || run.argv[0] != "vzmigrate") return {};
    TH_ASSIGN(const NodeTraces now, traces_of(player));
    const auto was = yardstick.earlier.find(run.node);
    if (was == yardstick.earlier.end()) return {};
    for (const auto& [id, container] : was->second.containers) {
      if (!container.running || container.frozen) continue;
      const auto runs = [&](const auto& entry) {
        const auto found = entry.second.containers.find(id);
        return found != entry.second.containers.end() && found->second.running &&
               !found->second.frozen;
      };
      if (std::none_of(now.begin(), now.end(), runs))
        return trouble("after the accident",
                       fmt::format("CT {} is down because the disk of {} is full; the command "
                                   "ended with {}: {}",
                                   id.text(), point.node, end.exit_code, excerpt(end.error)));
    }
    return {};
  }

  static Status unbroken(Player& player, std::string_view when, bool dead_locks) {
    InvariantScope scope;
    scope.nodes = player.node_names();
    if (dead_locks) scope.rebooted = {scope.nodes.begin(), scope.nodes.end()};
    scope.twins = {player.scenario().twins.begin(), player.scenario().twins.end()};
    const auto found = violations(player.stage(), scope, player.remembered());
    if (found.empty()) return {};
    return trouble(when, found.front() + (found.size() > 1
                                              ? fmt::format(" (and {} more)", found.size() - 1)
                                              : ""));
  }

  const Scenario& scenario_;
  const ExploreOptions& options_;
  const StageFactory& factory_;
  const std::function<void(std::uint64_t)>& progress_;
  std::unique_ptr<Player> base_;
  std::set<std::pair<std::size_t, std::string>> looked_;  ///< step and node off, limits noted
  std::uint64_t done_ = 0;
};

}  // namespace

std::string CrashFailure::reproduce(const std::string& file) const {
  return fmt::format("vzscenario explore {} --step {} --accident {} --node {} --call {}", file,
                     step + 1, to_string(accident), node, call);
}

std::uint64_t StepExploration::total() const {
  std::uint64_t sum = 0;
  for (const auto& [accident, count] : points) sum += count;
  return sum;
}

std::uint64_t Exploration::points() const {
  std::uint64_t total = 0;
  for (const StepExploration& step : steps) total += step.total();
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
