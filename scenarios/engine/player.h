// Plays the steps of a scenario on a stage.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "scenarios/engine/invariants.h"
#include "scenarios/engine/report.h"
#include "scenarios/engine/scenario.h"
#include "scenarios/engine/stage.h"

namespace twinhull::scenario {

/// What a load in a container asks for, to be compared with what it gets.
struct TraceDemand {
  std::string node;
  CtId container;
  Duration start{0};
  Duration interval{0};
  std::uint32_t cpus = 1;
  std::vector<std::uint32_t> percents;
  /// CPU time asked for between two moments.
  [[nodiscard]] Duration between(Duration from, Duration to) const;
};

/// One performance of a scenario. Plain state beside the stage, so that a performance can be
/// copied onto a branch of its stage and go on there.
class Player {
 public:
  /// The scenario must outlive the player.
  Player(const Scenario& scenario, std::unique_ptr<Stage> stage);

  /// Builds the world. Errors: those of Stage::build.
  Status begin(std::uint64_t seed);
  /// Plays one step with the invariants after it. False when it failed: report() says why.
  bool play(std::size_t index);
  /// Plays all steps that are left, then closes the report.
  const ScenarioReport& play_all();
  /// Ends background commands and fills the report's totals.
  void finish();

  /// A second performance that continues from here. Errors: those of Stage::branch; busy while
  /// background commands run.
  Result<std::unique_ptr<Player>> branch() const;

  [[nodiscard]] Stage& stage() { return *stage_; }
  [[nodiscard]] const Scenario& scenario() const { return scenario_; }
  [[nodiscard]] const ScenarioReport& report() const { return report_; }
  [[nodiscard]] ScenarioReport take_report() { return std::move(report_); }
  [[nodiscard]] const std::vector<RememberedFile>& remembered() const { return remembered_; }
  [[nodiscard]] std::vector<std::string> node_names() const;
  [[nodiscard]] std::size_t position() const { return position_; }

  /// Runs one command to its end, as a `run:` step does, without any check.
  Result<CommandEnd> command(const std::string& node, std::vector<std::string> argv,
                             const std::string& input = "", Duration timeout = seconds(600));

 private:
  using Problem = std::optional<std::string>;

  Problem act(const RunStep& step);
  Problem act(const WaitStep& step);
  Problem act(const SleepStep& step);
  Problem act(const PutStep& step);
  Problem act(const WriteStep& step);
  Problem act(const ForgetStep& step);
  Problem act(const LoadStep& step);
  Problem act(const RecordStep& step);
  Problem act(const FaultStep& step);
  Problem act(const ExpectStep& step);
  Problem call_fault(const FaultStep& step);

  Problem check(const ContainerCheck& check);
  Problem check(const OnlyOnCheck& check);
  Problem check(const CpuShareCheck& check);
  Problem check(const CounterCheck& check);
  Problem check(const FileCheck& check);
  Problem check(const DowntimeCheck& check);
  Problem check(const RecordCheck& check);

  Problem judge_end(const EndCheck& wanted, const CommandEnd& end, Duration elapsed,
                    const std::string& line) const;
  Problem judge_invariants(const std::vector<std::string>& nodes);
  /// What a command changes, as "node container".
  [[nodiscard]] std::vector<std::string> marks(const std::string& node,
                                               const std::vector<std::string>& argv) const;
  void ended(const std::string& node, const std::vector<std::string>& argv, const CommandEnd& end);
  void disturbed(const std::string& node, const std::vector<std::string>& argv);
  /// Finds the containers whose init has ended since the last step without a command's doing.
  void note_halts(const Step& step);
  [[nodiscard]] bool background_work() const;
  void fail_step(std::size_t index, const std::string& problem);

  struct Background {
    StageCommand command = 0;
    std::vector<std::string> argv;
    std::string node;
    Duration started{0};
    bool load = false;  ///< runs inside a container and changes nothing of it
    bool ended = false;
  };

  const Scenario& scenario_;
  std::unique_ptr<Stage> stage_;
  ScenarioReport report_;
  std::vector<RememberedFile> remembered_;
  std::map<std::string, Background> background_;
  std::vector<TraceDemand> demands_;
  std::set<std::string> disturbed_;   ///< "node container" whose operation was broken off
  std::set<std::string> mentioned_;   ///< "node container" of all commands so far
  std::set<std::string> rebooted_;    ///< nodes that were without power once
  std::set<std::pair<std::string, CtId>> halted_;  ///< init ended by itself, nobody cleaned up yet
  bool last_failed_ = false;          ///< the latest command that ended
  std::size_t life_seen_ = 0;         ///< life records that note_halts() has seen
  std::set<std::string> armed_cuts_;  ///< nodes with an armed power cut or kill
  std::size_t position_ = 0;
  bool finished_ = false;
};

/// Why this stage cannot play the scenario; std::nullopt when it can.
std::optional<std::string> unsuitable(const Scenario& scenario, const StageAbilities& abilities);

/// Plays a scenario from beginning to end on a new stage.
ScenarioReport perform(const Scenario& scenario, std::uint64_t seed, const StageFactory& factory);

}  // namespace twinhull::scenario
