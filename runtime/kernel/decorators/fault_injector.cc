#include "runtime/kernel/decorators/fault_injector.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "runtime/kernel/clock.h"
#include "runtime/kernel/decorators/call_counter.h"

namespace twinhull {
namespace {

Error injected(ErrorCode code, const Call& call, std::string_view detail) {
  Error error = fail(code, call.name, call.object, detail);
  error.injected = true;
  return error;
}

Error no_power(const Call& call) {
  return injected(ErrorCode::node_down, call, "the power of the node was cut");
}

bool in_range(std::uint64_t matched, const FaultRule& rule) {
  return matched >= rule.nth && matched - rule.nth < rule.times;
}

}  // namespace

FaultInjector::Hooks FaultInjector::hooks(Clock& clock, std::function<void()> power_cut) {
  return {std::move(power_cut), [&clock](Duration length) { return clock.sleep(length); }};
}

Result<std::size_t> FaultInjector::add(FaultRule rule) {
  const auto refuse = [&rule](std::string_view detail) {
    return fail(ErrorCode::invalid_argument, "fault.add",
                rule.name.empty() ? std::string("every call") : rule.name, detail);
  };
  if (rule.nth == 0 || rule.times == 0) return refuse("nth and times count from 1");
  if (rule.delay < Duration(0)) return refuse("a delay cannot be negative");
  const bool cuts =
      rule.kind == FaultKind::power_cut_before || rule.kind == FaultKind::power_cut_after;
  if (cuts && !hooks_.power_cut) return refuse("this injector cannot cut the power");
  if (rule.kind == FaultKind::delay && !hooks_.delay) return refuse("this injector has no clock");
  const std::lock_guard lock(mutex_);
  rules_.push_back({std::move(rule), 0});
  return rules_.size() - 1;
}

void FaultInjector::clear() {
  const std::lock_guard lock(mutex_);
  rules_.clear();
  pending_.clear();
  hits_.clear();
}

// The rule that acts on this call; notes what its end will need.
std::optional<FaultRule> FaultInjector::hit(const Call& call) {
  const std::lock_guard lock(mutex_);
  ++seen_;
  // A call object at the same place proves that an earlier one, whose caller was killed, is gone.
  std::erase_if(pending_, [&call](const Pending& pending) { return pending.call == &call; });
  std::optional<FaultRule> acting;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    State& state = rules_[i];
    if (!call_name_matches(state.rule.name, call.name)) continue;
    if (state.rule.object && *state.rule.object != call.object) continue;
    ++state.matched;
    if (acting || !in_range(state.matched, state.rule)) continue;
    acting = state.rule;
    hits_.push_back({i, std::string(call.name), std::string(call.object)});
  }
  if (acting &&
      (acting->kind == FaultKind::lose_report || acting->kind == FaultKind::power_cut_after))
    pending_.push_back({&call, acting->kind, acting->code});
  return acting;
}

void FaultInjector::cut_power() {
  {
    const std::lock_guard lock(mutex_);
    power_is_cut_ = true;
    pending_.clear();
  }
  hooks_.power_cut();
}

std::optional<Error> FaultInjector::before(const Call& call) {
  if (power_is_cut()) return no_power(call);
  const auto rule = hit(call);
  if (!rule) return std::nullopt;
  switch (rule->kind) {
    case FaultKind::refuse: return injected(rule->code, call, "refused by a fault rule");
    case FaultKind::delay:
      if (auto slept = hooks_.delay(rule->delay); !slept) return std::move(slept).error();
      // The power may have gone while it waited.
      return power_is_cut() ? std::optional(no_power(call)) : std::nullopt;
    case FaultKind::power_cut_before: cut_power(); return no_power(call);
    case FaultKind::lose_report:
    case FaultKind::power_cut_after: return std::nullopt;
  }
  return std::nullopt;
}

std::optional<Error> FaultInjector::after(const Call& call, const CallOutcome& outcome) {
  std::optional<Pending> pending;
  {
    const std::lock_guard lock(mutex_);
    if (power_is_cut_) {
      if (outcome.error != nullptr && outcome.error->code == ErrorCode::node_down)
        return std::nullopt;
      return no_power(call);
    }
    const auto found = std::ranges::find(pending_, &call, &Pending::call);
    if (found == pending_.end()) return std::nullopt;
    pending = *found;
    pending_.erase(found);
  }
  if (pending->kind == FaultKind::power_cut_after) {
    cut_power();
    return no_power(call);
  }
  // Its own failure is no report that could be lost.
  if (outcome.error != nullptr) return std::nullopt;
  return injected(pending->code, call, "done, but reported as failed by a fault rule");
}

std::vector<FaultHit> FaultInjector::hits() const {
  const std::lock_guard lock(mutex_);
  return hits_;
}

std::uint64_t FaultInjector::seen() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

bool FaultInjector::power_is_cut() const {
  const std::lock_guard lock(mutex_);
  return power_is_cut_;
}

void FaultInjector::power_returned() {
  const std::lock_guard lock(mutex_);
  power_is_cut_ = false;
  pending_.clear();
}

}  // namespace twinhull
