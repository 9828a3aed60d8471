// Hooks around every call of a Kernel: tracing, faults, later dry run and recording.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/kernel/channels.h"
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

/// Sees every call; may refuse it. A refused call is not made, but `after` still runs.
/// clock.now and clock.wall are not shown: reading a clock changes nothing and cannot fail.
/// Thread rule: when several threads use the decorated kernel, an observer is called by all of them.
/// A call that blocks (wait_gone, receive) lets others begin and end between its `before` and `after`.
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  /// True when `arguments` and `value` must be filled; they cost time.
  virtual bool wants_details() const { return false; }
  /// An error here refuses the call before it has any effect.
  virtual std::optional<Error> before(const Call& call) = 0;
  /// An error here is what the caller gets instead of the outcome (an effect that happened but
  /// whose report was lost).
  virtual std::optional<Error> after(const Call& call, const CallOutcome& outcome) = 0;
};

/// Wraps `inner` so that `observer` sees each call, those on channels that it connects included
/// ("channels.send", …). Both must outlive the result, and the result its channels.
std::unique_ptr<Kernel> intercept(Kernel& inner, CallObserver& observer);

/// The same for the serving end of a channel, which no connect() of ours made. `peer` is the
/// object that its calls name. `inner` and `observer` must outlive the result.
std::unique_ptr<Channel> intercept_channel(Channel& inner, std::string peer,
                                           CallObserver& observer);

}  // namespace twinhull
