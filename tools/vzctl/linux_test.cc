// A container's life by commands, on the real kernel. Root only.
#include <boost/test/unit_test.hpp>
#include <chrono>

#include "backends/linux/testing/node_fixture.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/links.h"
#include "runtime/kernel/mounts.h"
#include "runtime/kernel/processes.h"
#include "tools/commands.h"
#include "tools/common/node_setup.h"
#include "tools/vzctl/split_words.h"

namespace twinhull::tools {
namespace {

using linux_backend::testing::TestNode;

struct Outcome {
  int code = -1;
  std::string out;
  std::string err;
  [[nodiscard]] std::string text() const {
    return "exit " + std::to_string(code) + "\n" + out + "stderr: " + err;
  }
};

struct RealNode {
  RealNode() {
    auto made = TestNode::make("ctl");
    BOOST_REQUIRE_MESSAGE(made, (made ? "" : made.error().message()));
    node = std::move(*made);
    layout.root = node->root();
    const Status installed = node->install_busybox();
    BOOST_REQUIRE_MESSAGE(installed, (installed ? "" : installed.error().message()));
    const Status ready = set_up_node(node->kernel(), layout);
    BOOST_REQUIRE_MESSAGE(ready, (ready ? "" : ready.error().message()));
  }
  ~RealNode() {
    const Status closed = node->close();
    BOOST_TEST(closed.has_value(), (closed ? "" : closed.error().message()));
  }

  Outcome vzctl(std::string_view words, std::string input = {}) {
    std::vector<std::string> argv{"vzctl"};
    for (std::string& word : split_words(words)) argv.push_back(std::move(word));
    CapturedConsole console;
    Session session{node->kernel(), layout, console, [&input] { return input; }};
    const auto begin = std::chrono::steady_clock::now();
    const int code = tools::vzctl(session, argv);
    const auto spent = std::chrono::steady_clock::now() - begin;
    BOOST_TEST_MESSAGE(std::chrono::duration_cast<std::chrono::microseconds>(spent).count()
                       << " us: vzctl " << words);
    return {code, console.out_text, console.error_text};
  }
  void done(std::string_view words) {
    const Outcome outcome = vzctl(words);
    BOOST_TEST(outcome.code == 0, words << ": " << outcome.text());
  }
  std::string inside(const std::string& command) {
    Outcome outcome = vzctl("exec2 101 '" + command + "'");
    while (!outcome.out.empty() && outcome.out.back() == '\n') outcome.out.pop_back();
    return outcome.code == 0 ? outcome.out : outcome.text();
  }
  std::string leaks() {
    std::string found;
    Kernel& kernel = node->kernel();
    const auto groups = kernel.cgroups().children(CgroupPath{}).value();
    for (const std::string& group : groups)
      found += "group " + group + "; ";
    const auto links = kernel.links().list(NetScope::node()).value();
    for (const LinkInfo& link : links)
      if (link.kind == LinkKind::veth) found += "device " + link.name + "; ";
    const auto mounts = kernel.mounts().list(*node / "/vz/root").value();
    for (const MountInfo& mount : mounts)
      found += "mount " + mount.target + "; ";
    const auto locks = kernel.files().list(*node / "/vz/lock").value();
    for (const DirectoryEntry& entry : locks)
      found += "lock file " + entry.name + "; ";
    const auto processes = kernel.processes().list().value();
    for (const LabeledProcess& process : processes)
      found += "process " + process.label + "; ";
    return found;
  }

