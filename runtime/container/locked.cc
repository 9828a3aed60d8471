#include "runtime/container/locked.h"

#include <utility>

#include "runtime/container/recovery.h"
#include "runtime/node/lock.h"

namespace twinhull::container {

Status with_lock(Context& context, CtId id, std::string_view status,
                 const std::function<Status()>& body) {
  TH_ASSIGN(const LockHeld lock,
            acquire_lock(context.kernel(), context.node.lock_directory, id, status));
  if (lock.took_over)
    context.reporter.detail("Took over the lock of a command that died while " +
                            lock.previous_status);
  Status result = recover_container(context, id);
  if (result) result = body();
  if (!result && result.error().code == ErrorCode::node_down) return result;
  Status released = release_lock(context.kernel(), lock);
  if (!released && result) return released;
  if (!released) result.error().detail += "; also failed: unlock: " + released.error().message();
  return result;
}

}  // namespace twinhull::container
