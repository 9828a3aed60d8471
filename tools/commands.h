// All command line programs of the runtime by name, for the programs themselves, scenarios and fuzzing.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "runtime/node/session.h"

namespace twinhull::tools {

/// The command with this name ("vzctl", "vzlist", "vzsplit" …), nullptr when there is none.
CommandFunction find_command(std::string_view name);

int vzctl(Session& session, std::span<const std::string> argv);
int vzlist(Session& session, std::span<const std::string> argv);
int vzmigrate(Session& session, std::span<const std::string> argv);
int vzmlocal(Session& session, std::span<const std::string> argv);
int vzmtemplate(Session& session, std::span<const std::string> argv);
int vzmpipe(Session& session, std::span<const std::string> argv);
int vzmsetkey(Session& session, std::span<const std::string> argv);
int vzubc(Session& session, std::span<const std::string> argv);
int vzasysd(Session& session, std::span<const std::string> argv);
int vz(Session& session, std::span<const std::string> argv);
int vzstat(Session& session, std::span<const std::string> argv);

// Physical servers that become containers (spec F9.4-F9.8).
int vzhwcalc(Session& session, std::span<const std::string> argv);
int vzp2v(Session& session, std::span<const std::string> argv);

// Configurations (spec F4.34-F4.38) and what was promised by them.
int vzsplit(Session& session, std::span<const std::string> argv);
int vzcfgscale(Session& session, std::span<const std::string> argv);
int vzcfgvalidate(Session& session, std::span<const std::string> argv);
int vzcfgconvert(Session& session, std::span<const std::string> argv);
int vzcpucheck(Session& session, std::span<const std::string> argv);
int vzmemcheck(Session& session, std::span<const std::string> argv);
int vzcalc(Session& session, std::span<const std::string> argv);
int vzcheckovr(Session& session, std::span<const std::string> argv);
int vzdiskcheck(Session& session, std::span<const std::string> argv);

}  // namespace twinhull::tools
