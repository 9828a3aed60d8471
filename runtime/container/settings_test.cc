// What can be told without a kernel: distributions by name, capabilities, quoting, state words.
#include <boost/test/unit_test.hpp>

#include "runtime/container/distribution.h"
#include "runtime/container/privileges.h"
#include "runtime/container/state.h"

namespace twinhull::container {
namespace {

BOOST_AUTO_TEST_SUITE(container_settings)

BOOST_AUTO_TEST_CASE(a_distribution_is_looked_up_by_ever_shorter_names) {
  CtSettings settings;
  settings.ostemplate = "centos-5-x86";
  BOOST_TEST((distribution_candidates(settings) ==
              std::vector<std::string>{"centos-5-x86", "centos-5", "centos", "default"}));
  settings.distribution = "debian";
  BOOST_TEST((distribution_candidates(settings) == std::vector<std::string>{"debian", "default"}));
  settings.distribution = "../../etc/passwd";
  BOOST_TEST((distribution_candidates(settings) == std::vector<std::string>{"default"}));
}

BOOST_AUTO_TEST_CASE(capabilities_follow_the_defaults_and_the_list) {
  const auto has = [](const std::vector<Switch>& switches, const char* name) {
    const CapabilitySet set = capabilities_of(switches).value();
    return (set.mask >> *capability_bit(name) & 1U) != 0;
  };
  for (const char* name : {"chown", "kill", "net_raw", "sys_chroot", "mknod", "setfcap"})
    BOOST_TEST(has({}, name), name);
  for (const char* name : {"sys_admin", "sys_module", "sys_rawio", "sys_time", "net_admin",
                           "sys_resource", "syslog", "bpf"})
    BOOST_TEST(!has({}, name), name);
  BOOST_TEST(has({{"net_admin", true}}, "net_admin"));
  BOOST_TEST(!has({{"chown", false}}, "chown"));
  BOOST_TEST(has({{"ve_admin", false}}, "chown"));
  const Result<CapabilitySet> unknown = capabilities_of({{"fly", true}});
  BOOST_REQUIRE(!unknown);
  BOOST_TEST(unknown.error().exit_code == 13);
  BOOST_TEST(*capability_bit("checkpoint_restore") == 40U);
  BOOST_TEST(*capability_bit("sys_admin") == 21U);
}

BOOST_AUTO_TEST_CASE(a_word_of_the_shell_cannot_break_out_of_its_quotes) {
  BOOST_TEST(shell_quote("plain") == "'plain'");
  BOOST_TEST(shell_quote("it's; rm -rf /") == "'it'\\''s; rm -rf /'");
  BOOST_TEST(shell_quote("") == "''");
}

BOOST_AUTO_TEST_CASE(the_status_line_has_five_words) {
  State state;
  BOOST_TEST(status_line(CtId{101}, state) == "VEID 101 deleted unmounted down");
  state.configured = state.mounted = true;
  BOOST_TEST(status_line(CtId{101}, state) == "VEID 101 exist mounted down");
  BOOST_TEST(state.word() == "mounted");
  state.init = ProcessRef{7, 1};
  BOOST_TEST(status_line(CtId{101}, state) == "VEID 101 exist mounted running");
  state.paused = true;
  BOOST_TEST(state.word() == "paused");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::container
