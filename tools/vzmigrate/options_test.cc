#include "tools/vzmigrate/options.h"

#include <boost/test/unit_test.hpp>

namespace twinhull::tools::move {
namespace {

Result<Options> parse(std::vector<std::string> words) {
  words.insert(words.begin(), "vzmigrate");
  return parse_options(words);
}

BOOST_AUTO_TEST_SUITE(vzmigrate_options)

BOOST_AUTO_TEST_CASE(the_usual_line) {
  const auto options =
      parse({"-r", "yes", "-s", "-v", "--keep-dst", "root@n2", "101", "102:202:/p/$VEID:/r/$VEID"})
          .value();
  BOOST_TEST(options.remove.value());
  BOOST_TEST(options.no_start);
  BOOST_TEST(options.verbose);
  BOOST_TEST(options.keep_destination);
  BOOST_TEST(!options.dry_run);
  BOOST_TEST(options.peer.user == "root");
  BOOST_TEST(options.peer.host == "n2");
  BOOST_REQUIRE_EQUAL(options.containers.size(), 2U);
  BOOST_TEST(options.containers[0].source == "101");
  BOOST_TEST(options.containers[0].destination.empty());
  BOOST_TEST(options.containers[1].destination == "202");
  BOOST_TEST(options.containers[1].private_pattern == "/p/$VEID");
  BOOST_TEST(options.containers[1].root_pattern == "/r/$VEID");
}

BOOST_AUTO_TEST_CASE(force_does_not_eat_the_host) {
  const auto all = parse({"-f", "n2", "101"}).value();
  BOOST_TEST(all.force);
  BOOST_TEST(all.peer.host == "n2");
  BOOST_TEST(all.skipped.size() == 3U);
  BOOST_TEST(parse({"--nodeps=disk_space,rate", "n2", "101"}).value().skipped.size() == 1U);
  BOOST_TEST(parse({"-f=gravity", "n2", "101"}).error().exit_code == 1);
}

BOOST_AUTO_TEST_CASE(with_processes) {
  BOOST_TEST(!parse({"n2", "101"}).value().online.has_value());
  const auto plain = parse({"--live", "n2", "101"}).value();
  BOOST_TEST(plain.online.value().iterative);
  BOOST_TEST(!plain.online->must_iterate);
  const auto full = parse({"--online", "--require-realtime", "--auto-converge", "--downtime", "50",
                           "--rounds", "4", "--rate", "10M", "--compress", "-t", "--new-id", "205",
                           "--new-name", "beta", "n2", "101"})
                        .value();
  BOOST_TEST(full.online.value().must_iterate);
  BOOST_TEST(full.online->goals.slow_down);
  BOOST_TEST(full.online->goals.downtime.count() == Duration(milliseconds(50)).count());
  BOOST_TEST(full.online->goals.rounds == 4U);
  BOOST_TEST(full.rate.value().value == 10U << 20);
  BOOST_TEST(full.compress);
  BOOST_TEST(full.times);
  BOOST_TEST(full.name == "beta");
  BOOST_TEST(full.containers.front().destination == "205");
}

BOOST_AUTO_TEST_CASE(the_old_time_out_and_the_times) {
  const auto both = parse({"-t", "-t", "60", "n2", "101"}).value();
  BOOST_TEST(both.times);
  BOOST_TEST(both.timeout.count() == Duration(seconds(60)).count());
  BOOST_TEST(!parse({"--timeout", "60", "n2", "101"}).value().times);
}

BOOST_AUTO_TEST_CASE(several_keepers_and_ssh) {
  const auto plain = parse({"n2", "101"}).value();
  BOOST_TEST(plain.parallel == 1U);
  BOOST_TEST(!plain.keeper.has_value());
  BOOST_TEST(plain.peer.ssh_options.empty());
  const auto full =
      parse({"-j", "--parallel", "3", "--keeper=200", "--ssh=-p 2222", "n2", "101"}).value();
  BOOST_TEST(full.json);
  BOOST_TEST(full.parallel == 3U);
  BOOST_TEST(full.keeper.value().value == 200U);
  BOOST_TEST(full.peer.ssh_options == (std::vector<std::string>{"-p", "2222"}));
}

BOOST_AUTO_TEST_CASE(mistakes_are_usage) {
  for (const auto& words : std::vector<std::vector<std::string>>{{},
                                                                 {"n2"},
                                                                 {"--nonsense", "n2", "101"},
                                                                 {"-r", "maybe", "n2", "101"},
                                                                 {"@n2", "101"},
                                                                 {"root@", "101"},
                                                                 {"n 2", "101"},
                                                                 {"n2", ":102"},
                                                                 {"n2", "1:2:3:4:5"},
                                                                 {"-t", "0", "n2", "101"},
                                                                 {"x@-oProxyCommand=y", "101"}}) {
    const auto options = parse(words);
    BOOST_TEST_REQUIRE(!options.has_value());
    BOOST_TEST(options.error().exit_code == 1);
  }
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"--noiter", "n2", "101"},
           {"--require-realtime", "n2", "101"},
           {"--auto-converge", "n2", "101"},
           {"--online", "--noiter", "--require-realtime", "n2", "101"},
           {"--online", "--downtime", "0", "n2", "101"},
           {"--online", "--rounds", "0", "n2", "101"},
           {"-b", "-j", "n2", "101"},
           {"-b", "--check", "n2", "101"},
           {"--parallel", "0", "n2", "101"},
           {"--parallel", "65", "n2", "101"},
           {"--keeper", "n2", "101"},
           {"--keeper=1", "n2", "101"},
           {"--keeper=web", "n2", "101"},
           {"--ssh=evil", "n2", "101"},
           {"--rate", "1", "n2", "101"},
           {"--rate", "fast", "n2", "101"},
           {"--new-id", "200", "n2", "101", "102"},
           {"--new-id", "200", "n2", "101:201"}}) {
    const auto options = parse(words);
    BOOST_TEST_REQUIRE(!options.has_value());
    BOOST_TEST(options.error().exit_code == 1);
  }
  BOOST_TEST(parse({"--online", "--lazy", "n2", "101"}).value().online->lazy);
  BOOST_TEST(parse({"--lazy", "n2", "101"}).error().exit_code == 1);
  BOOST_TEST(!parse({"-h"}).value().help.empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools::move
