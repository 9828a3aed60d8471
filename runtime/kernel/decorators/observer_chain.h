// Several observers on one decorated kernel.
#pragma once

#include <vector>

#include "runtime/kernel/intercept.h"

namespace twinhull {

/// Shows each call to observers in order, as if each wrapped the next: `before` runs first to last
/// and stops at the first refusal, `after` runs on all of them last to first, each seeing the
/// outcome that the later ones made of it. Put a recorder first and a fault injector last: the
/// recorder then sees what the caller sees. The observers must outlive the chain; add them before
/// the first call.
class ObserverChain final : public CallObserver {
 public:
  ObserverChain() = default;
  explicit ObserverChain(std::vector<CallObserver*> observers) : observers_(std::move(observers)) {}
  void add(CallObserver& observer) { observers_.push_back(&observer); }

  [[nodiscard]] bool wants_details() const override;
  std::optional<Error> before(const Call& call) override;
  std::optional<Error> after(const Call& call, const CallOutcome& outcome) override;

 private:
  std::vector<CallObserver*> observers_;
};

}  // namespace twinhull
