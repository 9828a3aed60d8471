// Processes on the real kernel, beyond what the contract says for every backend. Root only.
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "backends/linux/cgroup/delegation.h"
#include "backends/linux/run_tool.h"
#include "backends/linux/testing/node_fixture.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/mounts.h"
#include "runtime/kernel/processes.h"

using namespace twinhull;
using namespace twinhull::linux_backend;
using namespace twinhull::linux_backend::testing;

namespace {

constexpr std::uint64_t bit(unsigned number) {
  return std::uint64_t{1} << number;
}

template <typename T>
T must(Result<T> result) {
  BOOST_REQUIRE_MESSAGE(result, (result ? "" : result.error().message()));
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// Options of the v2 tree, as the mount table ends its line.
std::string tree_options() {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);)
    if (const auto at = line.find(" - cgroup2 "); at != std::string::npos) return line.substr(at);
  return {};
}

bool in_first_namespace() {
  struct stat facts{};
  return ::stat("/proc/thread-self/ns/cgroup", &facts) == 0 && facts.st_ino == 0xEFFFFFFBU;
}

boost::test_tools::assertion_result decides_over_the_tree(boost::unit_test::test_unit_id) {
  const auto layout = detect_cgroup_layout();
  return layout && layout->kind == CgroupLayoutKind::v2 && in_first_namespace();
}

std::unique_ptr<TestNode> make_node() {
  TestNodeOptions options;
  options.disk = TestDisk::plain;
  return must(TestNode::make("p", options));
}

/// One node with a busybox template.
struct Node {
  Node() : node(make_node()), kernel(node->kernel()) {
    must(node->install_busybox());
    must(kernel.cgroups().create({"c1"}));
    root = *node / "/vz/template/cache/busybox";
  }
  SpawnSpec spec(std::vector<std::string> argv) const {
    SpawnSpec spec;
    spec.label = "c1";
    spec.root = root;
    spec.argv = std::move(argv);
    spec.environment = {{"PATH", "/bin:/sbin"}};
    spec.hostname = "c1";
    spec.cgroup = {"c1"};
    spec.capabilities = {bit(CAP_CHOWN) | bit(CAP_KILL) | bit(CAP_SETUID) | bit(CAP_SETGID) |
                         bit(CAP_DAC_OVERRIDE) | bit(CAP_DAC_READ_SEARCH) | bit(CAP_MKNOD)};
    return spec;
  }
  ProcessRef start(SpawnSpec wish) { return must(kernel.processes().spawn(wish)); }
  ProcessRef start() { return start(spec({"/bin/sleep", "1000"})); }
  ExecOutcome shell(ProcessRef init, const std::string& script) {
    ExecSpec wish;
    wish.argv = {"/bin/sh", "-c", script};
    wish.environment = {{"PATH", "/bin:/sbin:/usr/bin"}};
    wish.timeout = seconds(20);
    return must(kernel.processes().exec(init, wish));
  }
  std::string output(ProcessRef init, const std::string& script) {
    auto outcome = shell(init, script);
    BOOST_TEST(outcome.status.success(), script << ": " << outcome.err);
    while (outcome.out.ends_with('\n')) outcome.out.pop_back();
    return outcome.out;
  }

  std::unique_ptr<TestNode> node;
  Kernel& kernel;
  std::string root;
};

