#include "tools/stages/linux_stage.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "backends/linux/errno_error.h"
#include "backends/linux/testing/lan.h"
#include "backends/linux/testing/node_fixture.h"
#include "backends/linux/unique_fd.h"
#include "scenarios/engine/needs.h"
#include "tools/common/node_setup.h"
#include "tools/common/child_process.h"

namespace twinhull::tools {
namespace {

using linux_backend::testing::Lan;
using linux_backend::testing::TestNode;
using linux_backend::testing::TestNodeOptions;
using scenario::CallFault;
using scenario::CommandEnd;
using scenario::CommandRequest;
using scenario::LifeRecord;
using scenario::NodePlan;
using scenario::Scenario;
using scenario::StageAbilities;
using scenario::StageCommand;

class LinuxStage final : public scenario::Stage {
 public:
  explicit LinuxStage(std::string bin_directory) : bin_directory_(std::move(bin_directory)) {
    abilities_.backend = "linux";
    abilities_.signals = true;
  }
  ~LinuxStage() override {
    // Commands first: they hold mounts and control groups of the nodes.
    children_.clear();
    lan_.reset();
    // Nodes end in the namespace of their own.
    for (auto& [name, node] : nodes_) {
      // What cannot be removed is reported by the node itself.
      static_cast<void>(node->enter());
      node.reset();
    }
  }

  [[nodiscard]] const StageAbilities& abilities() const override { return abilities_; }

  Status build(const Scenario& plan, std::uint64_t) override {
    outside_ = linux_backend::UniqueFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    TestNodeOptions options;
    options.io_weights = plan.area == "io";
    for (const NodePlan& node : plan.nodes) {
      TH_ASSIGN(nodes_[node.name], TestNode::make(node.name, options));
      TestNode& made = *nodes_[node.name];
      TH_TRY(set_up_node(made.kernel(), Layout{made.root()}));
      TH_TRY(made.install_busybox());
      // A node that the scenario cannot be played on is not worth a template of a distribution.
      TH_ASSIGN(const auto missing, scenario::missing_feature(made.kernel(), plan));
      if (missing) return {};
    }
    for (const scenario::TemplatePlan& item : plan.templates)
      if (item.name != "busybox") TH_TRY(install_template(item));
    for (const auto& [name, node] : nodes_) TH_TRY(write_node_file(name));
    // One network for all, whatever cables the simulator has.
    if (!plan.links.empty()) {
      std::vector<const TestNode*> joined;
      for (const auto& [name, node] : nodes_) joined.push_back(node.get());
      TH_ASSIGN(lan_, Lan::make(joined));
    }
    start_ = std::chrono::steady_clock::now();
    return {};
  }

  Result<std::unique_ptr<Stage>> branch() override { return unable("copy real nodes"); }

  [[nodiscard]] Duration now() const override {
    return std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - start_);
  }
  Status advance(Duration length) override {
    std::this_thread::sleep_for(length);
    return {};
  }

  Result<StageCommand> start(const CommandRequest& request) override {
    const auto node = nodes_.find(request.node);
    if (node == nodes_.end())
      return fail(ErrorCode::not_found, "stage.start", request.node, "no such node");
    if (request.argv.empty()) return fail(ErrorCode::not_found, "stage.start", "", "no program");
    std::vector<std::string> argv = request.argv;
    argv[0] = bin_directory_ + "/" + argv[0];
    TH_TRY(node->second->enter());
    TH_ASSIGN(ChildProcess child,
              ChildProcess::start(
                  argv, {"TWINHULL_BACKEND=linux", "TWINHULL_NODE=" + node_file(*node->second)},
                  request.input));
    children_.emplace(++last_, std::move(child));
    return last_;
  }

  Result<std::optional<CommandEnd>> poll(StageCommand command) override {
    const auto found = children_.find(command);
    if (found == children_.end())
      return fail(ErrorCode::not_found, "stage.poll", std::to_string(command), "no such command");
    const auto code = found->second.poll();
    if (!code) return std::optional<CommandEnd>{};
    return std::optional(end_of(found->second, *code));
  }

