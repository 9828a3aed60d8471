// Scenario files: any text is either a scenario or a list of mistakes with line and column.
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/oracle.h"
#include "scenarios/engine/scenario.h"

using namespace twinhull;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  scenario::Diagnostics problems;
  const auto reader = [](const std::string& path) -> std::optional<std::string> {
    if (path == "trace.csv") return "vm,s0,s1\na,10,20\n";
    return std::nullopt;
  };
  const auto parsed = scenario::parse_scenario(text, "fuzz.yaml", reader, problems);
  if (!parsed) {
    fuzz::require(!problems.empty(), "a refused scenario has a reason");
    return 0;
  }
  fuzz::require(!parsed->nodes.empty(), "a scenario has a node");
  for (const scenario::Step& step : parsed->steps)
    if (const auto* run = std::get_if<scenario::RunStep>(&step.action)) {
      fuzz::require(!run->argv.empty(), "a command has a name");
      fuzz::require(parsed->node(run->node) != nullptr, "a command runs on a known node");
    }
  return 0;
}
