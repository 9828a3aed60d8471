#include "runtime/kernel/decorators/call_counter.h"

namespace twinhull {

bool call_name_matches(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return true;
  return pattern.back() == '.' ? name.starts_with(pattern) : name == pattern;
}

std::optional<Error> CallCounter::before(const Call&) {
  return std::nullopt;
}

std::optional<Error> CallCounter::after(const Call& call, const CallOutcome& outcome) {
  const std::lock_guard lock(mutex_);
  auto entry = counts_.find(call.name);
  if (entry == counts_.end()) entry = counts_.emplace(std::string(call.name), Count{}).first;
  ++entry->second.calls;
  if (outcome.error != nullptr) ++entry->second.errors;
  return std::nullopt;
}

CallCounter::Count CallCounter::count(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  Count sum;
  for (const auto& [counted, count] : counts_) {
    if (!call_name_matches(name, counted)) continue;
    sum.calls += count.calls;
    sum.errors += count.errors;
  }
  return sum;
}

std::map<std::string, CallCounter::Count, std::less<>> CallCounter::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

void CallCounter::clear() {
  const std::lock_guard lock(mutex_);
  counts_.clear();
}

}  // namespace twinhull
