// The configuration tools on a simulated node: shipped samples, properties, bad input.
#include <boost/test/unit_test.hpp>
#include <map>

#include "runtime/config/config_file.h"
#include "runtime/kernel/files.h"
#include "tools/vzcfg/tools_node.h"

namespace twinhull::tools {
namespace {

const std::vector<std::string> kTools = {"vzsplit",      "vzcfgscale", "vzcfgvalidate",
                                         "vzcfgconvert", "vzcpucheck", "vzmemcheck",
                                         "vzcalc",       "vzcheckovr", "vzdiskcheck"};

ConfigFile parsed(const std::string& text) {
  return ConfigFile::parse(text, "test").value();
}

BOOST_FIXTURE_TEST_SUITE(vzcfg, ToolsNode)

BOOST_AUTO_TEST_CASE(help_has_examples) {
  for (const std::string& tool : kTools) {
    const std::string help = done(tool + " --help");
    BOOST_TEST(help.find("Examples:\n  " + tool) != std::string::npos, help);
  }
}

BOOST_AUTO_TEST_CASE(bad_input_has_one_line_and_changes_nothing) {
  write("/garbage",
        "\x7F"
        "ELF nothing=of use\n");
  write("/nul", std::string_view("NUMPROC=\"1\"\n\0", 13));
  write("/open", "NUMPROC=\"1\n");
  const std::string before = configurations();
  const std::string basic = "/etc/vz/conf/ve-basic.conf-sample";
  for (const std::string& tool : kTools) {
    const int usage = tool == "vzcpucheck" || tool == "vzdiskcheck" || tool == "vzcheckovr" ? 2 : 1;
    refused(tool + " --no-such-option", usage, "no-such-option");
    refused(tool + " a b", usage, "see " + tool + " --help");
  }
  for (const char* tool : {"vzcfgscale -a 2", "vzcfgvalidate", "vzcfgvalidate -r"}) {
    refused(tool, 1, "FILE is missing");
    refused(tool + std::string(" /nothing/there"), 1, "/nothing/there");
    refused(tool + std::string(" relative"), 1, "/etc/vz/conf/relative");
    refused(tool + std::string(" some/where"), 1, "full path");
    refused(tool + std::string(" /garbage"), 1, "no configuration");
    refused(tool + std::string(" /nul"), 1, "NUL");
    refused(tool + std::string(" /open"), 1, "not closed");
    refused(tool + std::string(" /etc/vz/conf"), 1, "/etc/vz/conf");
  }
  for (const char* factor : {"0", "0.0", "x", "1e3", "''", "99999999"})
    refused(std::string("vzcfgscale -c ") + factor + " " + basic, 1, "-c");
  refused("vzcfgscale -a -1 " + basic, 1, "-a");
  refused("vzcfgscale -u 0 " + basic, 1, "above 0");
  refused("vzcfgscale " + basic, 1, "nothing to do");
  refused("vzcfgscale -a 2 -o " + basic + " " + basic, 1, "nothing was written");
  refused("vzcfgscale -a 2 -o /etc/vz/../vz/conf/ve-basic.conf-sample " + basic, 1,
          "nothing was written");
  refused("vzcfgscale -a 2 -o /no/such/place " + basic, 1, "/no/such/place");
  refused("vzcfgvalidate -v perhaps " + basic, 1, "yes or no");
  refused("vzcfgvalidate -r -i " + basic, 1, "exclude");
  refused("vzsplit -n 0", 1, "-n");
  refused("vzsplit -n -5", 1, "-n");
  refused("vzsplit -n many", 1, "many");
  refused("vzsplit -n 5000", 1, "Fatal resource shortage");
  refused("vzsplit -n 5 -s lots", 1, "lots");
  refused("vzsplit -n 5 -f ../evil", 1, "../evil");
  refused("vzsplit -n 5 -f 'two words'", 1, "two words");
  refused("vzsplit -n 5 -f basic", 1, "exists");
  refused("vzcfgconvert 999", 1, "CT 999");
  refused("vzcfgconvert nobody", 1, "nobody");
  refused("vzcalc", 1, "CTID is missing");
  refused("vzcalc 999", 1, "999");
  BOOST_TEST(configurations() == before);
}

BOOST_AUTO_TEST_CASE(shipped_samples_are_consistent) {
  BOOST_TEST(samples().size() >= 10U);
  for (const std::string& path : samples()) {
    const Outcome outcome = run("vzcfgvalidate " + path);
    // This node has no swap; the samples with swap are told so.
    const bool wants_swap =
        path.find("basic") != std::string::npos || path.find("light") != std::string::npos;
    BOOST_TEST(outcome.code == (wants_swap ? 2 : 0), path << ": " << outcome.text());
    BOOST_TEST((outcome.out.find("Error") == std::string::npos), path << ": " << outcome.text());
  }
}

BOOST_AUTO_TEST_CASE(scaling_by_one_changes_no_sample) {
  for (const std::string& path : samples())
    BOOST_TEST(done("vzcfgscale -a 1 " + path) == file(path).value(), path);
}

BOOST_AUTO_TEST_CASE(scaled_samples_stay_consistent) {
  // By hand: each value of vps.512MB twice.
  done("vzcfgscale -u 2 -o /double /etc/vz/conf/ve-vps.512MB.conf-sample");
  const ConfigFile twice = parsed(file("/double").value());
  const std::map<std::string, std::string> expected = {
      {"KMEMSIZE", "44223692:45508198"},    {"PRIVVMPAGES", "262144:278528"},
      {"VMGUARPAGES", "135168:2147483647"}, {"NUMPROC", "960"},
      {"TCPSNDBUF", "6881280:10813440"},    {"DCACHESIZE", "13639680:14499840"},
      {"PHYSPAGES", "0:2147483647"},        {"CPUUNITS", "1000"},
      {"DISKSPACE", "1048576:1153024"}};
  for (const auto& [key, value] : expected) BOOST_TEST(twice.get(key).value() == value, key);
  for (const std::string& path : samples())
    for (const char* factor : {"0.3", "0.5", "1.5", "2", "3.7"}) {
      done(std::string("vzcfgscale -a ") + factor + " -o /scaled " + path);
      // Rounding may break a rule by a byte: that is what the repair is for.
      const Outcome repaired = run("vzcfgvalidate -r /scaled");
      BOOST_TEST(repaired.code == 0, path << " x " << factor << ": " << repaired.text());
      done("vzcfgvalidate /scaled");
    }
}

BOOST_AUTO_TEST_CASE(repair_asks_when_told_to) {
  const std::string broken = "NUMPROC=\"10:20\"\nNUMFILE=\"5:6\"\n# kept\nFOREIGN=1\n";
  write("/etc/vz/conf/broken", broken);
  const Outcome seen = run("vzcfgvalidate -v yes /etc/vz/conf/broken");
  BOOST_TEST(seen.code == 2, seen.text());
  BOOST_TEST(seen.out.find("Error: NUMPROC is 10:20, but barrier and limit should be equal; "
                           "NUMPROC=\"20\" would do\n") != std::string::npos,
             seen.out);
  BOOST_TEST(seen.out.starts_with("NUMPROC=\"10:20\"\n"), seen.out);
  BOOST_TEST(file("/etc/vz/conf/broken").value() == broken);
  const Outcome asked = run("vzcfgvalidate -i /etc/vz/conf/broken", "y\nn\n");
  BOOST_TEST(asked.code == 2, asked.text());
  BOOST_TEST(file("/etc/vz/conf/broken").value() ==
             "NUMPROC=\"20\"\nNUMFILE=\"5:6\"\n# kept\nFOREIGN=1\n");
  const Outcome silent = run("vzcfgvalidate -i /etc/vz/conf/broken");
  BOOST_TEST(silent.code == 2, silent.text());
  done("vzcfgvalidate -r /etc/vz/conf/broken");
  BOOST_TEST(file("/etc/vz/conf/broken").value() ==
             "NUMPROC=\"20\"\nNUMFILE=\"6\"\n# kept\nFOREIGN=1\n");
  done("vzcfgvalidate /etc/vz/conf/broken");
  // Nobody can mend this one.
  write("/etc/vz/conf/broken", "NUMPROC=\"many\"\n");
  BOOST_TEST(run("vzcfgvalidate -r /etc/vz/conf/broken").code == 2);
}

BOOST_AUTO_TEST_CASE(a_containers_configuration_is_repaired_under_its_lock) {
  done("vzctl create 101 --ostemplate busybox --config vps.256MB");
  ConfigFile broken = parsed(file("/etc/vz/conf/101.conf").value());
  BOOST_REQUIRE(broken.set("NUMPROC", "10:20").has_value());
  write("/etc/vz/conf/101.conf", broken.text() + "# no line end");
  done("vzcfgvalidate -r 101.conf");
  BOOST_TEST(parsed(file("/etc/vz/conf/101.conf").value()).get("NUMPROC").value() == "20");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(a_split_makes_containers) {
  const std::string shown = done("vzsplit -n 20");
  BOOST_TEST(shown.find("Resource commit level 0") != std::string::npos, shown);
  BOOST_TEST(run("vzsplit", "20\n").out == "Enter the number of Containers: " + shown);
  BOOST_TEST(run("vzsplit").code == 1);
  BOOST_TEST(done("vzsplit -n 20 -f twentieth") ==
             "Config /etc/vz/conf/ve-twentieth.conf-sample was created\n");
  BOOST_TEST(file("/etc/vz/conf/ve-twentieth.conf-sample").value() == shown);
  done("vzcfgvalidate /etc/vz/conf/ve-twentieth.conf-sample");
  done("vzctl create 101 --ostemplate busybox --config twentieth");
  BOOST_TEST(parsed(file("/etc/vz/conf/101.conf").value()).get("PHYSPAGES").value() ==
             parsed(shown).get("PHYSPAGES").value());
  // The swap of another machine.
  const ConfigFile other = parsed(done("vzsplit -n 20 -s 41943040"));
  BOOST_TEST(other.get("SWAPPAGES").value() != "0");
}

BOOST_AUTO_TEST_CASE(a_container_becomes_a_sample) {
  done(
      "vzctl create 101 --ostemplate busybox --hostname web --ipadd 10.0.0.1 --name web "
      "--config vswap.512MB");
  done("vzcfgscale -r -c 2 -o /etc/vz/conf/ve-like101.conf-sample /etc/vz/conf/101.conf");
  const ConfigFile sample = parsed(file("/etc/vz/conf/ve-like101.conf-sample").value());
  BOOST_TEST(sample.get("CPUUNITS").value() == "2000");
  for (const char* key : {"HOSTNAME", "IP_ADDRESS", "NAME", "OSTEMPLATE", "UUID"})
    BOOST_TEST(!sample.get(key).has_value(), key);
  done("vzctl create 102 --ostemplate busybox --config like101");
}

BOOST_AUTO_TEST_CASE(old_configurations_are_converted) {
  done("vzctl create 101 --ostemplate busybox");
  done("vzctl create 102 --ostemplate busybox");
  ConfigFile old = parsed(file("/etc/vz/conf/101.conf").value());
  old.unset("VERSION");
  old.unset("PHYSPAGES");
  BOOST_REQUIRE(old.set("KMEMSIZE", "1000:2000").has_value());
  BOOST_REQUIRE(old.set("NUMSOCK", "7").has_value());
  write("/etc/vz/conf/101.conf", old.text());
  const Outcome first = run("vzcfgconvert");
  BOOST_TEST(first.code == 0, first.text());
  BOOST_TEST(first.out == "CT 101: converted from 2.0.2\nCT 102: already in the present format\n");
  BOOST_TEST(parsed(file("/etc/vz/conf/101.conf").value()).get("KMEMSIZE").value() == "1440:2880");
  BOOST_TEST(done("vzcfgconvert 101") == "CT 101: already in the present format\n");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(a_sample_is_applied) {
  done("vzctl create 101 --ostemplate busybox --hostname web --ipadd 10.0.0.1 --name web");
  const std::string before = file("/etc/vz/conf/101.conf").value();
  refused("vzctl set 101 --applyconfig nothing --save", 109, "nothing");
  refused("vzctl set 101 --applyconfig ../../x --save", 109, "../../x");
  refused("vzctl set 101 --applyconfig vswap.1024MB", 20, "--save");
  write("/etc/vz/conf/ve-bad.conf-sample", "CPUUNITS=\"5\"\n");
  refused("vzctl set 101 --applyconfig bad --save", 109, "CPUUNITS");
  BOOST_TEST(file("/etc/vz/conf/101.conf").value() == before);
  done("vzctl set 101 --cpuunits 2000 --save");
  BOOST_TEST(parsed(file("/etc/vz/conf/101.conf").value()).get("CONFIG_CUSTOMIZED").value() ==
             "yes");
  done("vzctl set 101 --applyconfig vswap.1024MB --save");
  ConfigFile now = parsed(file("/etc/vz/conf/101.conf").value());
  const std::map<std::string, std::string> expected = {{"PHYSPAGES", "262144:262144"},
                                                       {"SWAPPAGES", "0"},
                                                       {"CPUUNITS", "1000"},
                                                       {"ORIGIN_SAMPLE", "vswap.1024MB"},
                                                       {"CONFIG_CUSTOMIZED", "no"},
                                                       {"HOSTNAME", "web"},
                                                       {"NAME", "web"},
                                                       {"OSTEMPLATE", ".busybox"}};
  for (const auto& [key, value] : expected) BOOST_TEST(now.get(key).value() == value, key);
  // Of a running one at once, and what is named besides wins.
  done("vzctl start 101 --wait");
  done("vzctl set 101 --applyconfig vswap.512MB --cpuunits 500 --save");
  BOOST_TEST(inside("101", "free | grep -c 524288") == "1");
  now = parsed(file("/etc/vz/conf/101.conf").value());
  BOOST_TEST(now.get("CPUUNITS").value() == "500");
  BOOST_TEST(now.get("CONFIG_CUSTOMIZED").value() == "yes");
  ConfigFile no_quota = parsed(file("/etc/vz/conf/ve-basic.conf-sample").value());
  BOOST_REQUIRE(no_quota.set("DISK_QUOTA", "no").has_value());
  write("/etc/vz/conf/ve-noquota.conf-sample", no_quota.text());
  const Outcome later = run("vzctl set 101 --applyconfig noquota --save");
  BOOST_TEST(later.code == 0, later.text());
  BOOST_TEST(later.err.find("unable to set --diskquota") != std::string::npos, later.text());
}

BOOST_AUTO_TEST_CASE(beancounters_are_set) {
  done("vzctl create 101 --ostemplate busybox --config vps.256MB");
  const Outcome set =
      run("vzctl set 101 --kmemsize 20M:21M --lockedpages 4M --privvmpages 100000:110000 "
          "--shmpages 5 --vmguarpages 1:unlimited --oomguarpages 1:unlimited --numtcpsock 6 "
          "--numflock 7:8 --numpty 9 --numsiginfo 10 --tcpsndbuf 64K:200K --tcprcvbuf 11:12 "
          "--othersockbuf 13:14 --dgramrcvbuf 15 --numothersock 16 --numfile 17 --dcache 18:19 "
          "--iptentries 20 --avnumproc 21 --vm_overcommit 1.5 --save");
  BOOST_TEST(set.code == 0, set.text());
  BOOST_TEST(std::count(set.err.begin(), set.err.end(), '\n') == 1, set.text());
  BOOST_TEST(set.err.find("no mechanism of this kernel enforces: kmemsize, lockedpages") !=
                 std::string::npos,
             set.text());
  const ConfigFile now = parsed(file("/etc/vz/conf/101.conf").value());
  const std::map<std::string, std::string> expected = {
      {"KMEMSIZE", "20971520:22020096"}, {"LOCKEDPAGES", "1024"}, {"PRIVVMPAGES", "100000:110000"},
      {"VMGUARPAGES", "1:unlimited"},    {"NUMFLOCK", "7:8"},     {"TCPSNDBUF", "65536:204800"},
      {"DCACHESIZE", "18:19"},           {"NUMIPTENT", "20"},     {"AVNUMPROC", "21"},
      {"VM_OVERCOMMIT", "1.5"}};
  for (const auto& [key, value] : expected) BOOST_TEST(now.get(key).value() == value, key);
  for (const char* bad : {"--kmemsize many", "--numpty 5K", "--numfile 9:8", "--kmemsize 1:2:3",
                          "--vm_overcommit 1.2345", "--vm_overcommit x", "--vm_overcommit -1"})
    BOOST_TEST(run(std::string("vzctl set 101 ") + bad + " --save").code == 21, bad);
  refused("vzctl set 101 --kmemsiz 5 --save", 19, "--kmemsize");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools
