#include "tools/vzscenario/progress.h"

#include <unistd.h>

#include <cstdio>

namespace twinhull::tools {

Progress::Progress() : active_(::isatty(STDERR_FILENO) == 1) {}
Progress::~Progress() {
  clear();
}

void Progress::show(std::size_t done, std::size_t all, const std::string& what) {
  if (!active_) return;
  const std::lock_guard guard(mutex_);
  if (all > 0)
    std::fprintf(stderr, "\r\033[K[%zu/%zu] %.60s", done, all, what.c_str());
  else
    std::fprintf(stderr, "\r\033[K%zu %.60s", done, what.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void Progress::clear() {
  const std::lock_guard guard(mutex_);
  if (!drawn_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace twinhull::tools
