#include "backends/linux/channel/command_line.h"

#include <boost/test/unit_test.hpp>

using namespace twinhull;
using namespace twinhull::linux_backend;

BOOST_AUTO_TEST_SUITE(command_line)

BOOST_AUTO_TEST_CASE(the_peer_table_wins_over_ssh) {
  NodeOptions options;
  options.peers["n2"] = {"serve", "--as={user}", "{service}"};
  BOOST_TEST(carrier_command(options, {"joe", "n2"}, "migrate") ==
             (std::vector<std::string>{"serve", "--as=joe", "migrate"}));
  options.remote_command = {"vz migrate", "--serve", "{service}"};
  BOOST_TEST(carrier_command(options, {"joe", "n3"}, "migrate") ==
             (std::vector<std::string>{"ssh", "-oBatchMode=yes", "-oServerAliveInterval=15",
                                       "joe@n3", "'vz migrate' '--serve' 'migrate'"}));
  BOOST_TEST(carrier_command(options, {"", "n3", {"-p", "22 3"}}, "migrate") ==
             (std::vector<std::string>{"ssh", "-oBatchMode=yes", "-oServerAliveInterval=15", "-p",
                                       "22 3", "n3", "'vz migrate' '--serve' 'migrate'"}));
}

BOOST_AUTO_TEST_CASE(names_that_could_be_options_or_shell_are_refused) {
  for (const char* host : {"", "-oProxyCommand=x", "a b", "a;b", "a\nb", "$(x)", "a/b", "a@b"})
    BOOST_TEST((check_peer({"", host}, "s").error().code == ErrorCode::invalid_argument), host);
  BOOST_TEST(!check_peer({"-l", "h"}, "s"));
  BOOST_TEST(!check_peer({"", "h"}, "s t"));
  for (const char* host : {"n1", "node-1.example.org", "10.0.0.1", "fe80::1%eth0"})
    BOOST_TEST(check_peer({"joe", host}, "migrate").has_value(), host);
}

BOOST_AUTO_TEST_SUITE_END()
