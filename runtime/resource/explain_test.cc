#include "runtime/resource/explain.h"

#include <boost/test/unit_test.hpp>

#include "runtime/resource/resources.h"

namespace {

using namespace twinhull;
using namespace twinhull::resource;

ConfigFile file_of(std::string_view text) {
  return ConfigFile::parse(text, "test").value();
}

/// A running container on a node of two CPUs.
struct Facts {
  explicit Facts(std::string_view text, std::string_view global = "")
      : node(interpret_node_config(file_of(global), Layout{}).value()), saved(file_of(text)) {
    host.online_cpus = CpuSet{{0, 1}};
    host.cpu_mhz = 2000;
    effective = saved;
  }
  std::vector<Explanation> explain(const std::vector<std::string>& wanted = {}) {
    settings = interpret_ct_settings(effective, node, CtId{101}, "101.conf").value();
    ExplainFacts facts{.settings = settings, .effective = effective, .saved = saved,
                       .saved_path = "/etc/vz/conf/101.conf",
                       .sample = sample ? &*sample : nullptr, .node = node,
                       .node_path = "/etc/vz/vz.conf", .host = host, .kept = kept,
                       .sampled = sampled, .uptime = seconds(100), .disk = disk,
                       .mechanism = disk ? QuotaMechanism::simulated : QuotaMechanism::none};
    return resource::explain(facts, wanted);
  }
  Explanation one(const std::string& name) {
    const auto all = explain({name});
    BOOST_REQUIRE_EQUAL(all.size(), 1U);
    return all.front();
  }