std::string field(const std::string& status, const std::string& name) {
  const auto at = status.find("\n" + name + ":\t");
  if (at == std::string::npos) return {};
  const auto begin = at + name.size() + 3;
  return status.substr(begin, status.find('\n', begin) - begin);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(linux_processes)

BOOST_AUTO_TEST_CASE(an_init_has_exactly_its_capabilities_and_a_filter) {
  Node node;
  const auto init = node.start();
  const auto status = node.output(init, "cat /proc/1/status");
  const std::string mask = "00000000080000e7";
  BOOST_TEST(field(status, "CapBnd") == mask);
  BOOST_TEST(field(status, "CapPrm") == mask);
  BOOST_TEST(field(status, "CapEff") == mask);
  BOOST_TEST(field(status, "CapInh") == "0000000000000000");
  BOOST_TEST(field(status, "CapAmb") == "0000000000000000");
  BOOST_TEST(field(status, "Seccomp") == "2");
  BOOST_TEST(field(status, "NoNewPrivs") == "0");  // setuid programs work inside
  // What is run inside is confined in the same way.
  const auto own = node.output(init, "cat /proc/self/status");
  BOOST_TEST(field(own, "CapBnd") == mask);
  BOOST_TEST(field(own, "CapEff") == mask);
  BOOST_TEST(field(own, "Seccomp") == "2");
}

BOOST_AUTO_TEST_CASE(an_init_holds_no_descriptor_of_the_node_and_leads_a_session) {
  Node node;
  const auto init = node.start();
  BOOST_TEST(node.output(init, "ls /proc/1/fd") == "0\n1\n2");
  BOOST_TEST(node.output(init, "readlink /proc/1/fd/0") == "/dev/null");
  const auto stat = node.output(init, "cut -d' ' -f5,6 /proc/1/stat");
  BOOST_TEST(stat == "1 1");  // process group and session, as its own namespace counts
}

BOOST_AUTO_TEST_CASE(the_nodes_mounts_and_switches_are_out_of_reach) {
  Node node;
  const auto init = node.start();
  const auto mounts = node.output(init, "cat /proc/1/mountinfo");
  BOOST_TEST(mounts.find(node.node->directory() + "/root/vz ") == std::string::npos, mounts);
  BOOST_TEST(mounts.find("shared:") == std::string::npos, mounts);
  BOOST_TEST(mounts.find("master:") == std::string::npos, mounts);
  // Masked: empty to look at.
  BOOST_TEST(node.output(init, "cat /proc/keys /proc/timer_list | wc -c") == "0");
  BOOST_TEST(node.output(init, "ls /sys/firmware | wc -l") == "0");
  // Read-only: also for root inside.
  for (const std::string path :
       {"/proc/sys/kernel/domainname", "/sys/class/net/lo/mtu", "/sys/fs/cgroup/pids/pids.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/cpu.max"}) {
    BOOST_TEST(!node.shell(init, "echo 1 > " + path).status.success(), path);
  }
}

BOOST_AUTO_TEST_CASE(the_container_sees_its_own_groups_as_the_top) {
  Node node;
  const auto init = node.start();
  const auto groups = node.output(init, "cat /proc/1/cgroup");
  for (std::size_t at = 0; at < groups.size();) {
    const auto end = std::min(groups.find('\n', at), groups.size());
    const auto line = groups.substr(at, end - at);
    BOOST_TEST(line.ends_with(":/"), line);
    at = end + 1;
  }
  // Its own tree of groups can be written where no limit lies: systemd needs that. A v2 tree holds
  // limits too; only with nsdelegate does the kernel keep those from the container.
  const bool v1 = ::access("/sys/fs/cgroup/cgroup.controllers", F_OK) != 0;
  const std::string top = v1 ? "/sys/fs/cgroup/systemd" : "/sys/fs/cgroup";
  const std::string make = "mkdir " + top + "/x && rmdir " + top + "/x && echo made";
  const auto options = v1 ? std::string() : tree_options();
  if (v1 || options.find("nsdelegate") != std::string::npos) {
    BOOST_TEST(node.output(init, make) == "made");
  } else {
    BOOST_TEST(!node.shell(init, make).status.success());
  }
}

// Options of the cgroup v2 tree are of the whole machine: who mounts the tree without them takes
// them from everybody. Only where that can happen: in the machine's first cgroup namespace.
BOOST_AUTO_TEST_CASE(a_start_gives_the_tree_back_what_another_program_took,
                     *boost::unit_test::precondition(decides_over_the_tree)) {
  Node node;
  const auto before = tree_options();
  BOOST_REQUIRE(before.find("nsdelegate") != std::string::npos);
  const std::string place = *node.node / "/tree";
  BOOST_REQUIRE(::mkdir(place.c_str(), 0755) == 0);
  BOOST_REQUIRE(::mount("none", place.c_str(), "cgroup2", 0, nullptr) == 0);
  ::umount(place.c_str());
  BOOST_REQUIRE(tree_options().find("nsdelegate") == std::string::npos);
  const auto init = node.start();
  BOOST_TEST(tree_options() == before);
  BOOST_TEST(node.output(init, "mkdir /sys/fs/cgroup/x && rmdir /sys/fs/cgroup/x && echo made") ==
             "made");
  BOOST_TEST(!node.shell(init, "echo 1 >/sys/fs/cgroup/pids.max").status.success());
}

BOOST_AUTO_TEST_CASE(a_guarded_program_mounts_the_tree_and_takes_nothing,
                     *boost::unit_test::precondition(decides_over_the_tree)) {
  Node node;
  const auto before = tree_options();
  const std::string place = *node.node / "/tree";
  BOOST_REQUIRE(::mkdir(place.c_str(), 0755) == 0);
  {
    const auto layout = must(detect_cgroup_layout());
    const auto guard = must(CgroupMountGuard::enter(layout));
    must(run_tool_well({"mount", "-t", "cgroup2", "none", place}, "test", place));
  }
  // It saw the whole tree, and from the same place as before.
  BOOST_TEST(::access((place + "/cgroup.subtree_control").c_str(), F_OK) == 0);
  BOOST_TEST(::access((place + "/memory.max").c_str(), F_OK) != 0);  // the top has no limit
  BOOST_TEST(::umount(place.c_str()) == 0);
  BOOST_TEST(tree_options() == before);
  BOOST_TEST(in_first_namespace());
}

BOOST_AUTO_TEST_CASE(dangerous_calls_are_refused) {
  Node node;
  const auto init = node.start();
  // mount by missing capability and by filter; a user namespace of its own by filter alone.
  BOOST_TEST(!node.shell(init, "mount -t tmpfs none /mnt").status.success());
  BOOST_TEST(!node.shell(init, "unshare -U true").status.success());
  BOOST_TEST(!node.shell(init, "dmesg").status.success());
  auto wish = node.spec({"/bin/sleep", "1000"});
  wish.label = "c2";
  wish.seccomp = false;
  const auto open = node.start(wish);
  BOOST_TEST(field(node.output(open, "cat /proc/1/status"), "Seccomp") == "0");
  BOOST_TEST(node.shell(open, "unshare -U true").status.success());
}

BOOST_AUTO_TEST_CASE(hard_limits_are_set_and_inherited_by_exec) {
  Node node;
  auto wish = node.spec({"/bin/sleep", "1000"});
  wish.limits = {{ResourceLimit::Kind::open_files, 100, 200},
                 {ResourceLimit::Kind::core_size, 0, 0}};
  const auto init = node.start(wish);
  BOOST_TEST(node.output(init, "ulimit -n; ulimit -H -n; ulimit -c") == "100\n200\n0");
}

BOOST_AUTO_TEST_CASE(nothing_is_left_of_a_spawn_that_failed) {
  Node node;
  Processes& processes = node.kernel.processes();
  auto wish = node.spec({"/bin/sleep", "1000"});
  wish.console_log = "/no/such/directory/log";
  const auto refused = processes.spawn(wish);
  BOOST_REQUIRE(!refused);
  BOOST_TEST(to_string(refused.error().code) == "not_found");
  BOOST_TEST(refused.error().detail.find("console log") != std::string::npos,
             refused.error().message());
  BOOST_TEST(must(node.kernel.cgroups().processes({"c1"})).empty());
  BOOST_TEST(::access((node.node->node_options().run_directory + "/c1.init").c_str(), F_OK) != 0);
}

BOOST_AUTO_TEST_CASE(labels_are_found_by_the_next_command) {
  Node node;
  const auto init = node.start();
  const auto other = must(node.node->open());
  BOOST_TEST((must(other->processes().find("c1")) == init));
  BOOST_TEST(must(other->processes().list()).size() == 1);
  must(other->processes().signal(init, Signal::kill));
  must(other->processes().wait_gone(init, seconds(5)));
  BOOST_TEST(!must(node.kernel.processes().find("c1")).has_value());
  BOOST_TEST(::access((node.node->node_options().run_directory + "/c1.init").c_str(), F_OK) != 0);
}

BOOST_AUTO_TEST_CASE(links_in_a_root_lead_no_mount_out_of_it) {
  Node node;
  const auto root = *node.node / "/vz/evil";
  Files& files = node.kernel.files();
  must(files.make_directory(root));
  must(files.make_directory(root + "/bin"));
  must(files.make_symlink("/tmp", root + "/proc"));
  auto wish = node.spec({"/bin/busybox"});
  wish.root = root;
  const auto refused = node.kernel.processes().spawn(wish);
  BOOST_REQUIRE(!refused);
  BOOST_TEST(refused.error().detail.find("/proc") != std::string::npos, refused.error().message());
}

BOOST_AUTO_TEST_CASE(a_user_namespace_makes_root_an_ordinary_user) {
  Node node;
  const auto root = *node.node / "/vz/mapped";
  must(node.kernel.files().copy_tree(node.root, root));
  must(node.kernel.files().set_owner(root, {.uid = 200000, .gid = 200000}));
  auto wish = node.spec({"/bin/sleep", "1000"});
  wish.root = root;
  wish.user_namespace = IdMapping{.base = 200000, .count = 65536};
  const auto init = node.start(wish);
  BOOST_TEST(node.output(init, "id -u") == "0");
  BOOST_TEST(node.output(init, "cat /proc/self/uid_map | tr -s ' '") == " 0 200000 65536");
  struct stat facts{};
  BOOST_REQUIRE(::stat(("/proc/" + std::to_string(init.pid)).c_str(), &facts) == 0);
  BOOST_TEST(facts.st_uid == 200000U);
  BOOST_TEST(node.output(init, "echo x > /dev/null; head -c 3 /dev/zero | wc -c") == "3");
}

BOOST_AUTO_TEST_CASE(a_user_namespace_maps_the_owners_of_a_root_or_says_why_not) {
  Node node;
  auto wish = node.spec({"/bin/sleep", "1000"});
  wish.user_namespace = IdMapping{};
  const auto init = node.start(wish);  // idmapped mount of an ordinary file system
  BOOST_TEST(node.output(init, "stat -c %u /bin/busybox") == "0");
  // An overlay has no idmapped mounts: refused with the way out, not started half.
  for (const char* const name : {"/vz/u", "/vz/w", "/vz/m"}) {
    must(node.kernel.files().make_directory(*node.node / name));
  }
  must(node.kernel.mounts().overlay(
      *node.node / "/vz/m",
      {.lowers = {node.root}, .upper = *node.node / "/vz/u", .work = *node.node / "/vz/w"}));
  wish.label = "c2";
  wish.root = *node.node / "/vz/m";
  const auto refused = node.kernel.processes().spawn(wish);
  BOOST_REQUIRE(!refused);
  BOOST_TEST(to_string(refused.error().code) == "not_supported", refused.error().message());
  BOOST_TEST(refused.error().hint.find("chown") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_timeout_takes_the_whole_tree) {
  Node node;
  const auto init = node.start();
  ExecSpec wish;
  wish.argv = {"/bin/sh", "-c", "sleep 71 & (sleep 72; true) & sh -c 'sleep 73; true'; true"};
  wish.timeout = milliseconds(400);
  const auto refused = node.kernel.processes().exec(init, wish);
  BOOST_REQUIRE(!refused);
  BOOST_TEST(to_string(refused.error().code) == "timed_out");
  BOOST_TEST(must(node.kernel.cgroups().processes({"c1"})).size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_daemon_started_by_exec_does_not_hold_it) {
  Node node;
  const auto init = node.start();
  const auto begin = node.kernel.clock().now();
  const auto outcome = node.shell(init, "sleep 30 & echo started");
  BOOST_TEST(outcome.out == "started\n");
  BOOST_TEST((node.kernel.clock().now() - begin < seconds(5)));
}

BOOST_FIXTURE_TEST_CASE(attributes_of_files_are_the_profiles_affair, Node) {
  auto open = spec({"/bin/sleep", "1000"});
  open.seccomp = false;
  const auto free = start(open);
  const std::string change = "touch /tmp/f; /usr/bin/chattr +A /tmp/f";
  if (!shell(free, "test -x /usr/bin/chattr").status.success()) return;
  BOOST_TEST_MESSAGE("without a profile: " << shell(free, change).err);
  must(kernel.processes().signal(free, Signal::kill));
  must(kernel.processes().wait_gone(free, seconds(10)));
  // For what init does and for what is run inside alike.
  const auto init = start(spec({"/bin/sh", "-c", change + " 2> /tmp/err; sleep 1000; exit"}));
  const auto refused = shell(init, change);
  BOOST_TEST(!refused.status.success());
  BOOST_TEST(refused.err.find("not supported") != std::string::npos, refused.err);
  output(init,
         "for i in 1 2 3 4 5 6 7 8 9; do grep 'not supported' /tmp/err && exit; sleep 1; done; "
         "exit 1");
}

BOOST_FIXTURE_TEST_CASE(an_adjustment_needs_the_right_only_below_zero, Node) {
  auto wish = spec({"/bin/sleep", "1000"});
  wish.oom_adjust = 250;
  const auto init = start(wish);
  BOOST_TEST(must(kernel.processes().facts(init)).oom_adjust == 250);
  // It is the caller's right that counts, and a value that was given can be taken back.
  BOOST_TEST((must(kernel.processes().set_oom_adjust(init, 0)) == Effect::changed));
  BOOST_TEST(must(kernel.processes().facts(init)).oom_adjust == 0);
}

BOOST_AUTO_TEST_SUITE_END()
