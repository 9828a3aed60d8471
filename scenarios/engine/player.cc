#include "scenarios/engine/player.h"

#include <fmt/format.h>

#include <algorithm>

#include "scenarios/engine/needs.h"
#include "scenarios/engine/pattern.h"
#include "scenarios/engine/text.h"

namespace twinhull::scenario {
namespace {

const char* kind_of(const Step& step) {
  struct Names {
    const char* operator()(const RunStep& run) const { return run.background ? "start" : "run"; }
    const char* operator()(const WaitStep&) const { return "wait"; }
    const char* operator()(const SleepStep&) const { return "sleep"; }
    const char* operator()(const PutStep&) const { return "put"; }
    const char* operator()(const WriteStep&) const { return "write"; }
    const char* operator()(const ForgetStep&) const { return "forget"; }
    const char* operator()(const LoadStep&) const { return "load"; }
    const char* operator()(const RecordStep&) const { return "record"; }
    const char* operator()(const FaultStep&) const { return "fault"; }
    const char* operator()(const ExpectStep&) const { return "expect"; }
  };
  return std::visit(Names{}, step.action);
}

std::string node_of(const Step& step) {
  return std::visit(
      [](const auto& action) -> std::string {
        if constexpr (requires { action.node; })
          return action.node;
        else
          return "";
      },
      step.action);
}

/// The nodes on which a step can have changed anything. Looking at all of many nodes after each of
/// hundreds of steps would take longer than the steps.
std::vector<std::string> affected_nodes(const Step& step, const std::vector<std::string>& all) {
  if (std::holds_alternative<ExpectStep>(step.action) ||
      std::holds_alternative<ForgetStep>(step.action))
    return {};
  if (const auto* run = std::get_if<RunStep>(&step.action))
    return run->argv[0] == "vzmigrate" ? all : std::vector{run->node};
  if (const auto* put = std::get_if<PutStep>(&step.action)) return {put->node};
  if (const auto* write = std::get_if<WriteStep>(&step.action)) return {write->node};
  if (const auto* load = std::get_if<LoadStep>(&step.action)) return {load->node};
  return all;
}

/// Whether a command changes containers, so that it cleans up what a broken one has left.
bool changes_containers(const std::vector<std::string>& argv) {
  if (argv.empty()) return false;
  if (argv[0] == "vzmigrate" || argv[0] == "vzcfgconvert" || argv[0] == "vzp2v") return true;
  if (argv[0] == "vz") return argv.size() > 1 && argv[1] != "status";
  if (argv[0] != "vzctl") return false;
  if (argv.size() < 2) return false;
  static const std::set<std::string> readers = {"exec",  "exec2",  "exec3",
                                                "enter", "status", "explain"};
  return !readers.contains(argv[1]);
}

/// The words of a command line that may name a container: on the node where it runs, or on the others.
std::vector<std::string> subjects(const std::vector<std::string>& argv, bool here) {
  std::vector<std::string> out;
  if (here && argv.size() > 2 && argv[0] == "vzctl") out.push_back(argv[2]);
  if (here && !argv.empty() && argv[0] == "vzp2v")
    for (std::size_t i = 2; i < argv.size(); ++i)
      if (argv[i - 1] == "--ctid") out.push_back(argv[i]);
  if (here && !argv.empty() && argv[0] == "vz") out.emplace_back("all");
  if (argv.empty() || argv[0] != "vzmigrate") return out;
  std::string renumbered;
  for (std::size_t i = 1; i < argv.size(); ++i) {
    if (argv[i - 1] == "--new-id") {
      renumbered = argv[i];
      continue;
    }
    const std::size_t colon = argv[i].find(':');
    const std::string source = argv[i].substr(0, colon);
    if (!parse_integer(source)) continue;
    const std::string rest = colon == std::string::npos ? "" : argv[i].substr(colon + 1);
    const std::string there = rest.substr(0, rest.find(':'));
    out.push_back(here || there.empty() ? source : there);
  }
  if (!here && !renumbered.empty()) out = {renumbered};
  return out;
}

/// Whether a command that runs on `there` changes container `id` of `node`. A name may be any's.
bool works_on(const std::vector<std::string>& argv, const std::string& there,
              const std::string& node, CtId id) {
  if (!changes_containers(argv) || (argv[0] != "vzmigrate" && there != node)) return false;
  const auto words = subjects(argv, there == node);
  return std::any_of(words.begin(), words.end(), [&](const std::string& word) {
    const auto number = parse_integer(word);
    return !number || *number == id.value;
  });
}

}  // namespace

Duration TraceDemand::between(Duration from, Duration to) const {
  Duration total{0};
  for (std::size_t i = 0; i < percents.size(); ++i) {
    const Duration a = std::max(from, start + interval * static_cast<std::int64_t>(i));
    const Duration b = std::min(to, start + interval * static_cast<std::int64_t>(i + 1));
    if (b > a) total += (b - a) * static_cast<std::int64_t>(percents[i] * cpus) / 100;
  }
  return total;
}

Player::Player(const Scenario& scenario, std::unique_ptr<Stage> stage)
    : scenario_(scenario), stage_(std::move(stage)) {
  report_.file = scenario.file;
  report_.name = scenario.name;
  report_.description = scenario.description;
  report_.area = scenario.area;
  report_.backend = stage_->abilities().backend;
  report_.nodes = node_names();
}

std::vector<std::string> Player::node_names() const {
  std::vector<std::string> names;
  for (const NodePlan& node : scenario_.nodes) names.push_back(node.name);
  return names;
}

Status Player::begin(std::uint64_t seed) {
  report_.seed = seed;
  return stage_->build(scenario_, seed);
}

void Player::fail_step(std::size_t index, const std::string& problem) {
  const Step& step = scenario_.steps[index];
  report_.outcome = Outcome::failed;
  report_.problem =
      Diagnostic{scenario_.file, step.mark, step.title + ": " + problem, ""}.message();
  if (!report_.steps.empty()) {
    report_.steps.back().failed = true;
    report_.steps.back().problem = problem;
  }
}

bool Player::play(std::size_t index) {
  const Step& step = scenario_.steps[index];
  position_ = index + 1;
  if (step.at && *step.at > stage_->now()) {
    if (const Status waited = stage_->advance(*step.at - stage_->now()); !waited) {
      fail_step(index, waited.error().message());
      return false;
    }
  }
  if (step.after) {
    if (const Status waited = stage_->advance(*step.after); !waited) {
      fail_step(index, waited.error().message());
      return false;
    }
  }
  StepReport entry;
  entry.title = step.title;
  entry.node = node_of(step);
  entry.kind = kind_of(step);
  entry.mark = step.mark;
  entry.start = stage_->now();
  entry.fault = std::holds_alternative<FaultStep>(step.action);
  report_.steps.push_back(std::move(entry));

  Problem problem = std::visit([&](const auto& action) { return act(action); }, step.action);
  report_.steps.back().end = stage_->now();
  note_halts(step);
  if (!problem) problem = judge_invariants(affected_nodes(step, node_names()));
  if (!problem) return true;
  fail_step(index, *problem);
  return false;
}

const ScenarioReport& Player::play_all() {
  while (position_ < scenario_.steps.size())
    if (!play(position_)) break;
  if (report_.outcome == Outcome::passed && !scenario_.steps.empty())
    if (const Problem problem = judge_invariants(node_names()))
      fail_step(scenario_.steps.size() - 1, "at the end: " + *problem);
  finish();
  return report_;
}

void Player::finish() {
  if (finished_) return;
  finished_ = true;
  for (auto& [id, command] : background_) {
    const auto end = stage_->poll(command.command);
    if (end && end->has_value()) continue;
    // What the scenario did not wait for ends with it; whether it can be killed changes nothing.
    static_cast<void>(stage_->kill(command.command));
  }
  report_.simulated = stage_->now();
  report_.digest = stage_->digest();
  for (const std::string& node : node_names()) report_.kernel_calls += stage_->calls(node);
  std::map<std::pair<std::string, std::string>, Duration> open;
  for (const LifeRecord& record : stage_->life_records()) {
    const auto key = std::make_pair(record.node, record.label);
    if (record.up) {
      open[key] = record.at;
    } else if (const auto found = open.find(key); found != open.end()) {
      report_.bars.push_back({record.node, record.label, found->second, record.at});
      open.erase(found);
    }
  }
  for (const auto& [key, from] : open)
    report_.bars.push_back({key.first, key.second, from, report_.simulated});
}

Result<std::unique_ptr<Player>> Player::branch() const {
  for (const auto& [id, command] : background_)
    if (!command.ended)
      return fail(ErrorCode::busy, "player.branch", id, "a background command still runs");
  TH_ASSIGN(auto stage, stage_->branch());
  auto copy = std::make_unique<Player>(scenario_, std::move(stage));
  copy->report_ = report_;
  copy->remembered_ = remembered_;
  copy->demands_ = demands_;
  copy->disturbed_ = disturbed_;
  copy->mentioned_ = mentioned_;
  copy->rebooted_ = rebooted_;
  copy->halted_ = halted_;
  copy->life_seen_ = life_seen_;
  copy->last_failed_ = last_failed_;
  copy->armed_cuts_ = armed_cuts_;
  copy->position_ = position_;
  return copy;
}

Result<CommandEnd> Player::command(const std::string& node, std::vector<std::string> argv,
                                   const std::string& input, Duration timeout) {
  TH_ASSIGN(const StageCommand id, stage_->start({node, std::move(argv), input}));
  return stage_->wait(id, timeout);
}

std::vector<std::string> Player::marks(const std::string& node,
                                        const std::vector<std::string>& argv) const {
  std::vector<std::string> out;
  if (!changes_containers(argv)) return out;
  for (const NodePlan& at : scenario_.nodes)
    for (const std::string& word : subjects(argv, at.name == node)) out.push_back(at.name + " " + word);
  return out;
}

void Player::ended(const std::string& node, const std::vector<std::string>& argv,
                   const CommandEnd& end) {
  for (const std::string& mark : marks(node, argv)) mentioned_.insert(mark);
  last_failed_ = end.killed || end.exit_code != 0;
  if (end.killed) return disturbed(node, argv);
  // Only a command that succeeded is sure to have put everything right; one that finds no such
  // container (14) has looked, too.
  constexpr int kNoSuchContainer = 14;
  if (end.exit_code != 0 && end.exit_code != kNoSuchContainer) return;
  for (const std::string& mark : marks(node, argv)) disturbed_.erase(mark);
  std::erase_if(halted_, [&](const auto& entry) { return works_on(argv, node, entry.first, entry.second); });
}

void Player::disturbed(const std::string& node, const std::vector<std::string>& argv) {
  // A daemon, or the node's shutdown, names no container and may have been at work on any.
  if (!argv.empty() && (argv[0] == "vzasysd" || argv[0] == "vz"))
    for (const std::string& mark : mentioned_)
      if (mark.starts_with(node + " ")) disturbed_.insert(mark);
  for (const std::string& mark : marks(node, argv)) disturbed_.insert(mark);
}

void Player::note_halts(const Step& step) {
  const auto records = stage_->life_records();
  const auto* run = std::get_if<RunStep>(&step.action);
  for (; life_seen_ < records.size(); ++life_seen_) {
    const LifeRecord& record = records[life_seen_];
    const auto number = parse_integer(record.label);
    if (!number) continue;
    const CtId id{static_cast<std::uint32_t>(*number)};
    // A migration ends a container where it comes from only. What goes down where it went to has
    // ended by itself.
    const auto works = [&](const std::vector<std::string>& argv, const std::string& node) {
      return works_on(argv, node, record.node, id) &&
             (argv[0] != "vzmigrate" || record.node == node);
    };
    const bool by_command =
        // A command that failed need not be why: it may have failed because the container ended.
        (run != nullptr && !last_failed_ && works(run->argv, run->node)) ||
        std::any_of(background_.begin(), background_.end(), [&](const auto& item) {
          return !item.second.load && works(item.second.argv, item.second.node);
        });
    if (record.up)
      halted_.erase({record.node, id});
    else if (!by_command)
      halted_.insert({record.node, id});
  }
}

bool Player::background_work() const {
  return std::any_of(background_.begin(), background_.end(),
                     [](const auto& item) { return !item.second.ended && !item.second.load; });
}

Player::Problem Player::judge_end(const EndCheck& wanted, const CommandEnd& end, Duration elapsed,
                                  const std::string& line) const {
  if (std::find(wanted.exits.begin(), wanted.exits.end(), end.exit_code) == wanted.exits.end()) {
    std::string codes;
    for (const int code : wanted.exits)
      codes += (codes.empty() ? "" : " or ") + std::to_string(code);
    return fmt::format("`{}` ended with {} instead of {}; stdout \"{}\", stderr \"{}\"", line,
                       end.killed ? std::string("a kill") : std::to_string(end.exit_code), codes,
                       excerpt(end.out), excerpt(end.error));
  }
  if (const auto wrong = mismatch(wanted.out, end.out, "stdout of `" + line + "`")) return wrong;
  if (const auto wrong = mismatch(wanted.error, end.error, "stderr of `" + line + "`"))
    return wrong;
  if (wanted.elapsed && !wanted.elapsed->contains(elapsed.count()))
    return fmt::format("`{}` took {}, wanted {}", line, duration_text(elapsed),
                       wanted.elapsed->text);
  return std::nullopt;
}

Player::Problem Player::judge_invariants(const std::vector<std::string>& nodes) {
  // Commands that have ended meanwhile no longer excuse anything.
  for (auto& [id, command] : background_) {
    if (command.ended) continue;
    const auto end = stage_->poll(command.command);
    if (!end) return "background command '" + id + "': " + end.error().message();
    if (!end->has_value()) continue;
    command.ended = true;
    ended(command.node, command.argv, **end);
  }
  InvariantScope scope;
  scope.nodes = nodes;
  scope.all_nodes = nodes.size() == scenario_.nodes.size();
  scope.strictness = background_work()    ? Strictness::busy
                     : disturbed_.empty() ? Strictness::idle
                                          : Strictness::disturbed;
  scope.twins = {scenario_.twins.begin(), scenario_.twins.end()};
  scope.rebooted = rebooted_;
  scope.halted = halted_;
  const auto found = violations(*stage_, scope, remembered_);
  if (found.empty()) return std::nullopt;
  std::string text = "invariant broken: ";
  for (std::size_t i = 0; i < found.size() && i < 4; ++i) text += (i > 0 ? "; " : "") + found[i];
  if (found.size() > 4) text += fmt::format("; and {} more", found.size() - 4);
  return text;
}

std::optional<std::string> unsuitable(const Scenario& scenario, const StageAbilities& abilities) {
  if (abilities.backend != "sim" && !scenario.portable)
    return "not marked portable: it needs the simulator";
  const auto lacks = [&](const std::string& what) {
    return "the " + abilities.backend + " backend cannot " + what;
  };
  for (const Step& step : scenario.steps) {
    if (const auto* fault = std::get_if<FaultStep>(&step.action)) {
      using Kind = FaultStep::Kind;
      switch (fault->kind) {
        case Kind::power_off:
        case Kind::power_on:
          if (!abilities.power) return lacks("cut the power of a node");
          break;
        case Kind::cut_link:
        case Kind::mend_link:
          if (!abilities.links) return lacks("cut a cable");
          break;
        case Kind::fill_disk:
        case Kind::free_disk:
          if (!abilities.disk) return lacks("fill a disk");
          break;
        case Kind::kill:
        case Kind::interrupt:
          if (!abilities.signals) return lacks("signal a command");
          break;
        default:
          if (!abilities.call_faults) return lacks("make a kernel call fail");
      }
    }
    if (const auto* expect = std::get_if<ExpectStep>(&step.action))
      for (const MarkedCheck& check : expect->checks)
        if (std::holds_alternative<DowntimeCheck>(check.check) && !abilities.life_events)
          return lacks("tell downtime");
  }
  return std::nullopt;
}

ScenarioReport perform(const Scenario& scenario, std::uint64_t seed, const StageFactory& factory) {
  Player player(scenario, factory());
  ScenarioReport report = player.report();
  report.seed = seed;
  if (const auto reason = unsuitable(scenario, player.stage().abilities())) {
    report.outcome = Outcome::skipped;
    report.problem = *reason;
    return report;
  }
  if (const Status built = player.begin(seed); !built) {
    report.outcome = Outcome::failed;
    report.problem = scenario.file + ": cannot build the world: " + built.error().message();
    return report;
  }
  for (const NodePlan& node : scenario.nodes) {
    const auto missing = missing_feature(player.stage().kernel(node.name), scenario);
    if (missing && !missing->has_value()) continue;
    report.outcome = missing ? Outcome::skipped : Outcome::failed;
    report.problem = missing ? node.name + ": " + **missing : missing.error().message();
    return report;
  }
  player.play_all();
  return player.take_report();
}

}  // namespace twinhull::scenario
