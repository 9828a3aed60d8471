#include "runtime/config/parameter.h"

#include <boost/test/unit_test.hpp>

namespace twinhull {
namespace {

/// What the requests make of a file, as "KEY=value" lines in order; or the error.
struct Fixture {
  NodeConfig node = default_node_config(Layout{});
  std::string before;
  std::optional<HostInfo> host;

  Result<std::vector<KeyChange>> changes(std::vector<ParameterRequest> requests) {
    auto file = ConfigFile::parse(before, "101.conf").value();
    auto current = interpret_ct_settings(file, node, CtId{101}, "101.conf").value();
    return parse_parameters(requests, {current, node, host, &file});
  }
  std::string made(std::vector<ParameterRequest> requests) {
    const auto result = changes(std::move(requests));
    if (!result) return "error " + std::to_string(result.error().exit_code);
    std::string text;
    for (const KeyChange& change : *result) {
      if (!text.empty()) text += ' ';
      text += change.value ? change.key + "=" + *change.value : "-" + change.key;
    }
    return text;
  }
};

BOOST_FIXTURE_TEST_SUITE(parameter, Fixture)

BOOST_AUTO_TEST_CASE(resources_are_written_in_their_keys_unit) {
  const std::string customized = " CONFIG_CUSTOMIZED=yes";
  BOOST_TEST(made({{"ram", {"1G"}}}) == "PHYSPAGES=262144:262144" + customized);
  BOOST_TEST(made({{"--physpages", {"256M"}}}) == "PHYSPAGES=65536:65536" + customized);
  BOOST_TEST(made({{"swap", {"512M"}}}) == "SWAPPAGES=131072" + customized);
  BOOST_TEST(made({{"diskspace", {"1G:2G"}}}) == "DISKSPACE=1048576:2097152" + customized);
  BOOST_TEST(made({{"diskinodes", {"100K"}}}) == "DISKINODES=102400:102400" + customized);
  BOOST_TEST(made({{"numproc", {"100"}}}) == "NUMPROC=100" + customized);
  BOOST_TEST(made({{"cpuunits", {"2000"}}}) == "CPUUNITS=2000" + customized);
  BOOST_TEST(made({{"cpulimit", {"25"}}}) == "CPULIMIT=25 -CPULIMIT_MHZ" + customized);
  BOOST_TEST(made({{"cpulimit", {"600m"}}}) == "-CPULIMIT CPULIMIT_MHZ=600" + customized);
  BOOST_TEST(made({{"cpumask", {"0,2,4-6"}}}) == "CPUMASK=0,2,4-6" + customized);
  BOOST_TEST(made({{"numfile", {"4096"}}}) == "NUMFILE=4096" + customized);
  BOOST_TEST(made({{"autostop", {"Suspend"}}}) == "AUTOSTOP=suspend");
  BOOST_TEST(made({{"autostop", {""}}}) == "-AUTOSTOP");
  BOOST_TEST(made({{"vm_overcommit", {"1.5"}}}) == "VM_OVERCOMMIT=1.5" + customized);
}

BOOST_AUTO_TEST_CASE(disk_io_is_written_in_bytes_and_operations) {
  const std::string customized = " CONFIG_CUSTOMIZED=yes";
  BOOST_TEST(made({{"ioprio", {"7"}}}) == "IOPRIO=7" + customized);
  BOOST_TEST(made({{"ioprio", {"8"}}}) == "error 21");
  BOOST_TEST(made({{"iolimit", {"10M"}}}) == "IOLIMIT=10485760" + customized);
  BOOST_TEST(made({{"iolimit", {"500"}}}) == "IOLIMIT=500" + customized);
  BOOST_TEST(made({{"iolimit", {"500B"}}}) == "IOLIMIT=500" + customized);
  BOOST_TEST(made({{"iolimit", {"3G"}}}) == "IOLIMIT=2147483648" + customized);
  BOOST_TEST(made({{"iolimit", {"unlimited"}}}) == "IOLIMIT=0" + customized);
  BOOST_TEST(made({{"iolimit", {"fast"}}}) == "error 21");
  BOOST_TEST(made({{"iopslimit", {"100"}}}) == "IOPSLIMIT=100" + customized);
  BOOST_TEST(made({{"iopslimit", {"0"}}}) == "IOPSLIMIT=0" + customized);
  BOOST_TEST(made({{"iopslimit", {"1K"}}}) == "error 21");
  const auto notes = [](const char* value) {
    const std::vector<ParameterRequest> requests{{"iolimit", {value}}};
    return parameter_notes(requests).size();
  };
  BOOST_TEST(notes("3G") == 1U);
  BOOST_TEST(notes("2G") == 0U);
  BOOST_TEST(notes("unlimited") == 0U);
  BOOST_TEST(notes("fast") == 0U);
}

BOOST_AUTO_TEST_CASE(burst_parameters_keep_a_zero) {
  // 0 in CTID.conf switches off what vz.conf says.
  BOOST_TEST(made({{"burst_cpu_avg_usage", {"0"}}, {"burst_cpulimit", {"25"}}}) ==
             "BURST_CPU_AVG_USAGE=0 BURST_CPULIMIT=25 CONFIG_CUSTOMIZED=yes");
}

BOOST_AUTO_TEST_CASE(an_unchanged_resource_does_not_customize) {
  before = "CPUUNITS=2000\n";
  BOOST_TEST(made({{"cpuunits", {"2000"}}}) == "CPUUNITS=2000");
  BOOST_TEST(made({{"hostname", {"a.example"}}}) == "HOSTNAME=a.example");
}

BOOST_AUTO_TEST_CASE(addresses_accumulate_and_go) {
  before = "IP_ADDRESS=\"10.0.0.1 10.0.0.2\"\n";
  BOOST_TEST(made({{"ipadd", {"10.0.0.3/24"}}}) == "IP_ADDRESS=10.0.0.1 10.0.0.2 10.0.0.3");
  BOOST_TEST(made({{"ip", {"10.0.0.1"}}}) == "IP_ADDRESS=10.0.0.1 10.0.0.2");
  BOOST_TEST(made({{"ipdel", {"10.0.0.1"}}}) == "IP_ADDRESS=10.0.0.2");
  BOOST_TEST(made({{"ipadd", {"10.0.0.9"}}, {"ipdel", {"all"}}}) == "IP_ADDRESS=10.0.0.9");
  BOOST_TEST(made({{"ipadd", {"2001:DB8::1"}}}) == "IP_ADDRESS=10.0.0.1 10.0.0.2 2001:db8::1");
  BOOST_TEST(made({{"ipdel", {"10.9.9.9"}}}) == "error 71");
  node.use_venet_mask = true;
  BOOST_TEST(made({{"ipadd", {"10.0.0.3/255.255.255.0"}}}) ==
             "IP_ADDRESS=10.0.0.1 10.0.0.2 10.0.0.3/24");
  node.ipv6 = false;
  BOOST_TEST(made({{"ipadd", {"2001:db8::1"}}}) == "error 71");
}

BOOST_AUTO_TEST_CASE(lists_replace) {
  before = "NAMESERVER=8.8.8.8\nCAPABILITY=net_admin:on\n";
  BOOST_TEST(made({{"nameserver", {"1.1.1.1", "9.9.9.9"}}}) == "NAMESERVER=1.1.1.1 9.9.9.9");
  BOOST_TEST(made({{"nameserver", {"inherit"}}}) == "NAMESERVER=inherit");
  BOOST_TEST(made({{"capability", {"sys_time:on,net_admin:off"}}}) ==
             "CAPABILITY=net_admin:off sys_time:on");
}

BOOST_AUTO_TEST_CASE(bad_values_have_their_codes) {
  const std::vector<std::tuple<std::string, std::string, int>> bad = {
      {"cpuunits", "7", 21},
      {"cpuunits", "500001", 21},
      {"cpulimit", "-1", 21},
      {"cpus", "x", 21},
      {"cpumask", "a-b", 146},
      {"nodemask", "a-b", 149},
      {"nodemask", "auto", 149},
      {"numfile", "0", 21},
      {"vm-overcommit", "1.2345", 21},
      {"vm-overcommit", "1.", 21},
      {"vm-overcommit", "x", 21},
      {"ram", "1K", 21},
      {"ram", "512", 0},
      {"ram", "100", 21},
      {"diskspace", "2G:1G", 21},
      {"numproc", "0", 21},
      {"ipadd", "1.2.3", 71},
      {"ipadd", "224.0.0.1", 71},
      {"ipadd", "", 71},
      {"hostname", "-a", 70},
      {"hostname", "a b", 70},
      {"nameserver", "ns.example", 72},
      {"searchdomain", "a..b", 73},
      {"name", "123", 137},
      {"name", "a/b", 137},
      {"name", "..", 137},
      {"description", "a\nb", 21},
      {"onboot", "maybe", 21},
      {"disabled", "x", 21},
      {"stop-timeout", "0", 21},
      {"ostemplate", "../x", 21},
      {"capability", "fly:on", 21},
      {"userpasswd", "root", 21},
      {"userpasswd", ":x", 21},
      {"burst_cpu_avg_usage", "101", 21},
      {"burst-cpu-avg-usage", "x", 21},
      {"burst_cpulimit", "819201", 21},
      {"bootorder", "-1", 21},
      {"autostop", "later", 21},
      {"nosuch", "1", 19}};
  for (const auto& [option, value, code] : bad) {
    const auto result = changes({{option, {value}}});
    if (code == 0) {
      BOOST_TEST(result.has_value(), option << " " << value);
      continue;
    }
    BOOST_TEST_REQUIRE(!result.has_value(), option << " " << value);
    BOOST_TEST(result.error().exit_code == code, option << " " << value);
    const Parameter* parameter = find_parameter(option);
    const std::string named(parameter == nullptr ? std::string_view(option) : parameter->option);
    BOOST_TEST(result.error().object.find(named) != std::string::npos);
    BOOST_TEST(!result.error().hint.empty());
  }
}

BOOST_AUTO_TEST_CASE(a_password_is_never_repeated) {
  const auto result = changes({{"userpasswd", {"ro ot:secret"}}});
  BOOST_TEST_REQUIRE(!result.has_value());
  BOOST_TEST(result.error().message().find("secret") == std::string::npos);
  BOOST_TEST(made({{"userpasswd", {"root:secret"}}}).empty());
}

BOOST_AUTO_TEST_CASE(an_unknown_name_gets_a_suggestion) {
  const auto result = changes({{"cpuunit", {"1"}}});
  BOOST_TEST_REQUIRE(!result.has_value());
  BOOST_TEST(result.error().hint.find("cpuunits") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(missing_and_doubled_values) {
  BOOST_TEST(made({{"cpuunits", {}}}) == "error 20");
  BOOST_TEST(made({{"cpuunits", {"1000", "2000"}}}) == "error 20");
  BOOST_TEST(made({{"ram", {"1G"}}, {"memory", {"2G"}}}) == "error 20");
}

BOOST_AUTO_TEST_CASE(the_node_bounds_cpu_numbers) {
  host.emplace();
  host->online_cpus = CpuSet{{0, 1, 2, 3}};
  BOOST_TEST(made({{"cpus", {"4"}}}).starts_with("CPUS=4"));
  BOOST_TEST(made({{"cpus", {"5"}}}) == "error 21");
  BOOST_TEST(made({{"cpumask", {"0,4"}}}) == "error 146");
  BOOST_TEST(made({{"cpumask", {"all"}}}).starts_with("CPUMASK=all"));
}

BOOST_AUTO_TEST_CASE(memory_nodes_come_with_a_cpu_mask) {
  host.emplace();
  host->online_cpus = CpuSet{{0, 1}};
  host->memory_nodes = {{0, CpuSet{{0}}}, {1, CpuSet{{1}}}};
  BOOST_TEST(made({{"nodemask", {"1"}}}) == "error 149");
  BOOST_TEST(made({{"nodemask", {"2"}}, {"cpumask", {"auto"}}}) == "error 149");
  BOOST_TEST(made({{"nodemask", {"1"}}, {"cpumask", {"auto"}}}) ==
             "NODEMASK=1 CPUMASK=auto CONFIG_CUSTOMIZED=yes");
  BOOST_TEST(made({{"nodemask", {"all"}}}) == "NODEMASK=all CONFIG_CUSTOMIZED=yes");
  before = "CPUMASK=0\n";
  BOOST_TEST(made({{"nodemask", {"0"}}}) == "NODEMASK=0 CONFIG_CUSTOMIZED=yes");
}

BOOST_AUTO_TEST_CASE(removals) {
  before = "NAME=web\nDESCRIPTION=x\nCPUS=2\n";
  BOOST_TEST(made({{"name", {""}}, {"description", {""}}}) == "-NAME -DESCRIPTION");
  BOOST_TEST(made({{"cpus", {"0"}}}) == "-CPUS CONFIG_CUSTOMIZED=yes");
  ConfigFile file = ConfigFile::parse(before, "x").value();
  const std::vector<KeyChange> list = {{"NAME", std::nullopt}, {"CPUS", "3"}};
  BOOST_REQUIRE(apply_changes(file, list).has_value());
  BOOST_TEST(file.text() == "DESCRIPTION=x\nCPUS=\"3\"\n");
}

BOOST_AUTO_TEST_CASE(every_row_is_whole) {
  for (const Parameter& row : parameters()) {
    BOOST_TEST(row.parse != nullptr);
    BOOST_TEST(!row.syntax.empty());
    BOOST_TEST(find_parameter(row.option) == &row);
    for (const auto alias : row.aliases) BOOST_TEST(find_parameter(alias) == &row);
  }
  BOOST_TEST(find_parameter("stop_timeout") == find_parameter("--stop-timeout"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull
