#include "tools/vzctl/command_line.h"

#include <boost/test/unit_test.hpp>
#include <tuple>

#include "tools/vzctl/split_words.h"

namespace twinhull::tools::ctl {
namespace {

Result<std::variant<Invocation, Answer>> parse(std::string_view words) {
  std::vector<std::string> argv{"vzctl"};
  for (std::string& word : split_words(words)) argv.push_back(std::move(word));
  return parse_command_line(argv);
}

Invocation parsed(std::string_view words) {
  auto result = parse(words);
  BOOST_REQUIRE_MESSAGE(result, words << ": " << (result ? "" : result.error().message()));
  BOOST_REQUIRE(std::holds_alternative<Invocation>(*result));
  return std::get<Invocation>(std::move(*result));
}

Error refused(std::string_view words) {
  auto result = parse(words);
  BOOST_REQUIRE_MESSAGE(!result, words << " was accepted");
  return result.error();
}

BOOST_AUTO_TEST_SUITE(vzctl_command_line)

BOOST_AUTO_TEST_CASE(options_of_start_and_stop_are_taken) {
  const Invocation start = parsed("--verbose start web1 --wait --force --skip_ve_setup");
  BOOST_CHECK(start.command == Command::start);
  BOOST_TEST(start.container == "web1");
  BOOST_CHECK(start.verbosity == Verbosity::verbose);
  BOOST_TEST((start.start.wait && start.start.force && start.start.skip_setup));
  const Invocation stop = parsed("stop 101 --fast --skip-umount --quiet");
  BOOST_TEST((stop.stop.fast && stop.stop.skip_unmount));
  BOOST_CHECK(stop.verbosity == Verbosity::quiet);
  BOOST_CHECK(parsed("delete 101 --safe").command == Command::destroy);
}

BOOST_AUTO_TEST_CASE(parameters_keep_the_order_of_the_line) {
  const Invocation set =
      parsed("set 101 --ipdel all --ipadd 10.0.0.1 --ip 10.0.0.2 --cpuunits=2000 --ipadd 10.0.0.3");
  const auto& requests = set.set.parameters;
  BOOST_REQUIRE(requests.size() == 4);
  BOOST_TEST(requests[0].option == "ipdel");
  BOOST_TEST(requests[1].option == "ipadd");
  BOOST_TEST((requests[1].values == std::vector<std::string>{"10.0.0.1", "10.0.0.2"}));
  BOOST_TEST(requests[2].option == "cpuunits");
  BOOST_TEST(requests[3].values.front() == "10.0.0.3");
  BOOST_TEST(!set.set.save);
}

BOOST_AUTO_TEST_CASE(an_empty_value_is_a_value) {
  const Invocation set = parsed("set 101 --name '' --save");
  BOOST_REQUIRE(set.set.parameters.size() == 1);
  BOOST_TEST(set.set.parameters[0].option == "name");
  BOOST_TEST((set.set.parameters[0].values == std::vector<std::string>{""}));
  BOOST_TEST(set.set.save);
}

BOOST_AUTO_TEST_CASE(passwords_are_no_parameters) {
  const Invocation set = parsed("set 101 --userpasswd root:secret --crypted");
  BOOST_TEST(set.set.parameters.empty());
  BOOST_TEST((set.set.passwords == std::vector<std::string>{"root:secret"}));
  BOOST_TEST(set.set.crypted);
}

BOOST_AUTO_TEST_CASE(exec_takes_its_words_untouched) {
  const Invocation exec = parsed("exec 101 ls -l --color --help");
  BOOST_CHECK(exec.command == Command::exec);
  BOOST_TEST((exec.words == std::vector<std::string>{"ls", "-l", "--color", "--help"}));
  BOOST_TEST((parsed("exec3 101 -- printf x").words == std::vector<std::string>{"printf", "x"}));
  BOOST_TEST((parsed("exec2 101 -").words == std::vector<std::string>{"-"}));
  BOOST_TEST((parsed("enter 101 --exec 'top -b'").words == std::vector<std::string>{"top -b"}));
}

BOOST_AUTO_TEST_CASE(create_takes_options_of_its_own_and_parameters) {
  const Invocation create = parsed(
      "create 101 --ostemplate .busybox --config light --private /srv/$VEID --hostname h --name n");
  BOOST_TEST(create.create.ostemplate == ".busybox");
  BOOST_TEST(create.create.sample == "light");
  BOOST_TEST(create.create.private_pattern == "/srv/$VEID");
  BOOST_TEST(create.create.parameters.size() == 2);
}

BOOST_AUTO_TEST_CASE(suspend_and_resume_take_one_phase_and_a_place) {
  using Suspend = container::SuspendPhase;
  using Resume = container::ResumePhase;
  const Invocation whole = parsed("suspend 101 --dumpfile /backup/101");
  BOOST_CHECK(whole.command == Command::suspend);
  BOOST_CHECK(whole.suspend.phase == Suspend::whole);
  BOOST_TEST(whole.suspend.dumpfile == "/backup/101");
  BOOST_CHECK(parsed("chkpnt 101 --suspend").suspend.phase == Suspend::freeze);
  BOOST_CHECK(parsed("suspend 101 --dump").suspend.phase == Suspend::dump);
  BOOST_CHECK(parsed("suspend 101 --kill").suspend.phase == Suspend::kill);
  BOOST_CHECK(parsed("suspend 101 --resume").suspend.phase == Suspend::thaw);
  const Invocation back = parsed("restore web1 --undump --skip-fsck");
  BOOST_CHECK(back.command == Command::resume);
  BOOST_CHECK(back.resume.phase == Resume::undump);
  BOOST_CHECK(parsed("resume 101 --resume").resume.phase == Resume::go);
  BOOST_CHECK(parsed("resume 101 --kill").resume.phase == Resume::kill);
  BOOST_TEST(refused("suspend 101 --suspend --kill").exit_code == 20);
  BOOST_CHECK(parsed("pause 101").command == Command::pause);
}

BOOST_AUTO_TEST_CASE(what_is_no_command_line_is_refused_with_a_code_and_a_hint) {
  const std::tuple<const char*, int, const char*> cases[] = {
      {"", 20, "vzctl start 101"},
      {"strat 101", 20, "start"},
      {"console 101", 20, "not part of this release"},
      {"start", 20, "needs the number or name"},
      {"start 101 102", 20, "unexpected word"},
      {"start 101 --wiat", 19, "--wait"},
      {"--loud start 101", 19, "unknown option"},
      {"set 101 --cpuunit 5", 19, "--cpuunits"},
      {"set 101 --cpuunits", 20, "cpuunits"},
      {"set 101 --setmode maybe --save", 21, "restart or ignore"},
      {"exec 101", 20, "needs a command"},
      {"runscript 101", 20, "script"},
      {"create 101 --userpasswd a:b", 19, "--userpasswd"},
  };
  for (const auto& [words, code, hint] : cases) {
    const Error error = refused(words);
    BOOST_TEST(error.exit_code == code, words << ": " << error.message());
    BOOST_TEST(error.message().find(hint) != std::string::npos, words << ": " << error.message());
  }
}

BOOST_AUTO_TEST_CASE(help_has_an_example_for_every_command) {
  for (const char* command : {"create", "destroy", "start", "stop", "restart", "status", "mount",
                              "umount", "set", "exec", "exec2", "exec3", "enter", "runscript"}) {
    const auto result = parse(std::string(command) + " --help");
    BOOST_REQUIRE_MESSAGE(result, (result ? "" : result.error().message()));
    BOOST_REQUIRE(std::holds_alternative<Answer>(*result));
    const std::string& text = std::get<Answer>(*result).text;
    BOOST_TEST(text.find("vzctl " + std::string(command) + " 10") != std::string::npos, text);
  }
  BOOST_TEST(std::get<Answer>(*parse("--help")).text.find("Commands:") != std::string::npos);
  BOOST_TEST(std::get<Answer>(*parse("--version")).text.find("0.1.0") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools::ctl
