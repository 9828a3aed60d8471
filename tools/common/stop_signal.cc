#include "tools/common/stop_signal.h"

#include <csignal>

namespace twinhull::tools {

std::atomic<bool>& stop_requested() {
  // A signal handler can reach nothing but static storage.
  static std::atomic<bool> flag = false;
  return flag;
}

void watch_stop_signals() {
  struct sigaction action = {};
  action.sa_handler = [](int) { stop_requested().store(true); };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace twinhull::tools
