// The engine on the simulator: it passes what is right, fails what is wrong, and repeats itself.
#include <boost/test/unit_test.hpp>

#include "scenarios/engine/explore.h"
#include "scenarios/engine/picture.h"
#include "scenarios/engine/player.h"
#include "scenarios/engine/report.h"
#include "tools/stages/sim_stage.h"

namespace twinhull::tools {
namespace {

using namespace scenario;  // NOLINT: a test of that namespace

const std::string kHead = "name: test\narea: lifecycle\nsteps:\n";

Scenario parsed(const std::string& text) {
  Diagnostics problems;
  auto scenario = parse_scenario(text, "test.yaml", {}, problems);
  for (const Diagnostic& problem : problems) BOOST_TEST_MESSAGE(problem.message());
  BOOST_TEST_REQUIRE(scenario.has_value());
  return std::move(*scenario);
}

ScenarioReport played(const std::string& steps, std::uint64_t seed = 1) {
  const Scenario scenario = parsed(kHead + steps);
  return perform(scenario, seed, [] { return make_sim_stage(); });
}

const std::string kLife =
    "- run: vzctl create 101 --ostemplate busybox\n"
    "- run: vzctl start 101 --wait\n"
    "- {write: /data/x, container: 101, content: kept}\n"
    "- run: vzctl stop 101\n"
    "- expect: {container: 101, state: stopped}\n";

BOOST_AUTO_TEST_SUITE(sim_stage)

BOOST_AUTO_TEST_CASE(a_life_passes) {
  const ScenarioReport report = played(kLife);
  BOOST_TEST(report.problem == "");
  BOOST_TEST((report.outcome == Outcome::passed));
  BOOST_TEST(report.bars.size() == 1U);
  BOOST_TEST(report.kernel_calls > 50U);
}

BOOST_AUTO_TEST_CASE(the_same_seed_gives_the_same_trace) {
  const ScenarioReport first = played(kLife, 7);
  const ScenarioReport second = played(kLife, 7);
  const ScenarioReport other = played(kLife, 8);
  BOOST_TEST(first.digest == second.digest);
  BOOST_TEST(first.simulated.count() == second.simulated.count());
  BOOST_TEST(first.digest != other.digest);
}

BOOST_AUTO_TEST_CASE(wrong_expectations_fail_with_their_place) {
  const ScenarioReport wrong_exit = played("- {run: vzctl status 101, exit: 3}\n");
  BOOST_TEST((wrong_exit.outcome == Outcome::failed));
  BOOST_TEST(wrong_exit.problem.starts_with("test.yaml:4:3:"));
  BOOST_TEST(
      (played(kLife + "- expect: {container: 101, state: running}\n").outcome == Outcome::failed));
  BOOST_TEST((played(kLife + "- expect: {file: /no/such/file}\n").outcome == Outcome::failed));
  BOOST_TEST((played(kLife + "- expect: {container: 101, disk_bytes: '> 1T'}\n").outcome ==
              Outcome::failed));
  BOOST_TEST((played(kLife + "- {run: vzctl status 101, stdout: {lacks: exist}}\n").outcome ==
              Outcome::failed));
  BOOST_TEST((played(kLife + "- expect: {container: 101, downtime: '< 1s'}\n- sleep: 9s\n"
                             "- expect: {container: 101, downtime: '< 1s'}\n")
                  .outcome == Outcome::failed));
}

BOOST_AUTO_TEST_CASE(lost_data_and_leftovers_break_the_invariants) {
  const ScenarioReport lost = played(kLife + "- {remove: /data/x, container: 101}\n");
  BOOST_TEST((lost.outcome == Outcome::failed));
  BOOST_TEST(lost.problem.find("acknowledged data is lost") != std::string::npos);
  const ScenarioReport changed =
      played(kLife + "- {put: /data/x, container: 101, content: other}\n");
  BOOST_TEST(changed.problem.find("acknowledged data has changed") != std::string::npos);
  const ScenarioReport lock = played(kLife + "- {put: /vz/lock/101.lck, content: x}\n");
  BOOST_TEST(lock.problem.find("a lock that nobody holds") != std::string::npos);
  const ScenarioReport area = played(kLife + "- {put: /vz/private/105/fs/x, content: x}\n");
  BOOST_TEST(area.problem.find("an area without configuration") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(call_faults_act_once_and_are_undone) {
  const ScenarioReport report = played(
      "- run: vzctl create 101 --ostemplate busybox\n"
      "- {fault: fail_call, call: processes.spawn, code: no_memory}\n"
      "- {run: vzctl start 101, exit: [3, 4, 6, 7]}\n"
      "- run: vzctl start 101 --wait\n");
  BOOST_TEST(report.problem == "");
}

BOOST_AUTO_TEST_CASE(a_branch_goes_its_own_way) {
  const Scenario scenario = parsed(kHead + kLife);
  Player player(scenario, make_sim_stage());
  BOOST_TEST_REQUIRE(player.begin(1).has_value());
  BOOST_TEST_REQUIRE(player.play(0));
  auto branch = player.branch();
  BOOST_TEST_REQUIRE(branch.has_value());
  BOOST_TEST_REQUIRE((*branch)->play(1));
  BOOST_TEST_REQUIRE((*branch)->play(2));
  // The original has not started the container.
  const auto trace = look_at(player.stage().kernel("n1"), player.stage().layout("n1"));
  BOOST_TEST_REQUIRE(trace.has_value());
  BOOST_TEST(!trace->containers.at(CtId{101}).running);
  player.play_all();
  BOOST_TEST(player.report().problem == "");
  // A performance that was not branched ends in the same state.
  BOOST_TEST(player.report().digest == played(kLife).digest);
}

BOOST_AUTO_TEST_CASE(every_accident_of_a_create_is_survived) {
  const Scenario scenario = parsed(kHead + "- run: vzctl create 101 --ostemplate busybox\n");
  const auto result = explore(scenario, {}, [] { return make_sim_stage(); });
  BOOST_TEST_REQUIRE(result.has_value());
  BOOST_TEST_REQUIRE(result->steps.size() == 1U);
  // One node has no peer, and after the last call there is nothing to kill.
  auto points = result->steps.front().points;
  BOOST_TEST(points.size() == 3U);
  BOOST_TEST(points[Accident::power] > 20U);
  BOOST_TEST(points[Accident::tool] == points[Accident::power] - 1);
  BOOST_TEST(points[Accident::disk] == points[Accident::tool]);
  for (const CrashFailure& failure : result->failures()) BOOST_ERROR(failure.problem);
}

const std::string kTwoNodes =
    "name: test\narea: migration\nnodes: [n1, n2]\nlinks: [{between: [n1, n2]}]\nsteps:\n"
    "- run: vzctl create 101 --ostemplate busybox\n"
    "- run: vzmigrate n2 101\n";

BOOST_AUTO_TEST_CASE(a_migration_meets_all_accidents_and_each_can_be_chosen) {
  const Scenario scenario = parsed(kTwoNodes);
  const auto factory = [] { return make_sim_stage(); };
  const auto sampled = explore(scenario, {.step = 1, .every = 40}, factory);
  BOOST_TEST_REQUIRE(sampled.has_value());
  BOOST_TEST(sampled->steps.front().points.size() == kAccidents.size());
  for (const CrashFailure& failure : sampled->failures()) BOOST_ERROR(failure.problem);
  const auto chosen = explore(
      scenario, {.step = 1, .accidents = {Accident::link}, .node = "n2", .call = 7}, factory);
  BOOST_TEST_REQUIRE(chosen.has_value());
  BOOST_TEST(chosen->points() == 1U);
  const CrashFailure failure{1, Accident::link, "n2", 7, "", ""};
  BOOST_TEST(failure.reproduce("x.yaml") ==
             "vzscenario explore x.yaml --step 2 --accident link --node n2 --call 7");
}

// Its settings are not saved, so that only the kernel's limits tell that they were lost.
BOOST_AUTO_TEST_CASE(limits_of_the_kernel_are_compared) {
  const Scenario scenario = parsed(kHead +
                                   "- run: vzctl create 101 --ostemplate busybox\n"
                                   "- run: vzctl start 101\n");
  Player player(scenario, make_sim_stage());
  BOOST_TEST_REQUIRE(player.begin(1).has_value());
  BOOST_TEST_REQUIRE(player.play(0));
  BOOST_TEST_REQUIRE(player.play(1));
  const auto before = picture_of(player);
  BOOST_TEST_REQUIRE(before.has_value());
  const auto set = player.command("n1", {"vzctl", "set", "101", "--cpulimit", "50"});
  BOOST_TEST_REQUIRE(set.has_value());
  BOOST_TEST(set->exit_code == 0);
  const auto after = picture_of(player);
  BOOST_TEST_REQUIRE(after.has_value());
  BOOST_TEST(!difference(before->product, after->product));
  const auto differs = difference(before->limits, after->limits);
  BOOST_TEST_REQUIRE(differs.has_value());
  BOOST_TEST(differs->find("quota 50000 of 100000 us") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_scenario_that_fails_by_itself_is_not_explored) {
  const Scenario scenario = parsed(kHead + "- {run: vzctl start 101, exit: 0}\n");
  BOOST_TEST(!explore(scenario, {}, [] { return make_sim_stage(); }).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools
