// vzubc on a simulated node.
#include <boost/test/unit_test.hpp>
#include <sstream>

#include "tools/commands.h"
#include "tools/vzctl/simulated_node.h"

namespace twinhull::tools {
namespace {

struct Fixture : SimulatedNode {
  Outcome list(std::vector<std::string> words) {
    words.insert(words.begin(), "vzubc");
    CapturedConsole console;
    Session session{kernel(), layout, console};
    const int code = vzubc(session, words);
    return {code, console.out_text, console.error_text};
  }
  void ok(std::string_view line) {
    const Outcome outcome = vzctl(line);
    BOOST_REQUIRE_MESSAGE(outcome.code == 0, line << ": " << outcome.text());
  }
  /// The words of a resource's line, without the uid.
  std::vector<std::string> row(const std::string& resource) {
    std::istringstream lines(list({"-H"}).out);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream in(line);
      std::vector<std::string> words;
      for (std::string word; in >> word;) words.push_back(word);
      if (!words.empty() && words[0].ends_with(':')) words.erase(words.begin());
      if (!words.empty() && words[0] == resource) return words;
    }
    return {};
  }
};

BOOST_FIXTURE_TEST_SUITE(vzubc_world, Fixture)

BOOST_AUTO_TEST_CASE(a_block_for_each_running_container) {
  ok("create 101 --ostemplate busybox --numproc 40 --ram 128M --swap 0 --name web");
  ok("create 102 --ostemplate busybox");
  ok("start 101 --wait");
  const Outcome all = list({});
  BOOST_TEST(all.code == 0);
  BOOST_TEST(all.out.starts_with("Version: 2.5\n"));
  BOOST_TEST(all.out.find("101:") != std::string::npos);
  BOOST_TEST(all.out.find("102:") == std::string::npos);
  const auto processes = row("numproc");
  BOOST_REQUIRE_EQUAL(processes.size(), 6U);
  BOOST_TEST(processes[1] != "-");
  BOOST_TEST(processes[4] == "40");
  BOOST_TEST(row("physpages")[4] == "32768");
  BOOST_TEST(row("swappages")[4] == "0");
  BOOST_TEST(row("numpty")[1] == "-");
  BOOST_TEST(row("numpty")[4] == "9223372036854775807");
  BOOST_TEST(list({"-H", "web"}).out.find("Version") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(unsaved_limits_are_those_in_force) {
  ok("create 101 --ostemplate busybox --numproc 40");
  ok("start 101 --wait");
  ok("set 101 --numproc 50");
  BOOST_TEST(row("numproc")[4] == "50");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_shown_has_its_code) {
  ok("create 101 --ostemplate busybox");
  BOOST_TEST(list({"101"}).code == 31);
  BOOST_TEST(list({"999"}).code == 14);
  BOOST_TEST(list({"--nonsense"}).code == 20);
  BOOST_TEST(list({"--help"}).code == 0);
  BOOST_TEST(list({}).code == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools
