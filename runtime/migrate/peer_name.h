// [USER@]HOST on a command line.
#pragma once

#include <string>

#include "runtime/kernel/channels.h"
#include "runtime/kernel/result.h"

namespace twinhull::migrate {

/// Errors: invalid_argument (exit 1) for what neither ssh nor a peer table would take.
Result<PeerAddress> parse_peer(const std::string& text);

}  // namespace twinhull::migrate