  Result<CommandEnd> wait(StageCommand command, Duration at_most) override {
    const auto found = children_.find(command);
    if (found == children_.end())
      return fail(ErrorCode::not_found, "stage.wait", std::to_string(command), "no such command");
    const auto deadline = std::chrono::steady_clock::now() + at_most;
    while (true) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          deadline - std::chrono::steady_clock::now());
      const auto code = found->second.poll(
          std::clamp(left, std::chrono::milliseconds(1), std::chrono::milliseconds(60'000)));
      if (code) return end_of(found->second, *code);
      if (left.count() <= 0)
        return fail(ErrorCode::timed_out, "stage.wait", "command",
                    "still runs after " + scenario::duration_text(at_most) + "; stdout \"" +
                        scenario::excerpt(found->second.out()) + "\", stderr \"" +
                        scenario::excerpt(found->second.error()) + "\"");
    }
  }

  Status kill(StageCommand command) override { return signal(command, SIGKILL); }
  Status interrupt(StageCommand command) override { return signal(command, SIGINT); }

  Kernel& kernel(const std::string& name) override {
    TestNode& node = *nodes_.at(name);
    // A namespace that was entered before can be entered again; if not, the calls say so.
    static_cast<void>(node.enter());
    return node.kernel();
  }
  [[nodiscard]] Layout layout(const std::string& node) const override {
    return {nodes_.at(node)->root()};
  }
  [[nodiscard]] bool is_on(const std::string& node) const override { return nodes_.contains(node); }

  Status power_off(const std::string&) override { return unable("cut the power of a node"); }
  Status power_on(const std::string&) override { return unable("cut the power of a node"); }
  Status set_link(const std::string&, const std::string&, bool) override {
    return unable("cut a cable");
  }
  Status fill_disk(const std::string&, std::optional<Bytes>) override {
    return unable("fill a disk");
  }
  Status arm(const std::string&, std::optional<CallFault>) override {
    return unable("make a kernel call fail");
  }
  [[nodiscard]] bool armed(const std::string&) const override { return false; }
  [[nodiscard]] std::uint64_t calls(const std::string&) const override { return 0; }
  [[nodiscard]] std::vector<LifeRecord> life_records() const override { return {}; }
  [[nodiscard]] Status check() const override { return {}; }
  [[nodiscard]] std::uint64_t digest() const override { return 0; }

 private:
  static Error unable(const std::string& what) {
    return fail(ErrorCode::not_supported, "stage", "linux", "a real node cannot " + what);
  }

  Status signal(StageCommand command, int number) {
    const auto found = children_.find(command);
    if (found == children_.end())
      return fail(ErrorCode::not_found, "stage.kill", std::to_string(command), "no such command");
    found->second.signal(number);
    return {};
  }

  static CommandEnd end_of(const ChildProcess& child, int code) {
    return {code, child.signaled(), child.out(), child.error()};
  }

  /// A distribution's template, made once by vzpkg and kept beside the programs.
  Status install_template(const scenario::TemplatePlan& item) {
    const std::string kept = bin_directory_ + "/../templates";
    // A test node's network leads to no package mirror.
    if (::setns(outside_.get(), CLONE_NEWNET) != 0)
      return linux_backend::system_error("stage.build", "network namespace", errno);
    const auto run = [&](const std::vector<std::string>& argv) -> Status {
      TH_ASSIGN(ChildProcess child, ChildProcess::start(argv, {"TWINHULL_ROOT=" + kept}, ""));
      const auto code = child.poll(std::chrono::minutes(10));
      if (code == 0) return {};
      return fail(ErrorCode::failed, "stage.build", item.name,
                  fmt::format("{} ended with {}: {}", argv[0],
                              code ? std::to_string(*code) : "nothing in 10 minutes",
                              scenario::excerpt(child.error())));
    };
    TH_TRY(run({bin_directory_ + "/vzpkg", "create", "cache", item.name}));
    for (auto& [name, node] : nodes_) {
      const bool here = item.nodes.empty() ||
                        std::find(item.nodes.begin(), item.nodes.end(), name) != item.nodes.end();
      if (here)
        TH_TRY(run({"/bin/cp", "-a", kept + "/vz/template/cache/" + item.name,
                    node->root() + "/vz/template/cache/"}));
    }
    return {};
  }

  static std::string node_file(const TestNode& node) { return node.directory() + "/node.json"; }

  /// Describes a node to the programs, with the commands that reach its peers.
  Status write_node_file(const std::string& name) const {
    const TestNode& node = *nodes_.at(name);
    const auto& options = node.node_options();
    nlohmann::json peers = nlohmann::json::object();
    for (const auto& [peer, other] : nodes_)
      peers[peer] = {bin_directory_ + "/vzmigrate",
                     "--backend",
                     "linux",
                     "--node",
                     node_file(*other),
                     "--serve",
                     "{service}"};
    const nlohmann::json text = {{"name", name},
                                 {"layout_root", node.root()},
                                 {"run_directory", options.run_directory},
                                 {"cgroup_prefix", options.cgroup_prefix},
                                 {"network_namespace", options.network_namespace},
                                 {"peers", std::move(peers)}};
    std::ofstream stream(node_file(node));
    stream << text.dump(2) << '\n';
    stream.close();
    if (stream) return {};
    return fail(ErrorCode::input_output, "stage.build", node_file(node), "cannot be written");
  }

  std::string bin_directory_;
  StageAbilities abilities_;
  std::map<std::string, std::unique_ptr<TestNode>> nodes_;
  std::unique_ptr<Lan> lan_;
  linux_backend::UniqueFd outside_;  ///< the machine's network
  std::map<StageCommand, ChildProcess> children_;
  StageCommand last_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

std::unique_ptr<scenario::Stage> make_linux_stage(const std::string& bin_directory) {
  return std::make_unique<LinuxStage>(bin_directory);
}

}  // namespace twinhull::tools
