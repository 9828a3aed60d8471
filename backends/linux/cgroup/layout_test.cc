#include "backends/linux/cgroup/layout.h"

#include <boost/test/unit_test.hpp>

#include "backends/linux/cgroup/doors.h"
#include "backends/linux/cgroup/proc_stat.h"

using namespace twinhull;
using namespace twinhull::linux_backend;

namespace {

constexpr const char* kControllers =
    "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"
    "cpuset\t3\t1\t1\ncpu\t1\t1\t1\ncpuacct\t2\t1\t1\nmemory\t4\t18\t1\ndevices\t5\t1\t1\n"
    "freezer\t6\t1\t1\npids\t8\t1\t1\n";

constexpr const char* kHybrid =
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
    "30 22 0:27 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "31 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct\n"
    "34 30 0:31 / /sys/fs/cgroup/mem\\040ory rw,relatime - cgroup cgroup rw,memory\n"
    "44 30 0:31 /a /mnt/again rw,relatime - cgroup cgroup rw,memory\n"
    "39 30 0:36 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
    "40 30 0:37 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

}  // namespace

BOOST_AUTO_TEST_SUITE(cgroup_layout)

BOOST_AUTO_TEST_CASE(hybrid_has_controllers_in_v1_and_a_v2_tree) {
  const auto layout = parse_cgroup_layout(kHybrid, kControllers, "hugetlb\n");
  BOOST_REQUIRE(layout);
  BOOST_TEST((layout->kind == CgroupLayoutKind::hybrid));
  BOOST_REQUIRE_EQUAL(layout->hierarchies.size(), 3U);
  BOOST_TEST(layout->hierarchy_of("cpu") == layout->hierarchy_of("cpuacct"));
  BOOST_TEST(layout->hierarchies[0].options() == "cpu,cpuacct");
  BOOST_TEST(layout->hierarchy_of("memory")->mount == "/sys/fs/cgroup/mem ory");  // the first mount
  BOOST_TEST(layout->hierarchies[2].named());
  BOOST_TEST(layout->hierarchy_of("pids") == nullptr);
  BOOST_TEST(layout->unified == "/sys/fs/cgroup/unified");
  BOOST_TEST(layout->unified_has("hugetlb"));
  BOOST_TEST(!layout->unified_has("huge"));
  BOOST_TEST(!layout->delegates);
  BOOST_TEST(unified_mount(kHybrid) == "/sys/fs/cgroup/unified");
}

BOOST_AUTO_TEST_CASE(v1_has_no_v2_tree) {
  std::string text(kHybrid);
  text.resize(text.find("40 30"));
  const auto layout = parse_cgroup_layout(text, kControllers, "");
  BOOST_REQUIRE(layout);
  BOOST_TEST((layout->kind == CgroupLayoutKind::v1));
  BOOST_TEST(layout->unified.empty());
  BOOST_TEST(unified_mount(text).empty());
}

BOOST_AUTO_TEST_CASE(v2_has_everything_in_one_tree) {
  // A lone name= hierarchy (systemd makes one for old tools) limits nothing.
  const auto layout = parse_cgroup_layout(
      "30 22 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
      "39 30 0:36 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n",
      kControllers, "cpuset cpu io memory pids\n");
  BOOST_REQUIRE(layout);
  BOOST_TEST((layout->kind == CgroupLayoutKind::v2));
  BOOST_TEST(layout->delegates);
  const std::vector<std::string> options = {"nsdelegate", "memory_recursiveprot"};
  BOOST_TEST(layout->unified_options == options, boost::test_tools::per_element());
  BOOST_TEST(layout->hierarchies.empty());
  BOOST_TEST(layout->unified_has("cpu"));
  BOOST_TEST(layout->unified_has("pids"));
}

BOOST_AUTO_TEST_CASE(nothing_mounted_is_said) {
  for (const char* const text :
       {"", "22 1 8:1 / / rw - ext4 /dev/vda rw\n", "no mountinfo at all\n - \n",
        "30 22 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"}) {
    const auto layout = parse_cgroup_layout(text, kControllers, "");
    BOOST_REQUIRE(!layout);
    BOOST_TEST(to_string(layout.error().code) == "not_supported");
    BOOST_TEST(!layout.error().hint.empty());
  }
}

BOOST_AUTO_TEST_CASE(groups_of_a_process_are_found_by_controller) {
  constexpr const char* kText = "9:name=systemd:/s\n2:cpu,cpuacct:/a/b\n4:memory:/m\n0::/u:x\n";
  BOOST_TEST(group_in(kText, "cpu") == "/a/b");
  BOOST_TEST(group_in(kText, "cpuacct") == "/a/b");
  BOOST_TEST(group_in(kText, "name=systemd") == "/s");
  BOOST_TEST(group_in(kText, "") == "/u:x");
  BOOST_TEST(group_in(kText, "pids") == "");
  BOOST_TEST(group_in("nonsense\n", "cpu") == "");
}

BOOST_AUTO_TEST_CASE(a_stat_line_is_read_past_any_command_name) {
  const std::string tail =
      " S 41 42 43 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 200 18446744073709551615\n";
  for (const char* const name : {"(sh)", "(a b) c)", "()) S 1 2 3)"}) {
    const auto stat = parse_proc_stat("77 " + std::string(name) + tail);
    BOOST_REQUIRE(stat);
    BOOST_TEST(stat->state == 'S');
    BOOST_TEST(stat->parent == 41);
    BOOST_TEST(stat->session == 43);
    BOOST_TEST(stat->start_time == 987654U);
    BOOST_TEST(!stat->dead());
  }
  for (const char* const text : {"", "77", "77 (sh", "77 (sh)", "77 (sh) S", "77 (sh) S x y z"}) {
    BOOST_TEST(!parse_proc_stat(text).has_value(), text);
  }
}

BOOST_AUTO_TEST_SUITE_END()
