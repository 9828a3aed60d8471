// libcgroup as an independent reader of what the cgroup driver wrote. v1 controllers only: 2.0.2
// does not know the others' files.
#include <libcgroup.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "backends/linux/testing/node_fixture.h"
#include "runtime/kernel/cgroups.h"

using namespace twinhull;
using namespace twinhull::linux_backend::testing;
using namespace twinhull::literals;

BOOST_AUTO_TEST_SUITE(libcgroup)

BOOST_AUTO_TEST_CASE(reads_the_limits_that_were_set) {
  BOOST_TEST_REQUIRE(std::filesystem::exists("/sys/fs/cgroup/cpu/cpu.shares") ==
                     std::filesystem::exists("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
  if (!std::filesystem::exists("/sys/fs/cgroup/memory/memory.limit_in_bytes")) {
    BOOST_TEST_MESSAGE("no v1 controllers here: nothing that libcgroup 2.0.2 could read");
    return;
  }
  auto node = TestNode::make("lcg");
  BOOST_REQUIRE_MESSAGE(node, (node ? "" : node.error().message()));
  Cgroups& groups = (*node)->kernel().cgroups();
  BOOST_REQUIRE(groups.create({"101"}).has_value());
  BOOST_REQUIRE(groups.set_cpu_shares({"101"}, {512}).has_value());
  BOOST_REQUIRE(groups.set_memory({"101"}, {64_MiB, Bytes{kUnlimited}}).has_value());
  BOOST_REQUIRE(groups.set_pids({"101"}, 33).has_value());

  BOOST_REQUIRE_EQUAL(cgroup_init(), 0);
  const std::string name = (*node)->node_options().cgroup_prefix + "/101";
  struct cgroup* group = cgroup_new_cgroup(name.c_str());
  BOOST_REQUIRE(group != nullptr);
  BOOST_REQUIRE_EQUAL(cgroup_get_cgroup(group), 0);
  const auto value = [group](const char* controller, const char* file) -> std::uint64_t {
    std::uint64_t number = 0;
    struct cgroup_controller* found = cgroup_get_controller(group, controller);
    BOOST_REQUIRE_MESSAGE(found != nullptr, controller);
    BOOST_REQUIRE_EQUAL(cgroup_get_value_uint64(found, file, &number), 0);
    return number;
  };
  BOOST_TEST(value("cpu", "cpu.shares") == 512U);
  BOOST_TEST(value("memory", "memory.limit_in_bytes") == std::uint64_t{64} << 20);
  BOOST_TEST(value("pids", "pids.max") == 33U);
  cgroup_free(&group);

  BOOST_TEST(groups.remove({"101"}).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
