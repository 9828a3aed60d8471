// What is decided before a child is born.
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <string>
#include <vector>

#include "backends/linux/process/container_plan.h"
#include "backends/linux/process/identity.h"
#include "backends/linux/process/launch.h"
#include "backends/linux/process/records.h"

using namespace twinhull;
using namespace twinhull::linux_backend;

namespace {

CgroupLayout hybrid() {
  CgroupLayout layout;
  layout.kind = CgroupLayoutKind::hybrid;
  layout.hierarchies = {{"/sys/fs/cgroup/cpu,cpuacct", "/", {"cpu", "cpuacct"}},
                        {"/sys/fs/cgroup/memory", "/", {"memory"}},
                        {"/sys/fs/cgroup/systemd", "/", {"name=systemd"}}};
  layout.unified = "/sys/fs/cgroup/unified";
  return layout;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(child_plans)

BOOST_AUTO_TEST_CASE(programs_are_looked_up_along_their_own_path) {
  const auto given = make_program({"ls", "-l"}, {{"PATH", "/a::/b"}}, "/");
  BOOST_TEST(given.candidates == (std::vector<std::string>{"/a/ls", "./ls", "/b/ls"}),
             boost::test_tools::per_element());
  BOOST_TEST(given.environment_text == std::vector<std::string>{"PATH=/a::/b"},
             boost::test_tools::per_element());
  const auto usual = make_program({"ls"}, {}, "/");
  BOOST_TEST(std::ranges::count(usual.candidates, "/usr/bin/ls") == 1);
  BOOST_TEST(usual.environment_text.empty());
  BOOST_TEST(make_program({"./ls"}, {}, "/").candidates == std::vector<std::string>{"./ls"},
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(defaults_do_not_replace_what_is_given) {
  auto program = make_program({"/init"}, {{"container", "mine"}}, "/");
  add_default(program, "container", "twinhull");
  add_default(program, "TERM", "linux");
  program.seal();
  BOOST_TEST(program.environment_text == (std::vector<std::string>{"container=mine", "TERM=linux"}),
             boost::test_tools::per_element());
  BOOST_TEST(program.environment.size() == 3U);
  BOOST_TEST(program.environment.back() == nullptr);
  BOOST_TEST(program.argv.back() == nullptr);
}

BOOST_AUTO_TEST_CASE(controllers_are_read_only_inside_and_systemds_trees_are_not) {
  const auto mounts = container_cgroup_mounts(hybrid());
  BOOST_REQUIRE_EQUAL(mounts.size(), 4U);
  BOOST_TEST(mounts[0].directory == "/sys/fs/cgroup/cpu,cpuacct");
  BOOST_TEST(mounts[0].options == "cpu,cpuacct");
  BOOST_TEST(mounts[0].aliases.size() == 2U);
  BOOST_TEST(!mounts[0].writable);
  BOOST_TEST(mounts[1].aliases.empty());
  BOOST_TEST(mounts[2].directory == "/sys/fs/cgroup/systemd");
  BOOST_TEST(mounts[2].options == "none,name=systemd");
  BOOST_TEST(mounts[2].writable);
  BOOST_TEST(mounts[3].type == "cgroup2");
  BOOST_TEST(mounts[3].writable);
}

BOOST_AUTO_TEST_CASE(a_v2_tree_is_writable_only_where_the_kernel_guards_the_limits) {
  CgroupLayout layout;
  layout.kind = CgroupLayoutKind::v2;
  layout.unified = "/sys/fs/cgroup";
  BOOST_TEST(!container_cgroup_mounts(layout).at(0).writable);
  layout.delegates = true;
  BOOST_TEST(container_cgroup_mounts(layout).at(0).writable);
  SpawnSpec spec;
  spec.argv = {"/init"};
  BOOST_TEST(plan_container(spec, layout).bind_devices);  // the device program acts from birth
  BOOST_TEST(!plan_container(spec, hybrid()).bind_devices);
  spec.user_namespace = IdMapping{};
  BOOST_TEST(plan_container(spec, hybrid()).bind_devices);
}

BOOST_AUTO_TEST_CASE(errors_of_a_child_name_the_step_and_its_object) {
  ChildPlan plan;
  plan.program = make_program({"/sbin/init"}, {}, "/work");
  const auto error = [&](ChildStep step, int number) {
    return child_error({ControlMessage::Kind::failed, step, number, 0}, plan, "processes.spawn",
                       "101");
  };
  BOOST_TEST(to_string(error(ChildStep::exec, ENOENT).code) == "not_found");
  BOOST_TEST(to_string(error(ChildStep::exec, EACCES).code) == "not_permitted");
  BOOST_TEST(error(ChildStep::exec, ENOENT).detail.find("/sbin/init") != std::string::npos);
  BOOST_TEST(error(ChildStep::directory, ENOENT).detail.find("/work") != std::string::npos);
  BOOST_TEST(error(ChildStep::limits, EPERM).hint.find("CAP_SYS_RESOURCE") != std::string::npos);
  BOOST_TEST(to_string(error(ChildStep::mqueue, ENODEV).code) == "not_supported");
  BOOST_TEST(to_string(error(ChildStep::namespaces, ENOSPC).code) == "limit_exceeded");
}

BOOST_AUTO_TEST_CASE(labels_are_checked) {
  BOOST_TEST(valid_label("101"));
  BOOST_TEST(valid_label(std::string(64, 'a')));
  for (const std::string bad : {"", ".", "..", "a/b", "a b", "a\n"}) BOOST_TEST(!valid_label(bad));
  BOOST_TEST(!valid_label(std::string(65, 'a')));
}

BOOST_AUTO_TEST_CASE(wait_statuses_tell_codes_from_signals) {
  BOOST_TEST((from_wait_status(7 << 8) == ExitStatus{.signaled = false, .value = 7}));
  BOOST_TEST((from_wait_status(9) == ExitStatus{.signaled = true, .value = 9}));
}

BOOST_AUTO_TEST_CASE(this_process_is_itself_and_no_other) {
  const auto own = process_of(::getpid());
  BOOST_REQUIRE(own);
  BOOST_TEST(is_live(*own));
  BOOST_TEST(static_cast<bool>(open_process(*own)));
  ProcessRef other = *own;
  ++other.generation;
  BOOST_TEST(!is_live(other));
  BOOST_TEST(!open_process(other));
  BOOST_TEST(!process_of(0).has_value());
  BOOST_TEST(!process_of(-1).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
