// What is suggested for a machine, and names of services.
#include <boost/test/unit_test.hpp>

#include "runtime/config/config_file.h"
#include "runtime/config/ct_settings.h"
#include "runtime/physical/profile.h"
#include "runtime/physical/services.h"

namespace twinhull::physical {
namespace {

Profile machine() {
  Profile profile;
  profile.host.hostname = "web";
  profile.host.architecture = "x86_64";
  profile.host.online_cpus.cpus = {0, 1, 2, 3};
  profile.host.memory = {std::uint64_t{8} << 30};
  profile.period = seconds(60);
  profile.samples = 12;
  profile.cpu = {3000, 12'010};  // 30 % and 120.1 %
  profile.memory = {std::uint64_t{1} << 30, std::uint64_t{2} << 30};
  profile.swap = {0, 100 << 20};
  profile.processes = {90, 120};
  profile.threads = {150, 200};
  profile.partitions = {
      {"/", "ext4", {std::uint64_t{40} << 30}, {std::uint64_t{8} << 30}, {200'000}},
      {"/home", "xfs", {std::uint64_t{90} << 30}, {std::uint64_t{2} << 30}, {50'000}}};
  return profile;
}

CtSettings settings_of(const Profile& profile) {
  const ConfigFile file = ConfigFile::parse(suggested_config(profile), "test").value();
  const NodeConfig node = default_node_config(Layout{});
  return interpret_ct_settings(file, node, CtId{101}, "test").value();
}

BOOST_AUTO_TEST_SUITE(machines)

BOOST_AUTO_TEST_CASE(limits_have_room_above_the_peaks) {
  const CtSettings settings = settings_of(machine());
  BOOST_REQUIRE(settings.cpulimit.has_value());
  BOOST_TEST(settings.cpulimit->value == 180U);   // half above 120 %
  BOOST_TEST(settings.ram()->value == 655'360U);  // a quarter above 2 GiB
  BOOST_TEST(settings.swap()->value == 32'000U);  // a quarter above 100 MiB
  BOOST_TEST(*settings.numproc() == 300U);
  BOOST_TEST(settings.diskspace->barrier == std::uint64_t{12} << 20);  // 10 GiB and a fifth
  BOOST_TEST(settings.diskspace->limit > settings.diskspace->barrier);
  BOOST_TEST(settings.diskinodes->barrier >= 300'000U);
  BOOST_TEST(settings.hostname == "web");
}

BOOST_AUTO_TEST_CASE(an_idle_machine_gives_a_small_container) {
  Profile profile;
  profile.host.hostname = "idle";
  profile.host.online_cpus.cpus = {0};
  profile.period = seconds(60);
  const CtSettings settings = settings_of(profile);
  BOOST_TEST(settings.cpulimit->value == 50U);
  BOOST_TEST(settings.ram()->value * kPageSize == 256U << 20);
  BOOST_TEST(settings.swap()->value == 0U);
  BOOST_TEST(*settings.numproc() == 100U);
  BOOST_TEST(settings.diskspace->barrier == 1U << 20);
}

BOOST_AUTO_TEST_CASE(no_limit_is_above_what_the_machine_has) {
  Profile profile = machine();
  profile.cpu = {40'000, 40'000};
  BOOST_TEST(settings_of(profile).cpulimit->value == 400U);
}

BOOST_AUTO_TEST_CASE(a_moment_says_nothing_about_the_cpu) {
  Profile profile = machine();
  profile.period = seconds(2);
  BOOST_TEST(!settings_of(profile).cpulimit.has_value());
}

BOOST_AUTO_TEST_CASE(figures_are_comments) {
  const std::string text = suggested_config(machine());
  BOOST_TEST(text.find("average 30.00 %, peak 120.10 %") != std::string::npos, text);
  BOOST_TEST(text.find("# Disk: /home (xfs) holds 2 GiB in 50000 inodes") != std::string::npos,
             text);
}

BOOST_AUTO_TEST_CASE(names_of_services) {
  BOOST_TEST(parse_services("a,b c, a").value() == (std::vector<std::string>{"a", "b", "c"}),
             boost::test_tools::per_element());
  BOOST_TEST(parse_services("getty@tty1.service").has_value());
  BOOST_TEST(parse_services("").value().empty());
  for (const char* text : {"-x", "a;b", "../b", "a/b", "$(id)", "a\nb", ".hidden"})
    BOOST_TEST(!parse_services(text).has_value(), text);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::physical
