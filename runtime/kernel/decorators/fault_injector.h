// Makes chosen calls fail, wait, or be the last before a power cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "runtime/kernel/error.h"
#include "runtime/kernel/intercept.h"
#include "runtime/kernel/units.h"

namespace twinhull {

class Clock;

/// What happens to a call.
enum class FaultKind : std::uint8_t {
  refuse,            ///< fails with `code`, without any effect
  lose_report,       ///< takes effect, but is reported as failed with `code`
  delay,             ///< takes effect `delay` later
  power_cut_before,  ///< the power goes instead of the call
  power_cut_after,   ///< the power goes once the call took effect, before its caller hears of it
};

/// Which calls are hit, and how. Counting starts when the rule is added.
struct FaultRule {
  std::string name;  ///< "" = every call, "files." = a port, "files.write" = one call
  std::optional<std::string> object;  ///< only calls on exactly this object
  std::uint64_t nth = 1;              ///< the first call that is hit, among those that match; ≥ 1
  std::uint64_t times = 1;            ///< how many in a row; kUnlimited = all from then on
  FaultKind kind = FaultKind::refuse;
  ErrorCode code = ErrorCode::input_output;  ///< for refuse and lose_report
  Duration delay{0};                         ///< for delay
};

/// A rule that hit a call.
struct FaultHit {
  std::size_t rule = 0;  ///< its number, from 0 in the order of add()
  std::string name;      ///< of the call
  std::string object;
};

/// Injects faults by rule. Injected errors carry Error::injected. When several rules hit one call,
/// the first added acts; all of them count it. After a power cut every call gives node_down, as
/// from a kernel that is gone, until power_returned(). Thread-safe; one injector may serve several
/// decorated kernels and channels of one node.
class FaultInjector final : public CallObserver {
 public:
  /// What the injector needs from its surroundings; leave out what no rule uses.
  struct Hooks {
    std::function<void()> power_cut;        ///< takes the node's power away
    std::function<Status(Duration)> delay;  ///< blocks; its error refuses the call
  };
  FaultInjector() = default;
  explicit FaultInjector(Hooks hooks) : hooks_(std::move(hooks)) {}
  /// Delays with the clock of the inner kernel.
  static Hooks hooks(Clock& clock, std::function<void()> power_cut);

  /// Returns the rule's number. Errors: invalid_argument (nth or times 0, negative delay, or a
  /// hook that the rule needs is absent).
  Result<std::size_t> add(FaultRule rule);
  /// Forgets rules and hits; the power stays as it is.
  void clear();

  std::optional<Error> before(const Call& call) override;
  std::optional<Error> after(const Call& call, const CallOutcome& outcome) override;

  /// Hits so far, in order: a test that injects a fault must check that it came.
  [[nodiscard]] std::vector<FaultHit> hits() const;
  /// Calls seen so far, those refused after a power cut left out.
  [[nodiscard]] std::uint64_t seen() const;
  [[nodiscard]] bool power_is_cut() const;
  void power_returned();

 private:
  struct State {
    FaultRule rule;
    std::uint64_t matched = 0;
  };
  /// A call in flight whose end is to be changed.
  struct Pending {
    const Call* call;
    FaultKind kind;
    ErrorCode code;
  };

  std::optional<FaultRule> hit(const Call& call);
  void cut_power();

  Hooks hooks_;
  mutable std::mutex mutex_;
  std::vector<State> rules_;
  std::vector<Pending> pending_;
  std::vector<FaultHit> hits_;
  std::uint64_t seen_ = 0;
  bool power_is_cut_ = false;
};

}  // namespace twinhull
