// oom_score_adj of processes, and what rules about it look at.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "backends/linux/unique_fd.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Refuses numbers outside of kLeastOomAdjust…kMostOomAdjust.
Status check_oom_adjust(std::string_view operation, const std::string& object, std::int32_t adjust);

/// /proc/PID/oom_score_adj, open: it belongs to the process that had the number when it was opened,
/// also when the number is given away again.
class OomAdjustFile {
 public:
  explicit OomAdjustFile(std::int32_t pid);
  /// Effect::none when the process has this value already, or is gone. Precondition: the number is
  /// in range. Errors: not_permitted (lowering without CAP_SYS_RESOURCE).
  Result<Effect> write(std::string_view operation, const std::string& object,
                       std::int32_t adjust) const;

 private:
  UniqueFd file_;
};

/// Facts of exactly this process; std::nullopt when it is gone.
std::optional<ProcessFacts> read_process_facts(const ProcessRef& process);

}  // namespace twinhull::linux_backend
