// The words in which contract cases are written.
#pragma once

#include <boost/test/unit_test.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/kernel/clock.h"
#include "runtime/kernel/contract/stage.h"
#include "runtime/kernel/contract/suite.h"

namespace twinhull::contract {

/// Value of a result; ends the case with the error's message when there is none.
template <typename T>
T must(Result<T> result, std::string_view expression, const char* file, int line) {
  if (!result) {
    BOOST_TEST_CHECKPOINT(expression);
    const std::string message =
        std::string(file) + ":" + std::to_string(line) + ": " + std::string(expression) +
        " failed: " + std::string(to_string(result.error().code)) + ": " + result.error().message();
    BOOST_FAIL(message);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// Ends the case unless the call succeeds; yields its value.
#define MUST(expression) ::twinhull::contract::must((expression), #expression, __FILE__, __LINE__)

/// The call must fail with exactly this code, and its error must say something.
#define REFUSED(expression, wanted)                                                           \
  do {                                                                                        \
    const auto th_result = (expression);                                                      \
    if (th_result) {                                                                          \
      BOOST_ERROR(#expression " succeeded instead of failing with "                           \
                  << ::twinhull::to_string(::twinhull::ErrorCode::wanted));                   \
    } else {                                                                                  \
      const ::twinhull::Error& th_error = th_result.error();                                  \
      BOOST_CHECK_MESSAGE(th_error.code == ::twinhull::ErrorCode::wanted,                     \
                          #expression " failed with "                                         \
                              << ::twinhull::to_string(th_error.code) << " instead of "       \
                              << ::twinhull::to_string(::twinhull::ErrorCode::wanted) << ": " \
                              << th_error.message());                                         \
      BOOST_CHECK_MESSAGE(!th_error.operation.empty() && !th_error.detail.empty(),            \
                          #expression ": its error names no operation or no cause");          \
    }                                                                                         \
  } while (false)

/// The call must succeed with this Effect.
#define CHANGED(expression) BOOST_CHECK(MUST(expression) == ::twinhull::Effect::changed)
#define NO_EFFECT(expression) BOOST_CHECK(MUST(expression) == ::twinhull::Effect::none)

/// Without the feature the call must be refused with not_supported, and the case ends there.
#define NEEDS(stage, feature, call)                                                      \
  do {                                                                                   \
    const ::twinhull::Support th_support =                                               \
        MUST((stage).kernel().host().supports(::twinhull::Feature::feature));            \
    BOOST_CHECK_MESSAGE(!th_support.reason.empty(), "no reason is given for " #feature); \
    if (!th_support.available) {                                                         \
      BOOST_TEST_MESSAGE("  " #feature " is not available: " << th_support.reason);      \
      REFUSED(call, not_supported);                                                      \
      return;                                                                            \
    }                                                                                    \
  } while (false)

/// Names and remembers a case of this file: CASE(name) { … stage … }
#define CASE(name)                                                                    \
  void name(ContractStage& stage);                                                    \
  [[maybe_unused]] const bool name##_is_registered = remember(cases(), #name, &name); \
  void name([[maybe_unused]] ContractStage& stage)

inline bool remember(std::vector<Case>& cases, const char* name, void (*body)(ContractStage&)) {
  cases.push_back({name, body});
  return true;
}

/// Waits on the node's clock until `done` holds, at most `limit` times the stage's slowness. Whether it came to hold.
template <typename Condition>
bool eventually(ContractStage& stage, Duration limit, Condition&& done) {
  Clock& clock = stage.kernel().clock();
  const Instant end = clock.now() + limit * stage.slowness();
  while (!done()) {
    if (clock.now() >= end) return false;
    MUST(clock.sleep(milliseconds(20)));
  }
  return true;
}

}  // namespace twinhull::contract
