#include "runtime/migrate/ssh_options.h"

#include <boost/test/unit_test.hpp>

using namespace twinhull;
using namespace twinhull::migrate;

BOOST_AUTO_TEST_SUITE(ssh_options)

using Words = std::vector<std::string>;

BOOST_AUTO_TEST_CASE(words_are_divided_as_in_a_shell_without_one) {
  BOOST_TEST(parse_ssh_options("-p 2222 -i /root/.ssh/moves").value() ==
             (Words{"-p", "2222", "-i", "/root/.ssh/moves"}));
  BOOST_TEST(parse_ssh_options("  -4C\t-oCompression=no  ").value() ==
             (Words{"-4C", "-oCompression=no"}));
  BOOST_TEST(
      parse_ssh_options(R"(-i '/my keys/a' -o "ProxyCommand nc %h \"22\"" -F a\ b)").value() ==
      (Words{"-i", "/my keys/a", "-o", R"(ProxyCommand nc %h "22")", "-F", "a b"}));
  BOOST_TEST(parse_ssh_options("-l $(id)`id`;id").value() == (Words{"-l", "$(id)`id`;id"}));
  BOOST_TEST(parse_ssh_options("-i ''").value() == (Words{"-i", ""}));
}

BOOST_AUTO_TEST_CASE(what_would_be_a_host_or_no_session_is_refused) {
  for (const char* text :
       {"",   "  ", "evil",   "-4 evil", "-p 22 evil",  "-p",     "-4p", "--",     "-",
        "-f", "-N", "-4N",    "-W h:22", "-V",          "-n",     "-t",  "-Q key", "-O exit",
        "-s", "-Z", "-p '22", "-p 22\\", "-p 22\n-i x", "-p \x7f"}) {
    const auto parsed = parse_ssh_options(text);
    BOOST_TEST(!parsed.has_value(), text);
    if (parsed) continue;
    BOOST_TEST(parsed.error().exit_code == 1);
    BOOST_TEST(parsed.error().message().find("--ssh") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(a_journal_gives_back_the_same_words) {
  for (const Words& words : {Words{}, Words{"-4"}, Words{"-i", "/a b/'c'", "-o", "X y"}})
    BOOST_TEST(ssh_options_of_fact(ssh_options_fact(words)) == words);
}

BOOST_AUTO_TEST_SUITE_END()
