#include "fuzz/base_stage.h"

#include "fuzz/oracle.h"
#include "scenarios/engine/invariants.h"
#include "tools/stages/sim_stage.h"

namespace twinhull::fuzz {
namespace {

std::string run_or_abort(scenario::Stage& stage, std::vector<std::string> words) {
  std::string line;
  for (const std::string& word : words) line += word + " ";
  const auto id = stage.start({"n1", std::move(words), ""});
  require(id.has_value(), "the base world takes commands", line);
  const auto end = stage.wait(*id, seconds(600));
  require(end.has_value() && end->exit_code == 0, "the base world can be made",
          line + (end ? end->error : end.error().message()));
  return end->out;
}

}  // namespace

const scenario::Scenario& base_scenario() {
  // Function-local: libFuzzer has no place of its own for state that outlives one input.
  static const scenario::Scenario plan = [] {
    scenario::Scenario made;
    made.file = "fuzz.yaml";
    made.name = "fuzz";
    made.area = "lifecycle";
    for (const char* name : {"n1", "n2"}) {
      scenario::NodePlan node;
      node.name = name;
      node.cpus = 2;
      node.memory = {std::uint64_t{2} << 30};
      node.disk = {std::uint64_t{4} << 30};
      made.nodes.push_back(node);
    }
    scenario::LinkPlan cable;
    cable.a = "n1";
    cable.b = "n2";
    made.links.push_back(cable);
    scenario::TemplatePlan busybox;
    busybox.name = "busybox";
    made.templates.push_back(busybox);
    // The grammar makes this one anywhere; the others must stay on exactly one node.
    made.twins = {CtId{103}};
    return made;
  }();
  return plan;
}

std::unique_ptr<scenario::Stage> base_stage() {
  static const std::unique_ptr<scenario::Stage> original = [] {
    auto stage = tools::make_sim_stage();
    const Status built = stage->build(base_scenario(), 1);
    require(built.has_value(), "the base world can be built",
            built ? "" : built.error().message());
    run_or_abort(*stage, {"vzctl", "create", "101", "--ostemplate", "busybox", "--name", "web",
                          "--ipadd", "10.0.0.1"});
    run_or_abort(*stage, {"vzctl", "create", "102", "--ostemplate", "busybox"});
    run_or_abort(*stage, {"vzctl", "start", "101"});
    return stage;
  }();
  auto branch = original->branch();
  require(branch.has_value(), "a world at rest can be branched",
          branch ? "" : branch.error().message());
  return std::move(*branch);
}

Sandbox::Sandbox() : stage_(base_stage()) {}

Result<scenario::CommandEnd> Sandbox::run(const std::string& node,
                                          const std::vector<std::string>& words) {
  TH_ASSIGN(const auto id, stage_->start({node, words, ""}));
  auto end = stage_->wait(id, seconds(3600));
  if (!end) {
    timed_out_ = true;
    static_cast<void>(stage_->kill(id));
  }
  return end;
}

void Sandbox::require_sound() {
  const Status books = stage_->check();
  require(books.has_value(), "the world's books are right", books ? "" : books.error().message());
  // A killed command leaves what the next one cleans up: then only what is always true.
  scenario::InvariantScope scope;
  scope.nodes = {"n1", "n2"};
  scope.twins = {base_scenario().twins.begin(), base_scenario().twins.end()};
  if (timed_out_) scope.strictness = scenario::Strictness::disturbed;
  const auto found = scenario::violations(*stage_, scope, {});
  require(found.empty(), "nothing leaked", found.empty() ? "" : found.front());
}

}  // namespace twinhull::fuzz
