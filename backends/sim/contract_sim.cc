// The contract suite on the simulator: every case plain, then twice through a recorder, where both
// recordings and both worlds must be equal.
#include <fmt/format.h>

#include <boost/test/unit_test.hpp>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "backends/sim/world.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/contract/containers.h"
#include "runtime/kernel/contract/services.h"
#include "runtime/kernel/contract/suite.h"
#include "runtime/kernel/decorators/trace_recorder.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/intercept.h"

namespace {

namespace ut = boost::unit_test;
using namespace twinhull;

constexpr std::uint64_t kSeed = 20110303;

/// What a case did, for comparison with its second run.
struct Play {
  Recording recording;
  std::uint64_t world = 0;
};

class SimStage : public contract::ContractStage {
 public:
  static Status build(sim::World& world) {
    for (const char* name : {"n1", "n2"}) {
      sim::NodeSpec node;
      node.name = name;
      TH_TRY(world.add_node(node));
    }
    TH_TRY(world.add_link({"n1", "n2"}));
    TH_TRY(world.install_template("n1", kTemplate, {"busybox"}));
    for (const char* name : {"n1", "n2"}) {
      Files& files = world.kernel(name).files();
      for (const char* directory : {kScratch, kQuota}) TH_TRY(files.make_directory(directory));
      TH_TRY(files.sync("/"));
    }
    return {};
  }

  Kernel& kernel() override { return world_.kernel("n1"); }
  Kernel& peer() override { return world_.kernel("n2"); }
  PeerAddress peer_address() override { return {"", "n2"}; }
  std::string scratch() override { return kScratch; }
  std::string peer_scratch() override { return kScratch; }
  std::string template_tree() override { return kTemplate; }
  std::string quota_area() override { return kQuota; }

  Status serve_contract_services() override {
    for (const std::string& name : contract::service_names())
      world_.set_service(name, [name](Kernel& node, Channel& channel) {
        // What a service could not do shows at the other end of its channel.
        if (const Status served = contract::run_service(name, channel, node); !served) channel.close();
      });
    world_.set_service(std::string(contract::kVanish), [this](Kernel&, Channel&) {
      if (const Status off = world_.power_off("n2"); !off) BOOST_ERROR(off.error().message());
    });
    world_.set_service(std::string(contract::kTreeVanish), [this](Kernel& node, Channel& channel) {
      const auto cut = world_.start("n1", "cut", [this](Kernel& kernel) {
        const Status slept = kernel.clock().sleep(contract::kVanishAfter);
        const Status off = slept ? world_.power_off("n2") : slept;
        const Status on = off ? world_.power_on("n2") : off;
        if (!on) BOOST_ERROR(on.error().message());
        return 0;
      });
      if (!cut) BOOST_ERROR(cut.error().message());
      // The power goes before it can end well.
      static_cast<void>(contract::run_service("tree-sink", channel, node));
    });
    return {};
  }

  Status power_cycle() override {
    TH_TRY(world_.power_off("n1"));
    return world_.power_on("n1");
  }

  Status tear_down() override {
    if (!world_.is_on("n2")) TH_TRY(world_.power_on("n2"));
    TH_TRY(contract::clean_node(world_.kernel("n1"), kScratch, kQuota));
    TH_TRY(contract::clean_node(world_.kernel("n2"), kScratch, kQuota));
    return world_.check();
  }

 protected:
  static constexpr const char* kScratch = "/scratch";
  static constexpr const char* kQuota = "/quota";
  static constexpr const char* kTemplate = "/vz/template/cache/busybox";

  sim::World world_{kSeed};

 public:
  Status build() { return build(world_); }
};

/// The same through intercept(), so that the decorators are held to the contract too.
class RecordedStage final : public SimStage {
 public:
  explicit RecordedStage(std::map<std::string, Play>& plays) : plays_(plays) {}

  // A power cut makes another kernel: wrap each boot's once.
  Kernel& kernel() override {
    Kernel& inner = SimStage::kernel();
    if (!wrapped_.contains(&inner)) {
      TraceOptions options;
      options.clock = &inner.clock();
      recorders_.push_back(std::make_unique<TraceRecorder>(options));
      wrapped_[&inner] = intercept(inner, *recorders_.back());
    }
    return *wrapped_[&inner];
  }

  Status tear_down() override {
    Play play;
    for (const auto& recorder : recorders_) {
      const Recording part = recorder->recording();
      play.recording.count += part.count;
      for (const TraceRecord& record : part.records) {
        play.recording.digest = extend_digest(play.recording.digest, record);
        play.recording.records.push_back(record);
      }
    }
    play.world = world_.digest();
    const auto& current = ut::framework::current_test_case();
    const std::string name = ut::framework::get<ut::test_suite>(current.p_parent_id).p_name.get() +
                             "/" + current.p_name.get();
    const auto [first, is_first] = plays_.emplace(name, play);
    if (!is_first) {
      const auto difference = first_difference(first->second.recording, play.recording);
      if (difference) BOOST_ERROR("the second run differs: " << *difference);
      BOOST_CHECK_EQUAL(first->second.world, play.world);
    }
    return SimStage::tear_down();
  }

 private:
  std::map<std::string, Play>& plays_;
  std::vector<std::unique_ptr<TraceRecorder>> recorders_;
  std::map<Kernel*, std::unique_ptr<Kernel>> wrapped_;  // looked up only: the order decides nothing
};

template <typename Stage, typename... Arguments>
Result<std::unique_ptr<contract::ContractStage>> make_stage(Arguments&... arguments) {
  auto stage = std::make_unique<Stage>(arguments...);
  TH_TRY(stage->build());
  return stage;
}

bool register_cases() {
  const auto plays = std::make_shared<std::map<std::string, Play>>();
  const auto recorded = [plays] { return make_stage<RecordedStage>(*plays); };
  contract::register_contract({"sim", [] { return make_stage<SimStage>(); }, true});
  contract::register_contract({"sim_recorded", recorded, true});
  contract::register_contract({"sim_again", recorded, true});
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  return ut::unit_test_main(register_cases, argc, argv);
}
