#include "backends/linux/testing/node_fixture.h"

#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "backends/linux/run_tool.h"
#include "backends/linux/testing/sweep.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/mounts.h"
#include "runtime/kernel/quotas.h"

using namespace twinhull;
using namespace twinhull::linux_backend;
using namespace twinhull::linux_backend::testing;

BOOST_AUTO_TEST_SUITE(node_fixture)

BOOST_AUTO_TEST_CASE(names_tell_their_owner) {
  BOOST_TEST(owner_of("twinhull-test-123-a", kGroupPrefix) == 123);
  BOOST_TEST(owner_of("twinhull-test-123", kGroupPrefix) == 0);
  BOOST_TEST(owner_of("twinhull-test-x-a", kGroupPrefix) == 0);
  BOOST_TEST(owner_of("twinhull", kGroupPrefix) == 0);
  BOOST_TEST(owner_of("th-abcdef", kDirectoryPrefix) == 0);
  BOOST_TEST(owner_of("th-77-n1-abcdef", kDirectoryPrefix) == 77);
}

BOOST_AUTO_TEST_CASE(two_nodes_live_side_by_side_and_leave_nothing) {
  std::string directory;
  {
    auto a = TestNode::make("a");
    BOOST_REQUIRE_MESSAGE(a, (a ? "" : a.error().message()));
    auto b = TestNode::make("b");
    BOOST_REQUIRE_MESSAGE(b, (b ? "" : b.error().message()));
    directory = (*a)->directory();
    Kernel& kernel = (*a)->kernel();
    BOOST_TEST(kernel.host().info().value().hostname == "a");
    BOOST_TEST((kernel.quotas().mechanism(**a / "/vz").value() == QuotaMechanism::btrfs_qgroup));
    const auto installed = (*a)->install_busybox();
    BOOST_REQUIRE_MESSAGE(installed, (installed ? "" : installed.error().message()));
    BOOST_TEST(kernel.files().read_symlink(**a / "/vz/template/cache/busybox/bin/ls").value() ==
               "busybox");
    const auto cable = connect_nodes(**a, "th-a", "10.9.0.1/24", **b, "th-b", "10.9.0.2/24");
    BOOST_REQUIRE_MESSAGE(cable, (cable ? "" : cable.error().message()));
    const auto ping = run_tool({"busybox", "ping", "-c1", "-W3", "10.9.0.2"}, "test");
    BOOST_REQUIRE(ping);
    BOOST_TEST(ping->exit_code == 0, ping->output);
    const auto closed = (*a)->close();
    BOOST_TEST(closed.has_value(), (closed ? "" : closed.error().message()));
  }
  BOOST_TEST(::access(directory.c_str(), F_OK) != 0);
}

BOOST_AUTO_TEST_SUITE_END()
