// Gathers the rows of vzlist: whole tables once, each container only for what is needed.
#pragma once

#include <string>
#include <vector>

#include "runtime/config/node_config.h"
#include "runtime/kernel/result.h"
#include "runtime/node/session.h"
#include "tools/vzlist/row.h"

namespace twinhull::tools::list {

struct Selection {
  enum class Life : std::uint8_t { running, stopped, all };
  Life life = Life::running;
  std::vector<CtId> only;  ///< empty = every container
  Needs needs;
};

struct Collected {
  std::vector<Row> rows;              ///< by number
  std::vector<std::string> warnings;  ///< unreadable configurations and figures
};

/// Errors: those of the ports for the whole tables; what fails for one container is a warning.
Result<Collected> collect(Session& session, const NodeConfig& node, const Selection& selection);

}  // namespace twinhull::tools::list
