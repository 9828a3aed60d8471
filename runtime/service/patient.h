// What both ends of a node's day share: quiet operations that wait for their turn.
#pragma once

#include <functional>
#include <string_view>

#include "runtime/container/context.h"
#include "runtime/service/fate.h"

namespace twinhull::service {

/// What ends the whole service, whichever container it came up with.
inline bool ends_everything(const Error& error) {
  return error.code == ErrorCode::node_down || error.code == ErrorCode::interrupted;
}

/// container::with_lock, tried again each second while somebody else holds the lock. `body` gets a
/// context whose reporter speaks to the log alone. Errors: in_progress after `patience`, those of
/// with_lock.
Status with_patience(container::Context& context, CtId id, std::string_view status,
                     Duration patience, const std::function<Status(container::Context&)>& body);

/// The same of what decides a container's fate.
Result<Fate> fate_with_patience(container::Context& context, CtId id, std::string_view status,
                                Duration patience,
                                const std::function<Result<Fate>(container::Context&)>& decide);

}  // namespace twinhull::service
