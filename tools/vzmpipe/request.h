// What the login shell of the migration account lets in (spec F3.17).
#pragma once

#include <span>
#include <string>

#include "runtime/kernel/result.h"

namespace twinhull::tools {

/// `argv` as sshd calls a login shell: [shell, "-c", COMMAND]. Success only for the one command
/// that starts the migration service, spelled as vzmigrate spells it: no shell ever sees the text.
/// Errors: not_permitted (exit 1) with what was asked for, shortened and without control
/// characters.
Status check_pipe_request(std::span<const std::string> argv);

/// The words of that command.
inline constexpr const char* kPipeProgram = "vzmigrate";
inline constexpr const char* kPipeOption = "--serve";

}  // namespace twinhull::tools
