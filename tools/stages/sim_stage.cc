#include "tools/stages/sim_stage.h"

#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "backends/sim/world.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/intercept.h"
#include "runtime/kernel/processes.h"
#include "runtime/migrate/serve.h"
#include "runtime/physical/service.h"
#include "tools/commands.h"
#include "tools/common/fiber_companions.h"
#include "tools/common/node_setup.h"
#include "tools/stages/node_observer.h"

namespace twinhull::tools {
namespace {

using scenario::CallFault;
using scenario::CommandEnd;
using scenario::CommandRequest;
using scenario::LifeRecord;
using scenario::NodePlan;
using scenario::Scenario;
using scenario::StageAbilities;
using scenario::StageCommand;

/// What a command needs while it runs; shared with its fiber.
struct Running {
  Running(NodeCalls& calls, std::vector<std::string> words, std::string text)
      : observer(calls), argv(std::move(words)), input(std::move(text)) {}
  NodeObserver observer;
  CapturedConsole console;
  std::vector<std::string> argv;
  std::string input;
  std::string node;
  bool killed = false;
  std::unique_ptr<FiberCompanions> companions;
};

class SimStage final : public scenario::Stage {
 public:
  SimStage() {
    abilities_.backend = "sim";
    abilities_.virtual_time = abilities_.power = abilities_.links = abilities_.disk = true;
    abilities_.call_faults = abilities_.signals = abilities_.life_events = abilities_.digest = true;
  }

  [[nodiscard]] const StageAbilities& abilities() const override { return abilities_; }

  Status build(const Scenario& plan, std::uint64_t seed) override {
    adopt(std::make_unique<sim::World>(seed));
    for (const NodePlan& node : plan.nodes) {
      sim::NodeSpec spec;
      spec.name = node.name;
      spec.cpus = node.cpus;
      spec.cpu_mhz = node.cpu_mhz;
      if (!node.cpu_features.empty()) spec.cpu_features = node.cpu_features;
      spec.memory = node.memory;
      spec.swap = node.swap;
      spec.disk = node.disk;
      spec.inodes = node.inodes;
      spec.disk_bandwidth = node.disk_bandwidth;
      spec.disk_iops = node.disk_iops;
      if (!node.kernel.empty()) spec.kernel = node.kernel;
      spec.lazy_pages = node.lazy_pages;
      spec.memory_nodes = node.memory_nodes;
      TH_TRY(world_->add_node(spec));
      TH_TRY(set_up_node(world_->kernel(node.name), Layout{}));
      for (const scenario::TemplatePlan& item : plan.templates) {
        if (!item.nodes.empty() &&
            std::find(item.nodes.begin(), item.nodes.end(), node.name) == item.nodes.end())
          continue;
        sim::TemplateSpec layer;
        layer.name = item.name;
        layer.bulk = item.bulk;
        layer.kind = item.kind == scenario::TemplatePlan::Kind::debian
                         ? sim::TemplateSpec::Kind::debian
                         : sim::TemplateSpec::Kind::busybox;
        TH_TRY(world_->install_template(node.name, "/vz/template/cache/" + item.name, layer));
      }
      watch(node.name);
    }
    for (const scenario::LinkPlan& link : plan.links)
      TH_TRY(
          world_->add_link({link.a, link.b, link.bandwidth, link.latency, link.loss_per_million}));
    world_->clear_life_events();
    start_ = world_->now();
    return {};
  }

  Result<std::unique_ptr<Stage>> branch() override {
    if (!world_->at_rest())
      return fail(ErrorCode::busy, "stage.branch", "world", "a command still runs");
    TH_ASSIGN(auto world, sim::World::load(world_->save()));
    auto copy = std::make_unique<SimStage>();
    copy->adopt(std::move(world));
    for (const auto& [name, calls] : calls_) {
      NodeCalls& there = copy->watch(name);
      there.count = calls->count;
      there.fault = calls->fault;
      there.matching = calls->matching;
    }
    copy->occupied_ = occupied_;
    copy->start_ = start_;
    return std::unique_ptr<Stage>(std::move(copy));
  }

