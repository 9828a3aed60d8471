#include "scenarios/engine/needs.h"

#include <fmt/format.h>

#include "runtime/kernel/host.h"

namespace twinhull::scenario {

Result<std::optional<std::string>> missing_feature(Kernel& kernel, const Scenario& scenario) {
  for (const Feature feature : scenario.needs) {
    TH_ASSIGN(const Support support, kernel.host().supports(feature));
    if (!support.available)
      return std::optional(fmt::format("needs {}: {}", to_string(feature), support.reason));
  }
  return std::optional<std::string>();
}

}  // namespace twinhull::scenario
