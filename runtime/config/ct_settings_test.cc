#include "runtime/config/ct_settings.h"

#include <boost/test/unit_test.hpp>

#include "runtime/config/beancounters.h"

namespace twinhull {
namespace {

Result<CtSettings> settings(std::string_view text, std::string_view global = "") {
  auto node_file = ConfigFile::parse(global, "vz.conf");
  BOOST_TEST_REQUIRE(node_file.has_value());
  auto node = interpret_node_config(*node_file, Layout{"/n1"});
  BOOST_TEST_REQUIRE(node.has_value());
  auto file = ConfigFile::parse(text, "101.conf");
  BOOST_TEST_REQUIRE(file.has_value());
  return interpret_ct_settings(*file, *node, CtId{101}, "101.conf");
}

BOOST_AUTO_TEST_SUITE(ct_settings)

BOOST_AUTO_TEST_CASE(an_empty_file_has_the_defaults) {
  const auto ct = settings("").value();
  BOOST_TEST(ct.cpuunits.value == 1000U);
  BOOST_TEST(!ct.cpulimit.has_value());
  BOOST_TEST((ct.stop_timeout == seconds(120)));
  BOOST_TEST(ct.root == "/n1/vz/root/101");
  BOOST_TEST(ct.private_area == "/n1/vz/private/101");
  BOOST_TEST(ct.disk_quota);
  BOOST_TEST(!ct.disabled);
  BOOST_TEST(!ct.vswap());
  BOOST_TEST(!ct.ram().has_value());
}

BOOST_AUTO_TEST_CASE(reads_a_usual_file) {
  const auto ct =
      settings(
          "ONBOOT=yes\nPHYSPAGES=\"65536:65536\"\nSWAPPAGES=\"65536\"\nCPUUNITS=2000\n"
          "CPULIMIT=50\nCPUS=2\nCPUMASK=0,2-3\nDISKSPACE=\"1G:2G\"\nDISKINODES=100:200\n"
          "IP_ADDRESS=\"10.0.0.2 10.0.0.1/24 2001:db8::1\"\nHOSTNAME=a.example\n"
          "NAMESERVER=\"8.8.8.8 inherit\"\nNUMPROC=50\nOSTEMPLATE=.debian-12-x86_64\n"
          "CAPABILITY=\"net_admin:on SYS_TIME:off\"\nVE_ENVIRONMENT=\"A=1 B=x=y\"\n"
          "VM_OVERCOMMIT=1.5\nQUOTATIME=0\nVE_PRIVATE=/p/$VEID/x/\n")
          .value();
  BOOST_TEST(ct.onboot.value());
  BOOST_TEST(ct.vswap());
  BOOST_TEST(ct.ram()->value == 65536U);
  BOOST_TEST(ct.swap()->value == 65536U);
  BOOST_TEST(ct.cpuunits.value == 2000U);
  BOOST_TEST(ct.cpulimit->value == 50U);
  BOOST_TEST(ct.cpus.value() == 2U);
  BOOST_TEST(ct.cpumask->cpus.text() == "0,2-3");
  BOOST_TEST((ct.diskspace == BarrierLimit{1048576, 2097152}));
  BOOST_REQUIRE_EQUAL(ct.addresses.size(), 3U);
  BOOST_TEST(ct.addresses[0].text() == "10.0.0.2/32");
  BOOST_TEST(ct.addresses[1].text() == "10.0.0.1/24");
  BOOST_TEST(ct.numproc().value() == 50U);
  BOOST_TEST(ct.ostemplate == "debian-12-x86_64");
  BOOST_REQUIRE_EQUAL(ct.capabilities.size(), 2U);
  BOOST_TEST(ct.capabilities[1].name == "sys_time");
  BOOST_TEST(!ct.capabilities[1].on);
  BOOST_TEST(ct.environment[1].value == "x=y");
  BOOST_TEST(ct.vm_overcommit_thousandths.value() == 1500U);
  BOOST_TEST(ct.private_area == "/p/101/x");
}

BOOST_AUTO_TEST_CASE(a_beancounter_container_is_not_vswap) {
  const auto ct = settings("PHYSPAGES=0:2147483647\nTCPSENDBUF=100\nIPTENTRIES=7\n").value();
  BOOST_TEST(!ct.vswap());
  BOOST_TEST(ct.beancounters.at("tcpsndbuf").limit == 100U);
  BOOST_TEST(ct.beancounters.at("numiptent").limit == 7U);
}

BOOST_AUTO_TEST_CASE(the_containers_value_wins_over_the_nodes) {
  BOOST_TEST(settings("", "CPUUNITS=500\n").value().cpuunits.value == 500U);
  BOOST_TEST(settings("CPUUNITS=700\n", "CPUUNITS=500\n").value().cpuunits.value == 700U);
  BOOST_TEST(!settings("", "DISK_QUOTA=no\n").value().disk_quota);
  BOOST_TEST(settings("DISK_QUOTA=yes\n", "DISK_QUOTA=no\n").value().disk_quota);
}

BOOST_AUTO_TEST_CASE(burst_control_needs_both_and_is_imposed_by_its_own_file_alone) {
  const std::string both = "BURST_CPU_AVG_USAGE=50\nBURST_CPULIMIT=20\n";
  BOOST_TEST(settings("", both).value().burst_controlled());
  BOOST_TEST(!settings("BURST_CPULIMIT=0\n", both).value().burst_controlled());
  BOOST_TEST(!settings(both, "BURST_IMPOSED=\"6000 300\"\n").value().burst_imposed.has_value());
  const auto imposed = settings(both + "BURST_IMPOSED=\"6000 300\"\n").value();
  BOOST_CHECK(imposed.burst_imposed == (BurstImposed{6000, seconds(300)}));
  BOOST_TEST(imposed.acting_burst_limit().value() == 20U);
  BOOST_TEST(burst_imposed_text(*imposed.burst_imposed) == "6000 300");
  BOOST_TEST(!settings(both + "BURST_IMPOSED=yes\n").value().burst_imposed.has_value());
}

BOOST_AUTO_TEST_CASE(the_tools_group_has_a_reserved_number) {
  const auto node = [](const std::string& text) {
    return interpret_node_config(ConfigFile::parse(text, "vz.conf").value(), Layout{});
  };
  BOOST_TEST(node("VZ_TOOLS_BCID=2\nVZ_TOOLS_MEMLIMIT=512M\n").value().tools_memory.value ==
             512U << 20);
  BOOST_TEST(node("VZ_TOOLS_MEMLIMIT=0\n").value().tools_group == 0U);
  for (const char* bad : {"VZ_TOOLS_BCID=101\n", "VZ_TOOLS_BCID=x\n", "VZ_TOOLS_MEMLIMIT=512M\n",
                          "VZ_TOOLS_BCID=2\nVZ_TOOLS_MEMLIMIT=1M\n"})
    BOOST_TEST(!node(bad).has_value(), bad);
}

BOOST_AUTO_TEST_CASE(samples_write_no_address_as_zero) {
  BOOST_TEST(settings("IP_ADDRESS=0.0.0.0\n").value().addresses.empty());
}

BOOST_AUTO_TEST_CASE(bad_values_name_file_line_key_and_value) {
  const std::vector<std::string> lines = {
      "CPUUNITS=7",        "CPULIMIT=many",          "CPUMASK=x",          "PHYSPAGES=1X",
      "DISKSPACE=2G:1G",   "IP_ADDRESS=10.0.0.256",  "ONBOOT=perhaps",     "STOP_TIMEOUT=0",
      "CAPABILITY=fly:on", "VE_ROOT=relative",       "VE_PRIVATE=/a/../b", "VM_OVERCOMMIT=a",
      "AUTOSTOP=later",    "VE_ENVIRONMENT=novalue", "IOPRIO=8",           "NUMPROC=1K"};
  for (const std::string& line : lines) {
    const auto ct = settings("# first\n" + line + "\n");
    BOOST_TEST_REQUIRE(!ct.has_value(), line);
    BOOST_TEST((ct.error().code == ErrorCode::corrupt));
    const std::string key = line.substr(0, line.find('='));
    BOOST_TEST(ct.error().object.starts_with("101.conf:2: " + key + "=\""), ct.error().object);
    BOOST_TEST(ct.error().exit_code != 0);
  }
}

BOOST_AUTO_TEST_CASE(a_path_shared_by_all_containers_is_refused) {
  const auto file = ConfigFile::parse("VE_PRIVATE=/vz/private\n", "vz.conf").value();
  const auto node = interpret_node_config(file, Layout{});
  BOOST_TEST_REQUIRE(!node.has_value());
  BOOST_TEST(node.error().exit_code == 23);
}

BOOST_AUTO_TEST_CASE(veid_is_replaced_in_both_spellings) {
  BOOST_TEST(substitute_veid("/a/$VEID/b/${VEID}/$X$", CtId{105}) == "/a/105/b/105/$X$");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull
