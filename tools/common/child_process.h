// A program that runs beside us, its output kept in memory files.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "runtime/kernel/result.h"

namespace twinhull::tools {

/// One started program. Its end is noticed by poll(). The destructor kills and reaps it.
class ChildProcess {
 public:
  /// Starts `argv` (argv[0] is a path) with `environment` added to ours.
  /// Errors: not_found, limit_exceeded.
  static Result<ChildProcess> start(const std::vector<std::string>& argv,
                                    const std::vector<std::string>& environment,
                                    const std::string& input);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess();

  /// Exit code (128 + signal) once it has ended. With `at_most`, waits so long for it.
  std::optional<int> poll(std::chrono::milliseconds at_most = std::chrono::milliseconds(0));
  void signal(int number);
  [[nodiscard]] bool signaled() const { return signaled_; }
  /// What it wrote so far.
  [[nodiscard]] std::string out() const;
  [[nodiscard]] std::string error() const;

 private:
  ChildProcess() = default;
  pid_t pid_ = -1;
  int handle_ = -1;  ///< pidfd
  int out_ = -1;
  int error_ = -1;
  bool signaled_ = false;
  std::optional<int> code_;
};

}  // namespace twinhull::tools
