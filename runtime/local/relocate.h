// Moving and copying a container within its node (spec F3.18, F3.19).
#pragma once

#include <string>

#include "runtime/container/context.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull::local {

/// SRC[:DST][:[PRIVATE][:ROOT]] of vzmlocal.
struct Request {
  CtId id;
  CtId new_id;               ///< the same one: only places change
  std::string private_area;  ///< may hold $VEID; empty = goes with the number
  std::string root;          ///< likewise
  bool online = false;  ///< copy while it runs; it stands still only while the rest is brought over
  bool force = false;   ///< space and open sessions are not looked at
};

/// The code of vzmlocal for the copy of a suspended container (spec F3.13).
inline constexpr int kCopyOfSuspended = 29;

/// Gives the container the number and places; name and UUID stay. One that runs is stopped, moved
/// and started. On one file system the area is renamed, else it is copied and then deleted. After a
/// power cut at any moment the next command on either number takes the move back or completes it.
/// Errors carry exit codes of vzmigrate: 3 (locked), 5, 6, 7 (moved, but does not start), 8, 9, 10,
/// 31, 34 (same place).
Status move_container(container::Context& context, const Request& request);

/// Makes another container of the files and settings as they are now: with its own UUID and
/// hardware addresses, without name, stopped. The source may run; its processes stand still while
/// its files are copied, with `online` only while what changed since is brought over. A suspended
/// one is refused (kCopyOfSuspended). Errors as above.
Status copy_container(container::Context& context, const Request& request);

}  // namespace twinhull::local