  std::unique_ptr<TestNode> node;
  Layout layout;
};

BOOST_FIXTURE_TEST_SUITE(vzctl_on_linux, RealNode)

BOOST_AUTO_TEST_CASE(a_container_lives_and_leaves_nothing) {
  done("create 101 --ostemplate busybox --hostname one --ipadd 10.77.0.2 --name first");
  const Outcome started = vzctl("start first --wait");
  BOOST_TEST(started.code == 0, started.text());
  BOOST_TEST_MESSAGE(started.text());
  BOOST_TEST(vzctl("status 101").out == "VEID 101 exist mounted running\n");
  BOOST_TEST(inside("hostname; cat /etc/hostname") == "one\none");
  BOOST_TEST(inside("ip addr show venet0 | grep -c 10.77.0.2") == "1");
  BOOST_TEST(vzctl("exec 101 false").code == 8);
  BOOST_TEST(vzctl("exec2 101 exit 7").code == 7);
  BOOST_TEST(vzctl("exec2 101 nothing-there").code == 127);
  BOOST_TEST(vzctl("exec2 101 -", "echo from input").out == "from input\n");
  BOOST_TEST(vzctl("start 101").code == 32);
  BOOST_TEST(inside("echo data > /kept; cat /kept") == "data");

  done("set 101 --cpuunits 2000 --ram 64M --numproc 100 --save");
  done("set 101 --ipadd 10.77.0.3 --nameserver 192.0.2.1 --save");
  BOOST_TEST(inside("ip addr show venet0 | grep -c 10.77.0") == "2");
  BOOST_TEST(inside("cat /etc/resolv.conf") == "nameserver 192.0.2.1");
  done("set 101 --ipdel 10.77.0.2 --save");
  BOOST_TEST(inside("ip addr show venet0 | grep -c 10.77.0") == "1");
  done("set 101 --hostname two.example.org --save");
  BOOST_TEST(inside("hostname; cat /etc/hostname") == "two.example.org\ntwo.example.org");
  done("set 101 --userpasswd root:s3cret");
  BOOST_TEST(inside("grep -c \"^root:[^*!:]\" /etc/shadow") == "1");

  done("restart 101 --wait");
  BOOST_TEST(inside("cat /kept") == "data");
  const Outcome stopped = vzctl("stop 101");
  BOOST_TEST(stopped.code == 0, stopped.text());
  BOOST_TEST(stopped.out.find("timeout") == std::string::npos, stopped.text());
  BOOST_TEST(leaks() == "");
  done("start 101");
  done("stop 101 --fast");
  BOOST_TEST(leaks() == "");
  done("destroy 101");
  BOOST_TEST(!node->kernel().files().stat(*node / "/vz/private/101").value().has_value());
}

BOOST_AUTO_TEST_CASE(what_a_container_left_that_halted_by_itself_is_removed) {
  done("create 101 --ostemplate busybox --ipadd 10.77.0.2");
  done("start 101 --wait");
  const auto init = node->kernel().processes().find("101").value();
  BOOST_REQUIRE(init.has_value());
  (void)vzctl("exec 101 halt");
  BOOST_REQUIRE(node->kernel().processes().wait_gone(*init, std::chrono::seconds(20)));
  BOOST_TEST(vzctl("status 101").out == "VEID 101 exist mounted down\n");
  done("start 101");
  done("stop 101 --fast");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(refusals_have_the_codes_of_the_simulator) {
  BOOST_TEST(vzctl("start 101").code == 14);
  BOOST_TEST(vzctl("create 101 --ostemplate nothing").code == 91);
  done("create 101 --ostemplate busybox --ipadd 10.77.0.2");
  done("create 102 --ostemplate busybox --ipadd 10.77.0.2");
  BOOST_TEST(vzctl("create 101 --ostemplate busybox").code == 44);
  BOOST_TEST(vzctl("stop 101").code == 31);
  BOOST_TEST(vzctl("exec 101 true").code == 31);
  BOOST_TEST(vzctl("umount 101").code == 40);
  done("start 101");
  const Outcome conflict = vzctl("start 102");
  BOOST_TEST(conflict.code == 78, conflict.text());
  BOOST_TEST(vzctl("destroy 101").code == 32);
  done("stop 101 --fast");
  done("mount 101");
  BOOST_TEST(vzctl("destroy 101").code == 41);
  done("umount 101");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools
