// How far a long run is, for a person who watches.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>

namespace twinhull::tools {

/// One line on standard error that is drawn over. Silent unless that is a terminal.
/// Thread-safe.
class Progress {
 public:
  Progress();
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void show(std::size_t done, std::size_t all, const std::string& what);
  void clear();

 private:
  std::mutex mutex_;
  bool active_;
  bool drawn_ = false;
};

}  // namespace twinhull::tools
