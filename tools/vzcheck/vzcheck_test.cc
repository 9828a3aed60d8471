// What was promised to containers, on a simulated node of 8 GiB, 4 CPUs of 2400 MHz and 100 GiB.
#include <boost/test/unit_test.hpp>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/files.h"
#include "tools/vzcfg/tools_node.h"

namespace twinhull::tools {
namespace {

BOOST_FIXTURE_TEST_SUITE(vzcheck, ToolsNode)

BOOST_AUTO_TEST_CASE(cpu_units_against_the_power) {
  // 4 CPUs x 4800 bogomips x 25.
  BOOST_TEST(done("vzcpucheck") == "Current CPU utilization: 1000\nPower of the node: 480000\n");
  done("vzctl create 101 --ostemplate busybox");
  done("vzctl create 102 --ostemplate busybox");
  done("vzctl set 101 --cpuunits 239000 --save");
  done("vzctl start 101");  // 102 is down: it takes nothing
  BOOST_TEST(done("vzcpucheck -v") ==
             "      veid      units\n         0       1000\n       101     239000\n"
             "Current CPU utilization: 240000\nPower of the node: 480000\n");
  BOOST_TEST(done("vzcpucheck -x") == "<cpu><utilization>0.500</utilization></cpu>\n");
  done("vzctl set 101 --cpuunits 500000");
  const Outcome over = run("vzcpucheck");
  BOOST_TEST(over.code == 0);
  BOOST_TEST(over.out.starts_with("Current CPU utilization: 501000\n"), over.text());
  BOOST_TEST(over.err.find("overcommitted") != std::string::npos, over.text());
}

BOOST_AUTO_TEST_CASE(the_node_counts_with_its_own_units) {
  write("/etc/vz/vz.conf", "VE0CPUUNITS=4000\n");
  BOOST_TEST(done("vzcpucheck").starts_with("Current CPU utilization: 4000\n"));
  done("vzctl set 0 --cpuunits 3000 --save");
  BOOST_TEST(done("vzcpucheck").starts_with("Current CPU utilization: 3000\n"));
  BOOST_TEST(kernel().cgroups().limits(CgroupPath{"0"}, "").value().shares.value().value == 3072U);
  // Another program holds CT 0's lock no longer, and nothing else was made.
  BOOST_TEST(kernel().files().list("/vz/lock").value().empty());
  write("/etc/vz/conf/0.conf", "CPUUNITS=many\n");
  BOOST_TEST(run("vzcpucheck").code == 1);
  BOOST_TEST(run("vzctl set 0 --cpuunits 3000 --save").code == 85);
}

BOOST_AUTO_TEST_CASE(memory_of_running_containers) {
  done("vzctl create 101 --ostemplate busybox --config vswap.2048MB");
  done("vzctl set 101 --vm_overcommit 1.5 --save");
  done("vzctl create 102 --ostemplate busybox --config vps.512MB");
  const std::string nothing = done("vzmemcheck");
  BOOST_TEST(nothing.find("     0.00      0.00      0.00      0.00      0.00      0.00      0.00  "
                          "    0.00\n") != std::string::npos,
             nothing);
  done("vzctl start 101");
  done("vzctl start 102");
  const std::string text = done("vzmemcheck -v -A");
  BOOST_TEST(text.find("Output values in Mbytes\n") == 0U, text);
  // 101: 2048 MB of RAM promised, no swap, x 1.5 = 3072 MB allowed.
  BOOST_TEST(text.find("2048.00") != std::string::npos, text);
  BOOST_TEST(text.find("3072.00") != std::string::npos, text);
  // 102: 38286131 bytes of kernel memory = 36.51 MB; with oomguarpages 204 MB, vmguarpages 264 MB,
  // privvmpages 544 MB.
  for (const char* figure : {" 36.51", "240.51", "300.51", "580.51"})
    BOOST_TEST(text.find(figure) != std::string::npos, figure << "\n" << text);
  BOOST_TEST(text.find("Summary:") != std::string::npos, text);
  // 40 % of 8192 MB.
  BOOST_TEST(text.find("Capacity:   3276.80   3276.80   8192.00") != std::string::npos, text);
  // 2048 + 240.51 of 8192 MB.
  const std::string percents = done("vzmemcheck");
  BOOST_TEST(percents.find("27.94") != std::string::npos, percents);
}

BOOST_AUTO_TEST_CASE(one_container) {
  done("vzctl create 101 --ostemplate busybox --config vswap.2048MB --name web");
  const std::string down = done("vzcalc -v web");
  BOOST_TEST(down ==
             "Resource     Current(%) Promised(%)   Max(%)\n"
             "Low Mem             n/a        0.00     0.00\n"
             "Total RAM           n/a         n/a    25.00\n"
             "Mem + Swap          n/a       25.00      n/a\n"
             "Alloc. Mem          n/a       25.00    unlim\n"
             "Num. Proc           n/a         n/a    unlim\n"
             "--------------------------------------------\n"
             "Memory              n/a       25.00    unlim\n");
  done("vzctl set 101 --numproc 3200 --vm_overcommit 2 --save");
  done("vzctl start 101");
  const std::string up = done("vzcalc -v 101");
  BOOST_TEST(up.find("n/a        0.00") == std::string::npos, up);
  BOOST_TEST(up.find("50.00\nNum. Proc") != std::string::npos, up);  // 2048 x 2 of 8192 MB
  BOOST_TEST(up.find("n/a    10.00\n") != std::string::npos, up);    // 3200 of 32000
  BOOST_TEST(done("vzcalc 101").find("Low Mem") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(levels_of_overcommitment) {
  BOOST_TEST(done("vzcheckovr") == "");
  for (const char* id : {"101", "102", "103", "104"}) {
    done(std::string("vzctl create ") + id + " --ostemplate busybox --config vswap.2048MB");
    done(std::string("vzctl start ") + id);
  }
  done("vzcheckovr");  // 4 x 2048 of 8192 MB is just all
  BOOST_TEST(done("vzcheckovr -v").find("Memory+Swap           100.00%  level   100%  ok\n") !=
             std::string::npos);
  const std::string global = file("/etc/vz/vz.conf").value();
  write("/etc/vz/vz.conf", global + "WARNLEVEL_MEMSWAP=\"99\"\n");
  refused("vzcheckovr", 1, "WARNLEVEL_MEMSWAP is 99");
  write("/etc/vz/vz.conf", global + "WARNLEVEL_ALLOCMAX=\"100\"\n");
  refused("vzcheckovr", 1, "unlim");
  write("/etc/vz/vz.conf", global + "WARNLEVEL_MEMSWAP=\"much\"\n");
  refused("vzcheckovr", 2, "much");
}

BOOST_AUTO_TEST_CASE(disk_space_of_all_containers) {
  done("vzctl create 101 --ostemplate busybox");
  done("vzctl set 101 --diskspace 150G --save");
  const std::string text = done("vzdiskcheck -v");
  // 150 of 100 GiB.
  BOOST_TEST(text.find("Overcommitment: 157286400 : 104857600 = 1.50 : 1\n") != std::string::npos,
             text);
  BOOST_TEST(text.find("       101      157286400") != std::string::npos, text);
  done("vzctl create 102 --ostemplate busybox");
  done("vzctl set 102 --diskquota no --save");
  BOOST_TEST(done("vzdiskcheck").find("Containers without a limit: 1\n") != std::string::npos);
  BOOST_TEST(done("vzdiskcheck -x").find("<overcommit>1.50</overcommit>") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_unreadable_configuration_is_told_and_not_counted) {
  done("vzctl create 101 --ostemplate busybox");
  write("/etc/vz/conf/101.conf", "CPUUNITS=\"5\"\n");
  for (const char* tool : {"vzcpucheck", "vzmemcheck", "vzcheckovr", "vzdiskcheck"}) {
    const Outcome outcome = run(tool);
    BOOST_TEST(outcome.code == 0, tool << ": " << outcome.text());
    BOOST_TEST(outcome.err.find("101.conf") != std::string::npos, tool << ": " << outcome.text());
  }
  refused("vzcalc 101", 1, "CPUUNITS");
  write("/etc/vz/vz.conf", "LOCKDIR=\"\"\n");
  refused("vzcpucheck", 1, "LOCKDIR");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools
