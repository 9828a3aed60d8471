// Operation sequences: commands × faults × time against the simulator, with the scenario engine's
// invariants as oracle. Two phases: anything may fail and nothing may be lost; then the faults stop
// and everything must converge. A failing case is printed as a scenario that repeats it.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fuzz/base_stage.h"
#include "fuzz/operation_grammar.h"
#include "fuzz/oracle.h"

using namespace twinhull;

namespace {

constexpr std::size_t kMostSteps = 24;

class Performance {
 public:
  explicit Performance(fuzz::ByteSource source)
      : plan_(fuzz::base_scenario()), player_(plan_, fuzz::base_stage()), source_(source) {}

  void play() {
    while (!source_.empty() && plan_.steps.size() < kMostSteps) {
      scenario::Step next = fuzz::next_step(source_);
      // A node that an armed cut has put out is booted by its operator before anything else.
      for (const scenario::NodePlan& node : plan_.nodes)
        if (!player_.stage().is_on(node.name)) step(fuzz::boot(node.name));
      step(std::move(next));
    }
    converge();
  }

 private:
  void step(scenario::Step step) {
    plan_.steps.push_back(std::move(step));
    if (player_.play(plan_.steps.size() - 1)) return;
    fuzz::require(false, player_.report().problem, fuzz::as_yaml(plan_));
  }

  /// Faults stop: every command must work again, and nothing may be left over.
  void converge() {
    for (scenario::Step& repair : fuzz::repairs()) {
      // power_on of a node that has power is a mistake of the scenario, not a repair.
      const auto* fault = std::get_if<scenario::FaultStep>(&repair.action);
      if (fault != nullptr && fault->kind == scenario::FaultStep::Kind::power_on &&
          player_.stage().is_on(fault->node))
        continue;
      step(std::move(repair));
    }
    for (scenario::Step& command : fuzz::closing_commands()) step(std::move(command));
  }

  scenario::Scenario plan_;
  scenario::Player player_;
  fuzz::ByteSource source_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 512) return 0;
  Performance(fuzz::ByteSource(data, size)).play();
  return 0;
}
