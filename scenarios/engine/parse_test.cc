// The scenario language: what is read, and how mistakes are told.
#include <boost/test/unit_test.hpp>

#include "scenarios/engine/scenario.h"

namespace twinhull::scenario {
namespace {

const std::string kHead = "name: test\narea: lifecycle\n";

std::optional<Scenario> parse(const std::string& text, Diagnostics& problems) {
  const DataReader data = [](const std::string& path) -> std::optional<std::string> {
    if (path != "two.csv") return std::nullopt;
    return "# comment\nvm,s0,s1\na,10,20\nb,30,40\n";
  };
  return parse_scenario(text, "test.yaml", data, problems);
}

/// The first complaint about a text that must be refused.
std::string complaint(const std::string& text) {
  Diagnostics problems;
  BOOST_TEST(!parse(text, problems).has_value());
  BOOST_TEST_REQUIRE(!problems.empty());
  return problems.front().message();
}

Scenario accepted(const std::string& text) {
  Diagnostics problems;
  auto scenario = parse(text, problems);
  for (const Diagnostic& problem : problems) BOOST_TEST_MESSAGE(problem.message());
  BOOST_TEST_REQUIRE(scenario.has_value());
  return std::move(*scenario);
}

BOOST_AUTO_TEST_SUITE(scenario_language)

BOOST_AUTO_TEST_CASE(defaults_are_one_node_and_busybox) {
  const Scenario scenario = accepted(kHead + "steps:\n- run: vzctl create 101\n");
  BOOST_TEST(scenario.nodes.size() == 1U);
  BOOST_TEST(scenario.nodes[0].name == "n1");
  BOOST_TEST(scenario.templates.at(0).name == "busybox");
  BOOST_TEST(!scenario.portable);
  const auto& run = std::get<RunStep>(scenario.steps.at(0).action);
  BOOST_TEST(run.node == "n1");
  BOOST_TEST(run.argv.size() == 3U);
  BOOST_TEST(run.end.exits.at(0) == 0);
}

BOOST_AUTO_TEST_CASE(quotes_make_one_word) {
  const Scenario scenario =
      accepted(kHead + "steps:\n- run: vzctl set 101 --description \"a b\" --name 'x y' --save\n");
  const auto& run = std::get<RunStep>(scenario.steps.at(0).action);
  BOOST_TEST(run.argv.at(4) == "a b");
  BOOST_TEST(run.argv.at(6) == "x y");
}

BOOST_AUTO_TEST_CASE(blocks_are_written_out) {
  const Scenario scenario = accepted(kHead +
                                     "steps:\n- for_each: ct\n  from: 101\n  to: 103\n  steps:\n"
                                     "  - run: vzctl create ${ct} --hostname h${ct-100}\n"
                                     "  - expect: {container: \"${ct}\", state: stopped}\n");
  BOOST_TEST_REQUIRE(scenario.steps.size() == 6U);
  BOOST_TEST(std::get<RunStep>(scenario.steps[4].action).argv.at(2) == "103");
  BOOST_TEST(std::get<RunStep>(scenario.steps[4].action).argv.at(4) == "h3");
}

BOOST_AUTO_TEST_CASE(a_node_has_a_kernel) {
  const Scenario scenario = accepted(kHead + "nodes: [{name: n1, kernel: 6.1}, n2]\nsteps:\n- sleep: 1s\n");
  BOOST_TEST(scenario.nodes.at(0).kernel == "6.1");
  BOOST_TEST(scenario.nodes.at(1).kernel.empty());
  for (const char* wrong : {"six", "6", "6.", ".1"})
    BOOST_TEST(complaint(kHead + "nodes: [{name: n1, kernel: \"" + wrong + "\"}]\nsteps:\n- sleep: 1s\n")
                   .find("begins with a version") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_trace_row_is_read) {
  const Scenario scenario =
      accepted(kHead + "steps:\n- {load: trace, container: 101, file: two.csv, row: 2}\n");
  const auto& load = std::get<LoadStep>(scenario.steps.at(0).action);
  BOOST_TEST(load.trace == (std::vector<std::uint32_t>{30, 40}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_unknown_key_names_place_and_neighbour) {
  BOOST_TEST(complaint(kHead + "steps:\n- run: vzctl create 101\n  exits: 3\n") ==
             "test.yaml:5:3: unknown key 'exits' in a step (did you mean 'exit'?)");
}

BOOST_AUTO_TEST_CASE(an_unknown_step_names_the_nearest) {
  BOOST_TEST(complaint(kHead + "steps:\n- rum: vzctl create 101\n") ==
             "test.yaml:4:3: a step needs one action (did you mean 'run'?)");
}

BOOST_AUTO_TEST_CASE(two_actions_in_a_step_are_refused) {
  BOOST_TEST(complaint(kHead + "steps:\n- run: vzctl start 101\n  sleep: 3s\n")
                 .find("has 'run' and 'sleep'") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_unknown_program_is_refused) {
  BOOST_TEST(
      complaint(kHead + "steps:\n- run: vzctrl create 101\n").find("did you mean 'vzctl'?") !=
      std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_unknown_node_is_refused) {
  BOOST_TEST(complaint(kHead + "nodes: [n1, n2]\nsteps:\n- {run: vzctl start 101, node: n3}\n")
                 .find("there is no node 'n3'") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(wrong_values_are_refused_where_they_stand) {
  BOOST_TEST(complaint(kHead + "steps:\n- sleep: soon\n") ==
             "test.yaml:4:10: 'sleep' must be a length of time, not 'soon' (a number with us, ms, "
             "s, m or h: 10s)");
  BOOST_TEST(complaint(kHead + "nodes: [{name: n1, memory: much}]\nsteps:\n- sleep: 1s\n")
                 .starts_with("test.yaml:3:28: 'memory'"));
  BOOST_TEST(complaint("name: test\narea: lifecicle\nsteps:\n- sleep: 1s\n") ==
             "test.yaml:2:7: 'area' cannot be 'lifecicle' (did you mean 'lifecycle'?)");
  BOOST_TEST(complaint(kHead + "steps:\n- expect: {container: 99, state: running}\n")
                 .find("no container number") != std::string::npos);
  BOOST_TEST(complaint(kHead + "steps:\n- expect: {container: 101, pids: lots}\n")
                 .find("must be a value or a range") != std::string::npos);
  BOOST_TEST(
      complaint(kHead + "steps:\n- {run: vzctl start 101, exit: 300}\n").find("from 0 to 255") !=
      std::string::npos);
  BOOST_TEST(complaint(kHead + "steps:\n- {fault: fail_call, code: no_spade}\n")
                 .find("did you mean 'no_space'?") != std::string::npos);
  BOOST_TEST(complaint(kHead + "steps:\n- {run: vzctl start 101, stdout: {matches: '('}}\n")
                 .find("not a regular expression") != std::string::npos);
  BOOST_TEST(complaint(kHead + "steps:\n- {load: trace, container: 101, file: two.csv, row: 3}\n")
                 .find("has 2 rows") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(waiting_for_nothing_is_refused) {
  BOOST_TEST(complaint(kHead + "steps:\n- wait: ghost\n").find("was started before") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_expectation_that_checks_nothing_is_refused) {
  BOOST_TEST(complaint(kHead + "steps:\n- expect: {container: 101}\n").find("checks nothing") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(all_mistakes_are_told_at_once) {
  Diagnostics problems;
  BOOST_TEST(!parse("name: Test\nsteps:\n- sleep: x\n- foo: 1\n", problems).has_value());
  BOOST_TEST(problems.size() == 4U);
}

BOOST_AUTO_TEST_CASE(hostile_documents_are_refused) {
  BOOST_TEST(complaint("").find("empty") != std::string::npos);
  BOOST_TEST(complaint("a: &x [1]\nb: *x\n").find("anchors") != std::string::npos);
  BOOST_TEST(complaint("a: !!binary x\n").find("tags") != std::string::npos);
  BOOST_TEST(complaint("a: 1\na: 2\n").find("twice") != std::string::npos);
  BOOST_TEST(complaint("a: [1\n").find("not YAML") != std::string::npos);
  BOOST_TEST(complaint("a: 1\n---\nb: 2\n").find("several documents") != std::string::npos);
  BOOST_TEST(complaint(std::string("a: \0", 4)).find("NUL") != std::string::npos);
  BOOST_TEST(complaint(std::string(2 << 20, 'a')).find("larger than") != std::string::npos);
  BOOST_TEST(complaint(std::string(20'000, '[')).find("brackets") != std::string::npos);
  std::string deep;
  for (int i = 0; i < 40; ++i) deep += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  BOOST_TEST(complaint(deep).find("nested deeper") != std::string::npos);
  BOOST_TEST(complaint(kHead +
                       "steps:\n- {for_each: a, from: 0, to: 1999, steps: [{for_each: b, from: 0, "
                       "to: 1999, steps: [{sleep: 1s}]}]}\n")
                 .find("more than 5000 steps") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(scenario_text)

BOOST_AUTO_TEST_CASE(amounts) {
  BOOST_TEST(parse_duration("1.5s")->count() == 1'500'000'000);
  BOOST_TEST(parse_duration("24h")->count() == 86'400'000'000'000);
  BOOST_TEST(parse_duration("3ms")->count() == 3'000'000);
  BOOST_TEST(!parse_duration("3").has_value());
  BOOST_TEST(!parse_duration("-3s").has_value());
  BOOST_TEST(parse_bytes("1.5K")->value == 1536U);
  BOOST_TEST(!parse_bytes("1.5").has_value());
  BOOST_TEST(!parse_bytes("9999999999999T").has_value());
  BOOST_TEST(parse_bits("100Mbit")->value == 100'000'000U);
}

BOOST_AUTO_TEST_CASE(ranges) {
  const auto range = [](const char* text) { return parse_range(text, RangeUnit::count); };
  BOOST_TEST(range("5")->contains(5));
  BOOST_TEST(!range("5")->contains(6));
  BOOST_TEST(range("> 5")->contains(6));
  BOOST_TEST(!range("> 5")->contains(5));
  BOOST_TEST(range("2 .. 4")->contains(4));
  BOOST_TEST(!range("4 .. 2").has_value());
  BOOST_TEST(range("100 +- 5%")->contains(95));
  BOOST_TEST(!range("100 +- 5%")->contains(94));
  BOOST_TEST(!range("").has_value());
  BOOST_TEST(parse_range("< 2s", RangeUnit::duration)->contains(1'999'999'999));
}

BOOST_AUTO_TEST_CASE(words) {
  BOOST_TEST(split_words("a  'b c' \"d\\\"e\" f\\ g")->size() == 4U);
  BOOST_TEST(!split_words("'open").has_value());
  BOOST_TEST(squeezed_lines(" a  b \n\n c\n").size() == 2U);
  BOOST_TEST(near_miss("creat", {"create", "start"}) == "create");
  BOOST_TEST(near_miss("xyz", {"create", "start"}).empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::scenario
