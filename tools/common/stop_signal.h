// SIGINT and SIGTERM as a flag: blocking kernel calls end with `interrupted`, and the operation
// undoes itself in order.
#pragma once

#include <atomic>

namespace twinhull::tools {

/// Set once a signal asked this program to stop.
std::atomic<bool>& stop_requested();
/// Installs the handlers. A second signal kills the program at once.
void watch_stop_signals();

}  // namespace twinhull::tools
