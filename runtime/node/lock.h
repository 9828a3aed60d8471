// One operation at a time on a container (spec R11).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "runtime/kernel/kernel.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull {

/// A lock that this command holds. A plain value: dropping it does not release it; that is what
/// release_lock is for, and what a crash leaves to the next command.
struct LockHeld {
  std::string path;             ///< "/vz/lock/101.lck"
  std::string temporary;        ///< the name that it was written under
  bool took_over = false;       ///< a dead owner's lock was found: what it did is half done
  std::string previous_status;  ///< STATUS of that dead owner
};

/// Who holds a lock.
struct LockOwner {
  ProcessRef process;
  std::string status;
};

/// Takes LOCKDIR/CTID.lck for the calling command: writes "PID\nSTATUS\nGENERATION\n" beside it
/// and links it to its name, which is atomic. A lock whose owner is dead (or whose number belongs
/// to another process now), or that cannot be parsed, is taken over, with 3 tries. The lock
/// directory is made when missing. Locks are not synced: a power cut kills their owners too.
/// Errors: in_progress (exit 9, naming pid, command line and status of the owner), those of Files.
Result<LockHeld> acquire_lock(Kernel& kernel, const std::string& directory, CtId id,
                              std::string_view status);

/// Gives the lock back. Errors: those of Files; a lock that is gone is none.
Status release_lock(Kernel& kernel, const LockHeld& lock);

/// The live owner of a container's lock, std::nullopt when nobody holds it.
Result<std::optional<LockOwner>> lock_owner(Kernel& kernel, const std::string& directory, CtId id);

}  // namespace twinhull