  NodeConfig node;
  ConfigFile saved;
  ConfigFile effective;
  std::optional<ConfigFile> sample;
  HostInfo host;
  std::optional<CgroupLimits> kept;
  std::optional<CgroupSample> sampled;
  std::optional<TreeUsage> disk;
  CtSettings settings;
};

BOOST_AUTO_TEST_CASE(every_origin_is_told_apart) {
  Facts facts("# mine\nCPUUNITS=\"2000\"\nCPULIMIT=\"50\"\nORIGIN_SAMPLE=\"basic\"\nNUMPROC=\"40\"\n",
              "SWAPPAGES=\"100\"\n");
  facts.sample = file_of("CPUUNITS=\"1000\"\nCPULIMIT=\"50\"\n");
  BOOST_REQUIRE(facts.effective.set("NUMPROC", "20"));
  BOOST_TEST(facts.one("cpuunits").source == "/etc/vz/conf/101.conf line 2, CPUUNITS=\"2000\"");
  BOOST_CHECK(facts.one("cpuunits").origin == Origin::container);
  BOOST_CHECK(facts.one("cpulimit").origin == Origin::sample);
  BOOST_TEST(facts.one("cpulimit").source.ends_with("as in the sample basic"));
  BOOST_CHECK(facts.one("numproc").origin == Origin::live);
  BOOST_TEST(facts.one("numproc").source.ends_with("saved is NUMPROC=\"40\""));
  BOOST_TEST(facts.one("numproc").asked == "20");
  BOOST_CHECK(facts.one("swap").origin == Origin::node);
  BOOST_TEST(facts.one("swap").source == "/etc/vz/vz.conf line 1, SWAPPAGES=\"100\"");
  BOOST_CHECK(facts.one("ram").origin == Origin::builtin);
}

BOOST_AUTO_TEST_CASE(only_limits_that_act_are_listed_unless_they_are_asked_for) {
  Facts facts("CPUS=\"1\"\n");
  std::vector<std::string> names;
  for (const Explanation& row : facts.explain()) names.push_back(row.parameter);
  BOOST_TEST((names == std::vector<std::string>{"cpuunits", "cpus", "ram", "diskspace"}));
  BOOST_TEST(facts.one("numproc").asked == "unlimited");
}

BOOST_AUTO_TEST_CASE(what_the_kernel_keeps_and_did_is_told) {
  Facts facts("CPULIMIT=\"150\"\nCPUS=\"1\"\nPHYSPAGES=\"16384:16384\"\nNUMPROC=\"40\"\n");
  facts.kept = CgroupLimits{.shares = CpuShares{1024},
                            .quota = CpuQuota{.quota = milliseconds(100)},
                            .cpus = CpuSet{{0, 1}},
                            .memory = MemoryLimit{.memory = {std::uint64_t{64} << 20}},
                            .pids = 40};
  facts.sampled = CgroupSample{};
  facts.sampled->cpu = {seconds(50), 200, 31, milliseconds(1500)};
  facts.sampled->memory.usage = {(std::uint64_t{10} << 20) + 1};
  facts.sampled->memory.oom_kills = 2;
  facts.sampled->pids_limit_hits = 1;
  const Explanation limit = facts.one("cpulimit");
  BOOST_TEST(limit.kept == "100 ms of CPU time in each 100 ms");
  BOOST_TEST(limit.hit == "throttled in 31 of 200 (16 %) periods, its queues stood still for 1.5 s in all");
  // The smaller of CPULIMIT and CPUS acts (spec F4.4).
  BOOST_TEST(limit.meaning.starts_with("at most 1.00 CPUs' time"));
  BOOST_TEST(limit.meaning.find("--cpus is the smaller") != std::string::npos);
  BOOST_TEST(facts.one("cpuunits").used.ends_with("50 % of one CPU on average"));
  BOOST_TEST(facts.one("ram").asked == "64 MiB");
  BOOST_TEST(facts.one("ram").hit == "processes inside were killed for it: 2 times");
  BOOST_TEST(facts.one("numproc").hit == "forks were refused: once");
}

BOOST_AUTO_TEST_CASE(a_burst_limit_in_force_says_why) {
  Facts facts("CPULIMIT=\"80\"\nBURST_CPULIMIT=\"20\"\n", "BURST_CPU_AVG_USAGE=50\n");
  BOOST_TEST(facts.one("cpulimit").meaning.find("burst") == std::string::npos);
  BOOST_TEST(facts.one("burst-cpu-avg-usage").source ==
             "/etc/vz/vz.conf line 1, BURST_CPU_AVG_USAGE=\"50\"");
  BOOST_TEST(facts.one("burst-cpulimit").meaning.starts_with("not in force"));
  BOOST_REQUIRE(facts.effective.set("BURST_IMPOSED", "6312 300"));
  BOOST_TEST(facts.one("cpulimit")
                 .meaning.ends_with("now it is held to the burst limit of 20 %, because it used "
                                    "63.12 % of its limit on average "
                                    "over 300.0 s, more than BURST_CPU_AVG_USAGE=50"));
  BOOST_TEST(facts.one("burst-cpu-avg-usage").hit == "the burst limit is in force");
  // Shown without being asked for, though there is no CPULIMIT.
  Facts bare("BURST_CPULIMIT=\"20\"\nBURST_CPU_AVG_USAGE=50\n");
  BOOST_REQUIRE(bare.effective.set("BURST_IMPOSED", "6312 300"));
  bool shown = false;
  for (const Explanation& row : bare.explain()) shown = shown || row.parameter == "cpulimit";
  BOOST_TEST(shown);
}

BOOST_AUTO_TEST_CASE(every_limit_has_its_kernel_line) {
  Facts facts(
      "NODEMASK=\"1\"\nCPUMASK=\"auto\"\nPHYSPAGES=\"16384:16384\"\nSWAPPAGES=\"16384\"\n"
      "OOMGUARPAGES=\"8192:unlimited\"\nIOPRIO=\"7\"\nIOLIMIT=\"1048576\"\nIOPSLIMIT=\"50\"\n");
  constexpr std::uint64_t kMebi = std::uint64_t{1} << 20;
  facts.host.memory = {1000 * kMebi};
  facts.kept = CgroupLimits{};
  facts.kept->memory = MemoryLimit{{128 * kMebi}, {0}};
  facts.kept->memory_high = Bytes{64 * kMebi};
  facts.kept->memory_low = Bytes{32 * kMebi};
  facts.kept->memory_nodes = CpuSet{{1}};
  facts.kept->io_weight = IoWeight{160};
  facts.kept->io = IoLimit{{kMebi}, 50};
  facts.sampled = CgroupSample{};
  facts.sampled->memory.low_hits = 2;
  BOOST_TEST(facts.one("nodemask").kept == "memory nodes 1");
  BOOST_TEST(facts.one("ram").kept == "128 MiB, slowed down above 64 MiB");
  BOOST_TEST(facts.one("swap").kept ==
             "virtual: the node has no swap; memory above 64 MiB is slowed down instead");
  BOOST_TEST(facts.one("oomguarpages").asked == "32 MiB");
  BOOST_TEST(facts.one("oomguarpages").kept == "32 MiB kept from reclaim");
  BOOST_TEST(facts.one("oomguarpages").meaning.find(" 32 thousandths") != std::string::npos);
  BOOST_TEST(facts.one("oomguarpages").hit == "the node was so short that it was broken: 2 times");
  BOOST_TEST(facts.one("ioprio").kept == "weight 160");
  BOOST_TEST(facts.one("iolimit").kept == "1 MiB/s");
  BOOST_TEST(facts.one("iopslimit").kept == "50/s");
  BOOST_TEST(facts.one("iopslimit").meaning.find("acts as") == std::string::npos);
  facts.kept->io = IoLimit{};
  facts.kept->io_weight.reset();
  facts.kept->memory_high = Bytes{kUnlimited};
  facts.kept->memory_low.reset();
  BOOST_TEST(facts.one("ram").kept == "128 MiB");
  BOOST_TEST(facts.one("swap").kept == "0 B");
  BOOST_TEST(facts.one("oomguarpages").kept ==
             "nothing is kept from reclaim: cgroup v1 has no memory.low");
  BOOST_TEST(facts.one("ioprio").kept == "nothing: the disk of the private area heeds no weights");
  BOOST_TEST(facts.one("iolimit").kept == "no limit");
  BOOST_TEST(facts.one("iopslimit").kept == "no limit");
  BOOST_TEST(acting_operations(0) == 0U);
  BOOST_TEST(acting_operations(9) == 9U);
  BOOST_TEST(acting_operations(59) == 50U);
  BOOST_TEST(acting_operations(kUnlimited) == kUnlimited);
  facts.kept->io.reset();
  BOOST_TEST(facts.one("iolimit").kept == "nothing: no disk of this node holds the private area");
  facts.kept.reset();
  for (const char* const name : {"nodemask", "ram", "swap", "oomguarpages", "ioprio", "iolimit"})
    BOOST_TEST(facts.one(name).kept.empty(), name);
}

BOOST_AUTO_TEST_CASE(disks_say_what_counts_them) {
  Facts facts("DISKSPACE=\"1024:2048\"\nDISKINODES=\"10:20\"\n");
  BOOST_TEST(facts.one("diskspace").kept ==
             "nothing: the file system below the private area offers no quota");
  facts.disk = TreeUsage{.bytes = {std::uint64_t{1} << 20}, .inodes = {20},
                         .limit = {{std::uint64_t{1} << 20}, {20}}};
  BOOST_TEST(facts.one("diskspace").asked == "1 MiB soft, 2 MiB hard");
  BOOST_TEST(facts.one("diskspace").kept == "1 MiB by simulated");
  BOOST_TEST(facts.one("diskinodes").hit == "it is full: writes are refused");
}

}  // namespace
