// The formulas of the configuration tools, with numbers worked out by hand from spec R10 and
// F4.34-38.
#include <boost/test/unit_test.hpp>
#include <map>
#include <string>
#include <vector>

#include "runtime/config/node_config.h"
#include "runtime/resource/amounts.h"
#include "runtime/resource/beancounters.h"
#include "runtime/resource/commitment.h"
#include "runtime/resource/convert.h"
#include "runtime/resource/scale.h"
#include "runtime/resource/split.h"
#include "runtime/resource/validate.h"

namespace twinhull::resource {
namespace {

using namespace literals;

ConfigFile config(const std::string& text) {
  return ConfigFile::parse(text, "test").value();
}

CtSettings settings(const std::string& text) {
  return interpret_ct_settings(config(text), default_node_config({}), CtId{101}, "test").value();
}

HostInfo host(Bytes memory, Bytes swap) {
  HostInfo info;
  info.hostname = "n1";
  info.memory = memory;
  info.swap = swap;
  info.cpu_mhz = 2000;
  info.online_cpus = CpuSet{{0, 1, 2, 3}};
  return info;
}

/// "SEVERITY KEY=FIX" of each finding.
std::vector<std::string> findings(ConfigFile& file, bool repair = false, Bytes memory = 4_GiB,
                                  Bytes swap = 4_GiB) {
  const auto found = validate(file, default_node_config({}), host(memory, swap),
                              [&](const Finding&) { return repair; });
  std::vector<std::string> lines;
  for (const Finding& finding : found.value())
    lines.push_back(std::string(to_string(finding.severity)).substr(0, 1) + " " + finding.key +
                    (finding.fix ? "=" + *finding.fix : ""));
  return lines;
}

void finds(const std::string& text, const std::vector<std::string>& expected) {
  ConfigFile file = config(text);
  const auto found = findings(file);
  BOOST_TEST(found == expected, boost::test_tools::per_element());
  BOOST_TEST(file.text() == text);  // looking changes nothing
  findings(file, true);
  for (const std::string& left : findings(file)) BOOST_TEST(left.starts_with("R "), text << left);
}

BOOST_AUTO_TEST_SUITE(config_rules)

BOOST_AUTO_TEST_CASE(amounts_round_to_the_nearest_and_end_at_long_max) {
  BOOST_TEST(times(7, 3, 2) == 11U);  // 10.5
  BOOST_TEST(times(kUnlimited, 2) == kUnlimited);
  BOOST_TEST(times(kLongMax, 2) == kLongMax);
  BOOST_TEST(plus(1, kUnlimited) == kUnlimited);
  BOOST_TEST(plus(kLongMax, 1) == kLongMax);
  BOOST_TEST(minus(1, 2) == 0U);
  BOOST_TEST(minus(kUnlimited, 5) == kUnlimited);
}

BOOST_AUTO_TEST_CASE(vswap_derives_what_is_not_stated) {
  // 256 MB of RAM, 256 MB of swap, factor 1.5: (65536 + 65536) x 1.5 = 196608 pages.
  const CtSettings basic = settings(
      "PHYSPAGES=\"65536:65536\"\nSWAPPAGES=\"65536\"\nVM_OVERCOMMIT=\"1.5\"\nNUMPROC=\"100\"\n");
  const auto is = [&](const char* name, std::uint64_t barrier, std::uint64_t limit) {
    const BarrierLimit value = effective_beancounter(basic, name);
    BOOST_TEST(value.barrier == barrier, name);
    BOOST_TEST(value.limit == limit, name);
  };
  is("lockedpages", 65536, kUnlimited);
  is("oomguarpages", 65536, kUnlimited);
  is("vmguarpages", 131072, kUnlimited);
  is("privvmpages", 196608, 196608);
  is("avnumproc", 50, 50);
  is("kmemsize", kUnlimited, kUnlimited);
  // The example of spec F4.16: 1 GB + 512 MB, x 1.5 = 2304 MB = 589824 pages; x 2 = 3 GB.
  const std::string gigabyte = "PHYSPAGES=\"262144:262144\"\nSWAPPAGES=\"131072\"\n";
  BOOST_TEST(
      effective_beancounter(settings(gigabyte + "VM_OVERCOMMIT=1.5\n"), "privvmpages").limit ==
      589824U);
  BOOST_TEST(effective_beancounter(settings(gigabyte + "VM_OVERCOMMIT=2\n"), "privvmpages").limit ==
             786432U);
  BOOST_TEST(effective_beancounter(settings(gigabyte), "privvmpages").limit == kUnlimited);
  // What is stated wins; without VSwap nothing is derived.
  BOOST_TEST(effective_beancounter(settings(gigabyte + "LOCKEDPAGES=5\n"), "lockedpages").limit ==
             5U);
  BOOST_TEST(effective_beancounter(settings("CPUUNITS=1000\n"), "lockedpages").barrier ==
             kUnlimited);
}

BOOST_AUTO_TEST_CASE(each_rule_is_found_and_mended) {
  finds("VERSION=2\n", {});
  finds("NUMPROC=\"100:120\"\nNUMFILE=\"9:8\"\n", {"E NUMPROC=120", "E NUMFILE=9"});
  finds("NUMFLOCK=\"100:90\"\n", {"E NUMFLOCK=100:100"});
  finds("VMGUARPAGES=\"100:100\"\nOOMGUARPAGES=\"7:8\"\n",
        {"E VMGUARPAGES=100:unlimited", "E OOMGUARPAGES=7:unlimited"});
  finds("PHYSPAGES=\"5:2147483647\"\n", {"W PHYSPAGES=0:unlimited"});
  // 1000 files x 384 = 384000 is not enough, 384001 is.
  finds("NUMFILE=1000\nDCACHESIZE=\"1:384000\"\n", {"W DCACHESIZE=1:384384"});
  finds("NUMFILE=1000\nDCACHESIZE=\"1:384001\"\n", {});
  // 40960 x 10 + 500 = 410100, one process more is advised: 451060; the gap of 5 stays.
  finds("AVNUMPROC=10\nDCACHESIZE=\"1:500\"\nKMEMSIZE=\"410100:410105\"\n",
        {"E KMEMSIZE=451060:451065"});
  finds("AVNUMPROC=10\nDCACHESIZE=\"1:500\"\nKMEMSIZE=\"410101:410105\"\n", {});
  // Half of NUMPROC stands for AVNUMPROC.
  finds("NUMPROC=20\nDCACHESIZE=\"1:500\"\nKMEMSIZE=\"410101:410105\"\n", {});
  finds("PRIVVMPAGES=\"10:20\"\nVMGUARPAGES=\"15:2147483647\"\n", {"W PRIVVMPAGES=15:20"});
  // 10 sockets x 2560 = 25600 between barrier and limit is too little, one more byte is right.
  finds("NUMTCPSOCK=10\nTCPSNDBUF=\"65536:91136\"\n", {"E TCPSNDBUF=65536:93696"});
  finds("NUMTCPSOCK=10\nTCPSNDBUF=\"65536:91137\"\n", {});
  finds("NUMTCPSOCK=10\nTCPRCVBUF=\"65536:91136\"\n", {"W TCPRCVBUF=65536:93696"});
  finds("NUMOTHERSOCK=10\nOTHERSOCKBUF=\"1:25601\"\n", {"E OTHERSOCKBUF=1:28161"});
  finds("TCPSNDBUF=\"65535:70000\"\n", {"W TCPSNDBUF=65536:70000"});
  finds("DGRAMRCVBUF=\"32767\"\n", {"W DGRAMRCVBUF=32768:32768", "R DGRAMRCVBUF=132096:132096"});
  finds("DGRAMRCVBUF=\"132096\"\n", {});
  finds("DISKSPACE=\"2M:1M\"\nDISKINODES=\"5:4\"\n", {"E DISKSPACE=2048:2048", "E DISKINODES=5:5"});
}

BOOST_AUTO_TEST_CASE(vswap_is_compared_with_the_node) {
  finds("PHYSPAGES=\"0:1000\"\nSWAPPAGES=\"1000\"\n", {});
  finds("PHYSPAGES=\"5:1000\"\n", {"E PHYSPAGES=1000:1000"});
  // 4 GiB = 1048576 pages.
  finds("PHYSPAGES=\"1048577:1048577\"\nSWAPPAGES=\"0:1048577\"\n",
        {"W PHYSPAGES=1048576:1048576", "W SWAPPAGES=0:1048576"});
  // The rules of the older scheme do not apply.
  finds("PHYSPAGES=\"1000\"\nVMGUARPAGES=\"5:5\"\n", {});
}

BOOST_AUTO_TEST_CASE(what_cannot_be_read_cannot_be_mended) {
  ConfigFile file = config("NUMPROC=\"many\"\nCPUUNITS=\"5\"\nDISKSPACE=\"x:y\"\n");
  const auto found = findings(file, true);
  BOOST_TEST(found.size() == 3U);
  BOOST_TEST(found[0] == "E NUMPROC");
  BOOST_TEST(found[1] == "E DISKSPACE");
  BOOST_TEST(found[2] == "E ");  // CPUUNITS, by the reader of CTID.conf
}

BOOST_AUTO_TEST_CASE(repaired_configurations_have_no_problem) {
  // Numbers around the rules' borders in every combination of a small generator.
  std::uint64_t state = 1;
  const auto next = [&state](std::uint64_t most) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (state >> 33) % most;
  };
  for (int round = 0; round < 2000; ++round) {
    ConfigFile file;
    for (const Beancounter& counter : beancounters()) {
      if (next(4) == 0) continue;
      const auto number = [&] {
        return next(10) == 0 ? std::string("unlimited") : std::to_string(next(300000));
      };
      const std::string first = number();
      BOOST_REQUIRE(
          file.set(counter.key, next(2) == 0 ? first : first + ":" + number()).has_value());
    }
    findings(file, true);
    for (const std::string& left : findings(file))
      BOOST_TEST(left.starts_with("R "), left << "\n" << file.text());
  }
}

BOOST_AUTO_TEST_CASE(factors_are_decimal_numbers_above_zero) {
  BOOST_TEST(parse_factor("1").value().millionths == 1000000U);
  BOOST_TEST(parse_factor("1.5").value().millionths == 1500000U);
  BOOST_TEST(parse_factor("0.000001").value().millionths == 1U);
  for (const char* text : {"", "0", "0.0", "-1", "x", "1.", ".5", "1.5.5", "1e3", "0.0000001",
                           "1000000.1", " 1", "1,5"})
    BOOST_TEST(!parse_factor(text).has_value(), text);
}

BOOST_AUTO_TEST_CASE(scaling_multiplies_each_group) {
  const std::string text =
      "# kept\nCPUUNITS=\"1000\"\nCPULIMIT=\"0\"\nKMEMSIZE=\"22111846:22754099\"\nNUMPROC=\"480\"\n"
      "PHYSPAGES=\"0:2147483647\"\nVMGUARPAGES=\"67584:unlimited\"\nSWAPPAGES=\"256M\"\n"
      "DISKSPACE=\"1048576:1153024\"\nRATE=\"eth0:1:8 *:2:100\"\nNUMSOCK=\"3\"\n"
      "BURST_CPU_AVG_USAGE=\"60\"\nBURST_CPULIMIT=\"50\"\n";
  const auto by = [&](ScaleFactors factors) {
    ConfigFile file = config(text);
    BOOST_REQUIRE(scale(file, factors).has_value());
    return file;
  };
  const Factor one{1000000};
  BOOST_TEST(by({one, one, one, one}).text() == text);
  const Factor half_more{1500000};
  const ConfigFile all = by({half_more, half_more, half_more, half_more});
  const std::map<std::string, std::string> expected = {{"CPUUNITS", "1500"},
                                                       {"CPULIMIT", "0"},
                                                       {"KMEMSIZE", "33167769:34131149"},
                                                       {"NUMPROC", "720"},
                                                       {"PHYSPAGES", "0:2147483647"},
                                                       {"VMGUARPAGES", "101376:unlimited"},
                                                       {"SWAPPAGES", "98304"},
                                                       {"DISKSPACE", "1572864:1729536"},
                                                       {"RATE", "eth0:1:12 *:2:150"},
                                                       {"NUMSOCK", "5"},
                                                       {"BURST_CPU_AVG_USAGE", "60"},
                                                       {"BURST_CPULIMIT", "75"}};
  for (const auto& [key, value] : expected) BOOST_TEST(all.get(key).value() == value, key);
  BOOST_TEST(all.text().starts_with("# kept\n"));
  const ConfigFile disk = by({.disk = half_more});
  BOOST_TEST(disk.get("DISKSPACE").value() == "1572864:1729536");
  BOOST_TEST(disk.get("NUMPROC").value() == "480");
  // The ends of the ranges.
  BOOST_TEST(by({.cpu = Factor{1000000000}}).get("CPUUNITS").value() == "500000");
  BOOST_TEST(by({.cpu = Factor{1}}).get("CPUUNITS").value() == "8");
  BOOST_TEST(by({.beancounters = Factor{1}}).get("NUMPROC").value() == "1");
  ConfigFile large = config("KMEMSIZE=\"9000000000000000000\"\n");
  BOOST_REQUIRE(scale(large, {.beancounters = Factor{2000000}}).has_value());
  BOOST_TEST(large.get("KMEMSIZE").value() == "9223372036854775807");
  ConfigFile broken = config("NUMPROC=\"many\"\n");
  BOOST_TEST(!scale(broken, {.beancounters = half_more}).has_value());
}

BOOST_AUTO_TEST_CASE(what_is_one_containers_alone_is_dropped) {
  ConfigFile file = config("VE_ROOT=/a\nHOSTNAME=b\nIP_ADDRESS=c\nNAME=d\nUUID=e\nNUMPROC=5\n");
  drop_container_keys(file);
  BOOST_TEST(file.text() == "NUMPROC=5\n");
}

BOOST_AUTO_TEST_CASE(a_node_is_split_into_equal_shares) {
  // 4 GiB: reserve 4096/20 = 204.8 MiB; kernel part 40 % = 1638.4 MiB; 110 GiB of free disk.
  const NodeResources node{4_GiB, 2_GiB, 110_GiB};
  BOOST_TEST(most_processes(4_GiB) == 32000U);  // 32768 would fit
  BOOST_TEST(most_processes(1_GiB) == 8192U);
  const NodeShare ten = split_node(node, 10).value();
  // Kernel memory of one: 1717986918 / 10 = 171798691; half / 81920 = 1048 processes.
  BOOST_TEST(ten.commit_level == 0U);
  BOOST_TEST(ten.usual_processes == 1048U);
  BOOST_TEST(ten.processes == 3200U);
  // (4294967296 - 214748364 + 2147483648) / 10 - 171798691 = 450971566 bytes = 110100 pages.
  BOOST_TEST(ten.ram.value == 110100U);
  BOOST_TEST(ten.swap.value == 110100U);
  // (115343360 - 10485760) / 10 KiB, a tenth more as the hard limit, an inode for each 16 KiB.
  BOOST_TEST(ten.disk_soft == 10485760U);
  BOOST_TEST(ten.disk_hard == 11534336U);
  BOOST_TEST(ten.inodes_soft == 655360U);
  BOOST_TEST(ten.inodes_hard == 720896U);
  // Alone it gets no more than the node has: 4294967296 - 214748364 = 996147 pages; swap 262144.
  const NodeShare alone = split_node(node, 1).value();
  BOOST_TEST(alone.ram.value == 996147U);
  BOOST_TEST(alone.swap.value == 262144U);
  // No swap to give.
  BOOST_TEST(split_node({4_GiB, {0}, 110_GiB}, 4).value().swap.value == 0U);
}

BOOST_AUTO_TEST_CASE(more_containers_are_promised_more_than_there_is) {
  // 40 usual processes of 81920 bytes need 6.25 MiB of kernel memory: 262 of them fit level 0.
  const NodeResources node{4_GiB, 8_GiB, 2000_GiB};
  BOOST_TEST(split_node(node, 262).value().commit_level == 0U);
  // 263: 1717986918 / 263 / 2 / 81920 = 39.87. Level 1: x 1.2 / 65536 = 59.
  const NodeShare one = split_node(node, 263).value();
  BOOST_TEST(one.commit_level == 1U);
  BOOST_TEST(one.usual_processes == 59U);
  BOOST_TEST(one.processes == 182U);  // 32000 x 1.5 / 263
  BOOST_TEST(split_node(node, 400).value().commit_level == 2U);
  // 1717986918 x 1.8 / 730 / 2 / 53248 = 39.77
  BOOST_TEST(!split_node(node, 730).has_value());  // 16 MiB are not left
  BOOST_TEST(split_node({4_GiB, 64_GiB, 2000_GiB}, 730).value().commit_level == 3U);
  const auto fatal = split_node({1_GiB, {0}, 100_GiB}, 100);
  BOOST_REQUIRE(!fatal.has_value());
  BOOST_TEST(
      fatal.error().detail.starts_with("Fatal resource shortage, try to decrease the number "
                                       "of Containers"));
  BOOST_TEST(!split_node({4_GiB, {0}, 1_GiB}, 10).has_value());  // 220 MB of disk for each
  BOOST_TEST(!split_node(node, 0).has_value());
}

BOOST_AUTO_TEST_CASE(a_split_validates) {
  for (const Bytes memory : {512_MiB, 1_GiB, 4_GiB, 64_GiB})
    for (const Bytes swap : {0_B, 1_GiB, 16_GiB})
      for (std::uint64_t count = 1; count < 200; count += count / 3 + 1) {
        const NodeResources node{memory, swap, 500_GiB};
        const auto share = split_node(node, count);
        if (!share) continue;
        ConfigFile file = config(sample_text(node, *share));
        BOOST_TEST(findings(file, false, memory, swap).empty(), file.text());
      }
}

BOOST_AUTO_TEST_CASE(configurations_of_2_0_2_are_converted_once) {
  ConfigFile file = config(
      "KMEMSIZE=\"1000000:2000000\"\nTCPSENDBUF=\"100000:200000\"\nUNIXSOCKBUF=\"1000:100000\"\n"
      "NUMPROC=\"100\"\nTOTVMPAGES=\"500\"\nNUMSOCK=\"7\"\nRSSPAGES=\"9\"\nHOSTNAME=\"a\"\n");
  BOOST_CHECK(convert(file).value() == ConfigRelease::v2_0_2);
  const std::map<std::string, std::string> expected = {
      {"KMEMSIZE", "1440000:2880000"},    // x 1.44
      {"TCPSNDBUF", "100000:400000"},     // limit x 2
      {"OTHERSOCKBUF", "1000:267000"},    // limit x 2.67
      {"NUMFILE", "2048"},                // numproc x 20.48
      {"AVNUMPROC", "21"},                // 1440000 / 67584
      {"DCACHESIZE", "1048576:1048576"},  // numfile x 512
      {"PRIVVMPAGES", "500:500"},
      {"NUMTCPSOCK", "7"},
      {"HOSTNAME", "a"},
      {"VERSION", "2"}};
  for (const auto& [key, value] : expected)
    BOOST_TEST(file.get(key).value_or("absent") == value, key);
  for (const char* key : {"TCPSENDBUF", "UNIXSOCKBUF", "TOTVMPAGES", "NUMSOCK", "RSSPAGES"})
    BOOST_TEST(!file.get(key).has_value(), key);
  const std::string once = file.text();
  BOOST_CHECK(convert(file).value() == ConfigRelease::current);
  BOOST_TEST(file.text() == once);
}

BOOST_AUTO_TEST_CASE(configurations_of_2_6_2_are_converted_once) {
  ConfigFile file = config(
      "KMEMSIZE=\"1000:2000\"\nNUMFILE=\"10\"\nDCACHESIZE=\"100:200\"\nNUMPROC=\"2147483647\"\n");
  BOOST_CHECK(convert(file).value() == ConfigRelease::v2_6_2);
  BOOST_TEST(file.get("KMEMSIZE").value() == "1200:2400");
  BOOST_TEST(file.get("NUMFILE").value() == "16");
  BOOST_TEST(file.get("DCACHESIZE").value() == "100:400");
  BOOST_TEST(file.get("NUMPROC").value() == "2147483647");
  BOOST_CHECK(convert(file).value() == ConfigRelease::current);
  ConfigFile vswap = config("PHYSPAGES=\"100\"\nNUMFILE=\"10\"\n");
  BOOST_REQUIRE(convert(vswap).has_value());
  BOOST_TEST(vswap.get("NUMFILE").value() == "10");
  BOOST_TEST(vswap.get("VERSION").value() == "2");
  ConfigFile broken = config("KMEMSIZE=\"lots\"\n");
  BOOST_TEST(!convert(broken).has_value());
}

BOOST_AUTO_TEST_CASE(demands_add_up) {
  // vps.512MB: kernel limits 22754099 + 5406720 x 2 + 524288 + 4194304 = 38286131 bytes.
  const CtSettings vps = settings(
      "KMEMSIZE=\"22111846:22754099\"\nTCPSNDBUF=\"3440640:5406720\"\nTCPRCVBUF=\"3440640:"
      "5406720\"\n"
      "OTHERSOCKBUF=\"2252160:4194304\"\nDGRAMRCVBUF=\"524288\"\nVMGUARPAGES=\"67584:2147483647\"\n"
      "OOMGUARPAGES=\"52224:2147483647\"\nPRIVVMPAGES=\"131072:139264\"\nPHYSPAGES=\"0:"
      "2147483647\"\n");
  CgroupSample sample;
  sample.memory.usage = {1000};
  sample.memory.anonymous = {500};
  sample.memory.cache = {300};
  sample.memory.swap = {50};
  const MemoryDemand demand = memory_demand(vps, sample);
  BOOST_TEST(demand.kernel_used == 200U);
  BOOST_TEST(demand.ram_used == 1000U);
  BOOST_TEST(demand.memory_used == 750U);
  BOOST_TEST(demand.kernel_most == 38286131U);
  BOOST_TEST(demand.kernel_promised == 31769574U);  // the barriers: 22111846+6881280+2252160+524288
  BOOST_TEST(demand.memory_promised == 52224U * 4096 + 38286131U);
  BOOST_TEST(demand.alloc_promised == 67584U * 4096 + 38286131U);
  BOOST_TEST(demand.alloc_most == 139264U * 4096 + 38286131U);
  MemoryDemand sum = demand;
  sum += memory_demand(settings("PHYSPAGES=\"256\"\nSWAPPAGES=\"256\"\n"), std::nullopt);
  BOOST_TEST(sum.kernel_most == 38286131U);
  BOOST_TEST(sum.memory_promised == 52224U * 4096 + 38286131U + (1U << 20));
  BOOST_TEST(sum.alloc_promised == 67584U * 4096 + 38286131U + (2U << 20));
  BOOST_TEST(sum.alloc_most == kUnlimited);  // no VM_OVERCOMMIT
  const MemoryCapacity node = memory_capacity(host(1000_MiB, 1000_MiB));
  BOOST_TEST(node.kernel == 419430400U);
  BOOST_TEST(share_text(share_of(250U << 20, node.ram)) == "25.00");
  BOOST_TEST(share_text(share_of(kUnlimited, node.ram)) == "unlim");
  BOOST_TEST(cpu_power(host(1_GiB, {0})).value() == 400000U);  // 4 CPUs x 2 x 2000 MHz x 25
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::resource
