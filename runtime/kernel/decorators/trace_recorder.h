// Records calls and checks a run against a recording.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

#include "runtime/kernel/decorators/recording.h"
#include "runtime/kernel/intercept.h"

namespace twinhull {

class Clock;

struct TraceOptions {
  std::size_t keep = 100'000;  ///< the newest so many records are kept; the digest covers all
  bool details = true;         ///< with arguments and values; without, a call costs much less
  /// Stamps each record, and so the digest, with this clock: for virtual time. nullptr = no times,
  /// so that runs on a real clock can be equal.
  Clock* clock = nullptr;
};

/// Keeps each call with its result. Thread-safe; the order of records is that of the ends.
class TraceRecorder final : public CallObserver {
 public:
  explicit TraceRecorder(TraceOptions options = {}) : options_(options) {}

  [[nodiscard]] bool wants_details() const override { return options_.details; }
  std::optional<Error> before(const Call& call) override;
  std::optional<Error> after(const Call& call, const CallOutcome& outcome) override;

  /// Calls seen so far.
  [[nodiscard]] std::uint64_t count() const;
  /// 64-bit hash over all calls so far: equal runs have equal digests.
  [[nodiscard]] std::uint64_t digest() const;
  /// A copy of what is kept.
  [[nodiscard]] Recording recording() const;
  void clear();

 private:
  const TraceOptions options_;
  mutable std::mutex mutex_;
  std::deque<TraceRecord> records_;
  std::uint64_t count_ = 0;
  std::uint64_t digest_ = 0;
};

/// Compares a run with a complete recording while it goes on. Thread-safe.
class ReplayCheck final : public CallObserver {
 public:
  /// `expected` must be made with the same options.details, without a clock, and with nothing
  /// dropped: calls are compared from the first on.
  explicit ReplayCheck(Recording expected);

  [[nodiscard]] bool wants_details() const override { return details_; }
  std::optional<Error> before(const Call& call) override;
  std::optional<Error> after(const Call& call, const CallOutcome& outcome) override;

  /// The first call that differed so far, named; std::nullopt while all agreed.
  [[nodiscard]] std::optional<std::string> difference() const;
  /// The same at the end of the run: calls that never came are a difference too.
  [[nodiscard]] std::optional<std::string> finish() const;

 private:
  const Recording expected_;
  bool details_ = false;
  mutable std::mutex mutex_;
  std::size_t next_ = 0;
  std::optional<std::string> difference_;
};

}  // namespace twinhull
