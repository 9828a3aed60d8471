// A program enters a control group of the node: what CT 0 and the tools' group are made of.
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <fstream>
#include <iterator>

#include "backends/linux/testing/node_fixture.h"
#include "runtime/kernel/cgroups.h"

using namespace twinhull;
using namespace twinhull::linux_backend;
using namespace twinhull::linux_backend::testing;

namespace {

std::string own_groups() {
  std::ifstream stream("/proc/self/cgroup");
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_program_enters_a_group_and_is_counted_there) {
  TestNodeOptions options;
  options.disk = TestDisk::plain;
  auto node = TestNode::make("enter", options);
  BOOST_REQUIRE_MESSAGE(node, (node ? "" : node.error().message()));
  Kernel& kernel = (*node)->kernel();
  const CgroupPath group{"2"};
  const Status missing = enter_group((*node)->node_options(), group);
  BOOST_REQUIRE(!missing.has_value());
  BOOST_CHECK(missing.error().code == ErrorCode::not_found);
  BOOST_REQUIRE(kernel.cgroups().create(group).has_value());
  BOOST_REQUIRE(kernel.cgroups().set_memory(group, {{std::uint64_t{64} << 20}, {}}).has_value());
  int started[2];
  BOOST_REQUIRE(::pipe(started) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool inside =
        enter_group((*node)->node_options(), group).has_value() &&
        own_groups().find((*node)->node_options().cgroup_prefix + "/2") != std::string::npos;
    const char word = inside ? 'y' : 'n';
    if (::write(started[1], &word, 1) != 1) ::_exit(1);
    ::pause();
    ::_exit(0);
  }
  char word = 0;
  BOOST_REQUIRE(::read(started[0], &word, 1) == 1);
  BOOST_TEST(word == 'y');
  const auto inside = kernel.cgroups().processes(group).value();
  BOOST_REQUIRE_EQUAL(inside.size(), 1U);
  BOOST_TEST(inside[0].pid == child);
  BOOST_TEST(own_groups().find((*node)->node_options().cgroup_prefix) == std::string::npos);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(started[0]);
  ::close(started[1]);
  const Status closed = (*node)->close();
  BOOST_TEST(closed.has_value(), (closed ? "" : closed.error().message()));
}
