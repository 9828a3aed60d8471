#include "runtime/container/locked.h"

#include <utility>

#include "runtime/container/recovery.h"
#include "runtime/kernel/files.h"
#include "runtime/node/lock.h"

namespace twinhull::container {
namespace {

/// What write_atomically left when it was killed before its rename.
Status remove_unfinished_files(Context& context, CtId id) {
  for (const std::string& path :
       {context.node.journal_file(id), context.layout().container_config(id)})
    TH_TRY(context.kernel().files().remove(path + ".new"));
  return {};
}

}  // namespace

Status with_lock(Context& context, CtId id, std::string_view status,
                 const std::function<Status()>& body) {
  TH_ASSIGN(const LockHeld lock,
            acquire_lock(context.kernel(), context.node.lock_directory, id, status));
  Status result;
  if (lock.took_over) {
    context.reporter.detail("Took over the lock of a command that died while " +
                            lock.previous_status);
    result = remove_unfinished_files(context, id);
  }
  if (result) result = recover_container(context, id);
  if (result) result = body();
  if (!result && result.error().code == ErrorCode::node_down) return result;
  Status released = release_lock(context.kernel(), lock);
  if (!released && result) return released;
  if (!released) result.error().detail += "; also failed: unlock: " + released.error().message();
  return result;
}

}  // namespace twinhull::container
