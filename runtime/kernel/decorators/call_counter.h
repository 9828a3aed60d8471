// Counts calls by name.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "runtime/kernel/intercept.h"

namespace twinhull {

/// How often each call was made and how often it failed. Thread-safe.
class CallCounter final : public CallObserver {
 public:
  struct Count {
    std::uint64_t calls = 0;   ///< that ended, refused ones included
    std::uint64_t errors = 0;  ///< of them, those that ended with an error
    bool operator==(const Count&) const = default;
  };

  std::optional<Error> before(const Call& call) override;
  std::optional<Error> after(const Call& call, const CallOutcome& outcome) override;

  /// Sum over `name`: all calls for "", a whole port for "files.", otherwise exactly this call.
  [[nodiscard]] Count count(std::string_view name = {}) const;
  /// By name.
  [[nodiscard]] std::map<std::string, Count, std::less<>> counts() const;
  void clear();

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Count, std::less<>> counts_;
};

/// Whether `name` matches a pattern: "" = every name, one that ends in '.' = the whole port,
/// otherwise exactly this name.
bool call_name_matches(std::string_view pattern, std::string_view name);

}  // namespace twinhull
