#include "tools/vzctl/real_node.h"

#include <boost/test/unit_test.hpp>
#include <chrono>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/links.h"
#include "runtime/kernel/mounts.h"
#include "runtime/kernel/processes.h"
#include "tools/commands.h"
#include "tools/common/node_setup.h"
#include "tools/vzctl/split_words.h"

namespace twinhull::tools {

using linux_backend::testing::TestNode;

RealNode::RealNode(const linux_backend::testing::TestNodeOptions& options) {
  auto made = TestNode::make("ctl", options);
  BOOST_REQUIRE_MESSAGE(made, (made ? "" : made.error().message()));
  node_ = std::move(*made);
  layout_.root = node_->root();
  const Status installed = node_->install_busybox();
  BOOST_REQUIRE_MESSAGE(installed, (installed ? "" : installed.error().message()));
  const Status ready = set_up_node(node_->kernel(), layout_);
  BOOST_REQUIRE_MESSAGE(ready, (ready ? "" : ready.error().message()));
}

RealNode::~RealNode() {
  const Status closed = node_->close();
  BOOST_TEST(closed.has_value(), (closed ? "" : closed.error().message()));
}

RealNode::Outcome RealNode::vzctl(std::string_view words, std::string input) {
  std::vector<std::string> argv{"vzctl"};
  for (std::string& word : split_words(words)) argv.push_back(std::move(word));
  CapturedConsole console;
  Session session{node_->kernel(), layout_, console, [&input] { return input; }};
  const auto begin = std::chrono::steady_clock::now();
  const int code = tools::vzctl(session, argv);
  const auto spent = std::chrono::steady_clock::now() - begin;
  BOOST_TEST_MESSAGE(std::chrono::duration_cast<std::chrono::microseconds>(spent).count()
                     << " us: vzctl " << words);
  return {code, console.out_text, console.error_text};
}

int RealNode::enter() {
  CapturedConsole console;
  Session session{node_->kernel(), layout_, console};
  session.own_streams = true;
  return tools::vzctl(session, std::vector<std::string>{"vzctl", "enter", "101"});
}

void RealNode::done(std::string_view words) {
  const Outcome outcome = vzctl(words);
  BOOST_TEST(outcome.code == 0, words << ": " << outcome.text());
}

std::string RealNode::inside(const std::string& command) {
  Outcome outcome = vzctl("exec2 101 '" + command + "'");
  while (!outcome.out.empty() && outcome.out.back() == '\n') outcome.out.pop_back();
  return outcome.code == 0 ? outcome.out : outcome.text();
}

std::string RealNode::leaks() {
  std::string found;
  Kernel& kernel = node_->kernel();
  const auto groups = kernel.cgroups().children(CgroupPath{}).value();
  for (const std::string& group : groups)
    found += "group " + group + "; ";
  const auto links = kernel.links().list(NetScope::node()).value();
  for (const LinkInfo& link : links)
    if (link.kind == LinkKind::veth) found += "device " + link.name + "; ";
  const auto mounts = kernel.mounts().list(*node_ / "/vz/root").value();
  for (const MountInfo& mount : mounts)
    found += "mount " + mount.target + "; ";
  const auto locks = kernel.files().list(*node_ / "/vz/lock").value();
  for (const DirectoryEntry& entry : locks)
    found += "lock file " + entry.name + "; ";
  const auto processes = kernel.processes().list().value();
  for (const LabeledProcess& process : processes)
    found += "process " + process.label + "; ";
  return found;
}

}  // namespace twinhull::tools
