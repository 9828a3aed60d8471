// All command line programs of the runtime by name, for the programs themselves, scenarios and fuzzing.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "runtime/node/session.h"

namespace twinhull::tools {

/// The command with this name ("vzctl", "vzlist", "vzmigrate"), nullptr when there is none.
CommandFunction find_command(std::string_view name);

int vzctl(Session& session, std::span<const std::string> argv);
int vzlist(Session& session, std::span<const std::string> argv);
int vzmigrate(Session& session, std::span<const std::string> argv);

}  // namespace twinhull::tools
