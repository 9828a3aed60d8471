#include "runtime/kernel/decorators/trace_recorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "runtime/kernel/clock.h"

namespace twinhull {

std::optional<Error> TraceRecorder::before(const Call&) {
  return std::nullopt;
}

std::optional<Error> TraceRecorder::after(const Call& call, const CallOutcome& outcome) {
  TraceRecord record = make_record(call, outcome);
  if (options_.clock != nullptr) record.at = options_.clock->now();
  const std::lock_guard lock(mutex_);
  ++count_;
  digest_ = extend_digest(digest_, record);
  if (options_.keep == 0) return std::nullopt;
  if (records_.size() == options_.keep) records_.pop_front();
  records_.push_back(std::move(record));
  return std::nullopt;
}

std::uint64_t TraceRecorder::count() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

std::uint64_t TraceRecorder::digest() const {
  const std::lock_guard lock(mutex_);
  return digest_;
}

Recording TraceRecorder::recording() const {
  const std::lock_guard lock(mutex_);
  return {count_, digest_, {records_.begin(), records_.end()}};
}

void TraceRecorder::clear() {
  const std::lock_guard lock(mutex_);
  records_.clear();
  count_ = digest_ = 0;
}

ReplayCheck::ReplayCheck(Recording expected)
    : expected_(std::move(expected)),
      details_(std::ranges::any_of(expected_.records, [](const TraceRecord& record) {
        return !record.arguments.empty() || !record.value.empty();
      })) {
  if (expected_.dropped() != 0)
    difference_ = fmt::format("the recording lacks its first {} calls", expected_.dropped());
}

std::optional<Error> ReplayCheck::before(const Call&) {
  return std::nullopt;
}

std::optional<Error> ReplayCheck::after(const Call& call, const CallOutcome& outcome) {
  TraceRecord record = make_record(call, outcome);
  const std::lock_guard lock(mutex_);
  if (difference_) return std::nullopt;
  if (next_ == expected_.records.size()) {
    difference_ = fmt::format("call {} is one too many: {}", next_ + 1, record.text());
    return std::nullopt;
  }
  const TraceRecord& wanted = expected_.records[next_++];
  if (wanted != record)
    difference_ = fmt::format("call {}: expected {} (number {}), got {} (number {})", next_,
                              wanted.text(), wanted.sequence, record.text(), record.sequence);
  return std::nullopt;
}

std::optional<std::string> ReplayCheck::difference() const {
  const std::lock_guard lock(mutex_);
  return difference_;
}

std::optional<std::string> ReplayCheck::finish() const {
  const std::lock_guard lock(mutex_);
  if (difference_ || next_ == expected_.records.size()) return difference_;
  return fmt::format("call {} is missing: expected {}", next_ + 1, expected_.records[next_].text());
}

}  // namespace twinhull
