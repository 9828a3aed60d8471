// The code around one call: shared by the wrappers of all ports.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "runtime/kernel/decorators/describe.h"
#include "runtime/kernel/intercept.h"

namespace twinhull::decorators {

/// Numbers the calls of one decorated kernel and shows each to the observer. Thread-safe as far as
/// the observer is. Without details the cost is two virtual calls and one atomic increment.
class Hook {
 public:
  explicit Hook(CallObserver& observer) : observer_(observer) {}
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;

  /// Makes the call unless the observer refuses it. `make` returns Result<T>; `arguments` are
  /// turned into text only for an observer that wants details.
  template <typename Make, typename... Arguments>
  auto call(std::string_view name, std::string_view object, Make&& make,
            const Arguments&... arguments) -> std::invoke_result_t<Make> {
    using R = std::invoke_result_t<Make>;
    Call call{next(), name, object, {}};
    const bool details = observer_.wants_details();
    std::string argument_text;
    if (details) {
      [[maybe_unused]] Describer describer(argument_text);
      (describer(arguments), ...);
      call.arguments = argument_text;
    }
    std::optional<Error> refusal = observer_.before(call);
    R result = refusal ? R(std::move(*refusal)) : make();
    CallOutcome outcome;
    std::string value_text;
    if (!result)
      outcome.error = &result.error();
    else if (details)
      outcome.value = value_text = value_of(result);
    if (auto replacement = observer_.after(call, outcome)) result = R(std::move(*replacement));
    return result;
  }

  [[nodiscard]] CallObserver& observer() const { return observer_; }

 private:
  std::uint64_t next() { return 1 + sequence_.fetch_add(1, std::memory_order_relaxed); }

  template <typename T>
  static std::string value_of(const Result<T>& result) {
    if constexpr (std::is_void_v<T>)
      return {};
    else
      return describe(*result);
  }

  CallObserver& observer_;
  std::atomic<std::uint64_t> sequence_{0};
};

}  // namespace twinhull::decorators