  [[nodiscard]] Duration now() const override { return world_->now() - start_; }
  Status advance(Duration length) override {
    if (length > world_->time_left()) {
      return fail(ErrorCode::invalid_argument, "stage.advance", "", "a world lasts 200 years");
    }
    world_->advance(length);
    return {};
  }

  Result<StageCommand> start(const CommandRequest& request) override {
    const auto node = calls_.find(request.node);
    if (node == calls_.end())
      return fail(ErrorCode::not_found, "stage.start", request.node, "no such node");
    const CommandFunction function = request.argv.empty() ? nullptr : find_command(request.argv[0]);
    if (function == nullptr)
      return fail(ErrorCode::not_found, "stage.start", request.argv.empty() ? "" : request.argv[0],
                  "no such program");
    auto running = std::make_shared<Running>(*node->second, request.argv, request.input);
    running->node = request.node;
    TH_ASSIGN(const sim::CommandId id, start_running(running, function));
    running_[id] = std::move(running);
    return id;
  }

  Result<std::optional<CommandEnd>> poll(StageCommand command) override {
    const auto found = running_.find(command);
    if (found == running_.end())
      return fail(ErrorCode::not_found, "stage.poll", std::to_string(command), "no such command");
    const Running& running = *found->second;
    const auto code = world_->result(command);
    if (!code && !running.killed) return std::optional<CommandEnd>{};
    return std::optional(end_of(running, code));
  }

  Result<CommandEnd> wait(StageCommand command, Duration at_most) override {
    TH_ASSIGN(auto ended, poll(command));
    if (ended) return std::move(*ended);
    TH_ASSIGN(const int code, world_->finish(command, at_most));
    return end_of(*running_.at(command), code);
  }

  Status kill(StageCommand command) override {
    const auto found = running_.find(command);
    if (found == running_.end())
      return fail(ErrorCode::not_found, "stage.kill", std::to_string(command), "no such command");
    if (world_->result(command)) return {};
    found->second->killed = true;
    return world_->kill(command);
  }
  Status interrupt(StageCommand command) override { return world_->interrupt(command); }

  Kernel& kernel(const std::string& node) override { return world_->kernel(node); }
  [[nodiscard]] Layout layout(const std::string&) const override { return {}; }
  [[nodiscard]] bool is_on(const std::string& node) const override { return world_->is_on(node); }

  Status power_off(const std::string& node) override { return world_->power_off(node); }
  Status power_on(const std::string& node) override { return world_->power_on(node); }
  Status set_link(const std::string& a, const std::string& b, bool up) override {
    return world_->set_link_up(a, b, up);
  }
  Status fill_disk(const std::string& node, std::optional<Bytes> leave) override {
    Bytes& taken = occupied_[node];
    if (!leave) {
      taken = Bytes{0};
    } else {
      TH_ASSIGN(const DiskInfo disk, world_->kernel(node).host().disk("/vz"));
      taken = taken + disk.available - *leave;
    }
    return world_->occupy_disk(node, taken);
  }

  Status arm(const std::string& node, std::optional<CallFault> fault) override {
    const auto found = calls_.find(node);
    if (found == calls_.end()) return fail(ErrorCode::not_found, "stage.arm", node, "no such node");
    found->second->fault = std::move(fault);
    found->second->matching = 0;
    return {};
  }
  [[nodiscard]] bool armed(const std::string& node) const override {
    const auto found = calls_.find(node);
    return found != calls_.end() && found->second->fault.has_value();
  }
  [[nodiscard]] std::uint64_t calls(const std::string& node) const override {
    const auto found = calls_.find(node);
    return found == calls_.end() ? 0 : found->second->count;
  }

