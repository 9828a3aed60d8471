// The durable intent of a multi-step operation on one container: LOCKDIR/CTID.journal.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/kernel/kernel.h"
#include "runtime/kernel/result.h"
#include "runtime/node/step.h"

namespace twinhull {

/// Which way a half-done operation is finished.
enum class IntentPhase : std::uint8_t {
  roll_back,     ///< before the point of no return: `back` undoes what may have happened
  roll_forward,  ///< after it: `forward` completes
};

/// Written before the first effect, removed last. The steps are all that the operation may need,
/// planned ahead: each can be repeated and does nothing when its work was never begun.
struct Intent {
  std::string
      operation;  ///< "create", "destroy", "start", "stop", "mount", "umount", "set", "migrate",
                  ///< "suspend", "resume", "check"
  IntentPhase phase = IntentPhase::roll_back;
  /// Whether the intent must survive a power cut. Operations whose effects all vanish with the
  /// power (processes, mounts, groups, links) need no sync: start and stop stay fast.
  bool durable = true;
  /// A path whose existence means that the operation reached its point of no return, whatever
  /// `phase` says; empty = none. It saves a second durable write of the journal.
  std::string committed_when;
  std::vector<Step> back;
  std::vector<Step> forward;
  std::map<std::string, std::string> facts;  ///< what a handler of the operation needs to know
  bool operator==(const Intent&) const = default;
};

/// Writes (or replaces) the journal at `path`. Makes the directory when missing.
/// Errors: those of Files.
Status write_intent(Kernel& kernel, const std::string& path, const Intent& intent);

/// Operation of an intent without steps: what a power cut leaves of one that was not durable, when
/// another command's sync of LOCKDIR had made its name so. Its effects have gone with the power.
inline constexpr const char* kLostIntent = "operation before a power cut";

/// The journal at `path`, std::nullopt when there is none. Errors: corrupt (not ours, damaged, of
/// a newer version), those of Files.
Result<std::optional<Intent>> read_intent(Kernel& kernel, const std::string& path);

/// Removes the journal, durably when `durable`: a completed operation must not be rolled back
/// after it was reported.
Status clear_intent(Kernel& kernel, const std::string& path, bool durable);

/// Rolls `intent` back or forward by its steps. Does not clear it. Errors: the first step's that
/// fails; later steps are not tried, for they may build on it.
Status replay_intent(Kernel& kernel, const Intent& intent);

/// JSON text of an intent and back. Errors: corrupt.
std::string intent_text(const Intent& intent);
Result<Intent> parse_intent(std::string_view text);

}  // namespace twinhull
