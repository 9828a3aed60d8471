// The serving side of the cases about channels: the same code on every backend.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/kernel/channels.h"
#include "runtime/kernel/kernel.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull::contract {

/// Names of the services below, for backends that register each.
std::vector<std::string> service_names();
/// Name of the service that the backend provides itself.
inline constexpr std::string_view kVanish = "vanish";
/// A tree-sink that the backend lets go away after kVanishAfter.
inline constexpr std::string_view kTreeVanish = "tree-vanish";
inline constexpr Duration kVanishAfter = milliseconds(500);

/// Runs one service of `node` on an accepted channel until it ends:
///   echo         sends each message back; closes when the peer closes
///   count        receives until the peer closes
///   greet        sends "one", "two", "three", then closes
///   silent       sends nothing until the peer closes
///   tree-sink    a message names a directory: receive_tree into it, answers "DIGEST BYTES INODES"
///                or "error CODE"
///   tree-source  a message names a directory: send_tree of it
///   take-pages   a message is the label of a restored container of the service's node: take_pages
///                for it, answers "PAGES FAULTS" or "error CODE"
/// ("vanish" is the backend's own: it must go away in the middle.)
/// Errors: not_supported for another name; those of the channel.
Status run_service(std::string_view name, Channel& channel, Kernel& node);

}  // namespace twinhull::contract