  [[nodiscard]] std::vector<LifeRecord> life_records() const override {
    std::vector<LifeRecord> out;
    for (const sim::LifeEvent& event : world_->life_events())
      out.push_back({event.at - start_, event.node, event.label, event.up});
    return out;
  }
  [[nodiscard]] Status check() const override { return world_->check(); }
  [[nodiscard]] std::uint64_t digest() const override { return world_->digest(); }

 private:
  Result<sim::CommandId> start_running(const std::shared_ptr<Running>& running,
                                       CommandFunction function) {
    running->companions = std::make_unique<FiberCompanions>(
        *world_, running->node,
        [&calls = *calls_.at(running->node), function](Kernel& kernel, Console& console,
                                                       const std::vector<std::string>& argv) {
          NodeObserver observer(calls);
          const auto watched = intercept(kernel, observer);
          Session session{*watched, Layout{}, console};
          return function(session, argv);
        });
    const auto body = [running, function](Kernel& kernel) {
      const auto watched = intercept(kernel, running->observer);
      Session session{*watched, Layout{}, running->console, [running] { return running->input; }};
      session.companions = running->companions.get();
      return function(session, running->argv);
    };
    return world_->start(running->node, line_of(running->argv), body);
  }

  static std::string line_of(const std::vector<std::string>& argv) {
    std::string line;
    for (const std::string& word : argv) line += (line.empty() ? "" : " ") + word;
    return line;
  }

  void adopt(std::unique_ptr<sim::World> world) {
    world_ = std::move(world);
    offer(kMigrationService, [](Kernel& kernel, Channel& channel) {
      return serve_migration(kernel, Layout{}, channel);
    });
    offer(kMachineService, &serve_machine);
  }

  void offer(const char* name, Status (*serve)(Kernel& kernel, Channel& channel)) {
    world_->set_service(name, [this, serve](Kernel& kernel, Channel& channel) {
      // A service runs on the node whose kernel it was given; that node's faults act on it too.
      const auto info = kernel.host().info();
      const auto node = info ? calls_.find(info->hostname) : calls_.end();
      if (node == calls_.end()) return;
      NodeObserver observer(*node->second);
      const auto watched = intercept(kernel, observer);
      const auto wire = intercept_channel(channel, "peer", observer);
      // The peer is told about errors; there is nobody else to tell.
      static_cast<void>(serve(*watched, *wire));
    });
  }

  NodeCalls& watch(const std::string& node) {
    auto& calls = calls_[node];
    calls = std::make_unique<NodeCalls>();
    // Off already: the cut has happened by other means.
    calls->cut_power = [this, node] { static_cast<void>(world_->power_off(node)); };
    calls->cut_all_power = [this] {
      for (const auto& item : calls_) static_cast<void>(world_->power_off(item.first));
    };
    // Outside a command there is nothing to kill, and the call is refused all the same.
    calls->kill_caller = [this] { static_cast<void>(world_->kill_caller()); };
    calls->cut_links = [this, node] {
      for (const sim::LinkSpec& link : world_->links())
        if (link.a == node || link.b == node)
          static_cast<void>(world_->set_link_up(link.a, link.b, false));
    };
    // An operation of the stage itself: a node without disk is no node.
    calls->fill_disk = [this, node] { static_cast<void>(fill_disk(node, Bytes{0})); };
    return *calls;
  }

  static CommandEnd end_of(const Running& running, std::optional<int> code) {
    CommandEnd end;
    end.killed = running.killed || running.observer.killed();
    end.exit_code = end.killed ? 137 : code.value_or(137);
    end.out = running.console.out_text;
    end.error = running.console.error_text;
    return end;
  }

  StageAbilities abilities_;
  // The world is destroyed first: its fibers use what stands above it.
  std::map<std::string, std::unique_ptr<NodeCalls>> calls_;
  std::map<StageCommand, std::shared_ptr<Running>> running_;
  std::map<std::string, Bytes> occupied_;
  Instant start_{};
  std::unique_ptr<sim::World> world_;
};

}  // namespace

std::unique_ptr<scenario::Stage> make_sim_stage() {
  return std::make_unique<SimStage>();
}

}  // namespace twinhull::tools
