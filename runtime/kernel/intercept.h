// Hooks around every call of a Kernel: tracing, faults, later dry run and recording.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/kernel/kernel.h"

namespace twinhull {

/// One call as it is about to be made.
struct Call {
  std::uint64_t sequence = 0;   ///< 1 for the first call through this decorator
  std::string_view name;        ///< "files.write"
  std::string_view object;      ///< the main object: a path, group, device or label
  std::string_view arguments;   ///< the rest as text; empty unless an observer wants details
};

/// How a call ended.
struct CallOutcome {
  const Error* error = nullptr;  ///< nullptr = success
  std::string_view value;        ///< the result as text; empty unless an observer wants details
};

/// Sees every call; may refuse it. Observers are asked in order; the first refusal wins and the
/// call is not made, but `after` still runs.
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  /// True when `arguments` and `value` must be filled; they cost time.
  virtual bool wants_details() const { return false; }
  /// An error here refuses the call before it has any effect.
  virtual std::optional<Error> before(const Call& call) = 0;
  /// May replace a success by an error (an effect that happened but whose report was lost).
  virtual std::optional<Error> after(const Call& call, const CallOutcome& outcome) = 0;
};

/// Wraps `inner` so that `observer` sees each call, those on channels of this kernel included.
/// Both must outlive the result.
std::unique_ptr<Kernel> intercept(Kernel& inner, CallObserver& observer);

}  // namespace twinhull
