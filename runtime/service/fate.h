// One container at the node's start and shutdown.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/container/context.h"

namespace twinhull::service {

/// What became of a container, in one line.
struct Fate {
  enum class Grade : std::uint8_t {
    well,
    poor,    ///< not as it was meant, but the service has reached what it must
    failed,  ///< it is not up after a start, or not down after a shutdown
  };
  std::string text;  ///< "resumed"; empty = there was nothing to do
  Grade grade = Grade::well;
};

/// Resumes it when it is suspended, else starts it, under its lock and whatever ONBOOT says. A
/// disabled container is left alone. One that cannot be resumed stays suspended, unless
/// VE_RESUME_FAILED=start: then its state is kept as Dump.CTID.saved and it is started. Waits up to
/// 30 s for the lock. What the operation says goes to the log alone. Errors: node_down, interrupted.
Result<Fate> bring_up(container::Context& context, CtId id);

/// Suspends or stops it as suspends_at_stop says, and unmounts it; its mark of being up stays. A
/// container that cannot be suspended is stopped, one that cannot be stopped is killed and unmounted
/// without its scripts. Waits up to 60 s for the lock, which it does not break. Errors: node_down,
/// interrupted.
Result<Fate> take_down(container::Context& context, CtId id);

/// Says the fate on the console and in the log. False when it has failed.
bool tell(Reporter& reporter, CtId id, const Fate& fate);

}  // namespace twinhull::service
