// `vzctl explain`: gathers what resource::explain needs from a node.
#pragma once

#include <string>
#include <vector>

#include "runtime/container/context.h"
#include "runtime/resource/explain.h"

namespace twinhull::container {

struct ExplainedContainer {
  CtId id;
  std::string name;   ///< may be empty
  std::string state;  ///< as vzlist: "running", "stopped" …
  std::vector<resource::Explanation> limits;
};

/// Takes no lock and changes nothing. `parameters` are options of vzctl set, or empty for all that
/// act. Errors: exit 14, 19 (no such parameter, or none that limits), those of the ports.
Result<ExplainedContainer> explain(Context& context, CtId id,
                                   const std::vector<std::string>& parameters);

}  // namespace twinhull::container
