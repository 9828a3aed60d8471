// How far a container is, for a person who watches.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "runtime/kernel/units.h"
#include "tools/vzmigrate/report.h"

namespace twinhull::tools::move {

/// One container on its way. Rates are those of the last seconds.
class Progress {
 public:
  explicit Progress(std::string container) : container_(std::move(container)) {}

  /// A part has begun at this moment.
  void begin(const Report& report, Instant now);
  /// So much was sent since the command began; std::nullopt where nobody counts.
  void count(std::optional<Bytes> sent, Instant now);

  /// "CT 101      files          43 %  1.2 GiB of 2.7 GiB  110.3 MiB/s  0:14 left", at most 79
  /// characters.
  [[nodiscard]] std::string line() const;

 private:
  [[nodiscard]] std::optional<std::uint64_t> bytes_a_second() const;

  std::string container_;
  migrate::MoveStage stage_ = migrate::MoveStage::check;
  Bytes expected_;
  Bytes before_;  ///< sent before this part
  std::optional<Bytes> sent_;
  std::deque<std::pair<Instant, Bytes>> samples_;  ///< of the last seconds, oldest first
};

}  // namespace twinhull::tools::move
