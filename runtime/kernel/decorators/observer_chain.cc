#include "runtime/kernel/decorators/observer_chain.h"

#include <algorithm>

namespace twinhull {

bool ObserverChain::wants_details() const {
  return std::ranges::any_of(
      observers_, [](const CallObserver* observer) { return observer->wants_details(); });
}

std::optional<Error> ObserverChain::before(const Call& call) {
  for (CallObserver* observer : observers_)
    if (auto refusal = observer->before(call)) return refusal;
  return std::nullopt;
}

std::optional<Error> ObserverChain::after(const Call& call, const CallOutcome& outcome) {
  std::optional<Error> replacement;
  CallOutcome seen = outcome;
  for (auto observer = observers_.rbegin(); observer != observers_.rend(); ++observer) {
    auto next = (*observer)->after(call, seen);
    if (!next) continue;
    replacement = std::move(next);
    seen = {&*replacement, {}};
  }
  return replacement;
}

}  // namespace twinhull
