// Companions on a real node.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/node/companions.h"
#include "tools/common/child_process.h"

namespace twinhull::tools {

/// Where a companion counts what its channels send: eight bytes of shared memory. The one that
/// started it names them in the environment.
class SharedCounter {
 public:
  /// A new one. Errors: limit_exceeded.
  static Result<SharedCounter> make();
  /// The one that the environment names; value() is nullptr when it names none.
  static SharedCounter of_environment();

  SharedCounter(SharedCounter&& other) noexcept;
  SharedCounter& operator=(SharedCounter&&) = delete;
  ~SharedCounter();

  [[nodiscard]] std::atomic<std::uint64_t>* value() const { return value_; }
  /// For the environment of the companion.
  [[nodiscard]] std::string variable() const;

 private:
  explicit SharedCounter(int file);
  int file_ = -1;
  std::atomic<std::uint64_t>* value_ = nullptr;
};

/// Each companion is this program again, with the same backend options. They run on when this
/// process ends; the destructor ends them.
class ProcessCompanions final : public Companions {
 public:
  /// `options` come between the program's name and a companion's own words.
  explicit ProcessCompanions(std::vector<std::string> options) : options_(std::move(options)) {}

  Result<std::size_t> start(const std::vector<std::string>& argv) override;
  News look(std::size_t companion) override;
  void interrupt(std::size_t companion) override;

 private:
  struct Started {
    ChildProcess process;
    SharedCounter counter;
    std::size_t out = 0;  ///< characters told so far
    std::size_t error = 0;
  };
  std::vector<std::string> options_;
  std::vector<std::unique_ptr<Started>> started_;
};

}  // namespace twinhull::tools
