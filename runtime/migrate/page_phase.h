// What follows a lazy migration: the memory that the source has held back (spec 5.15, models 6.8).
//
// The destination has taken the container over and its processes run there; here they stand frozen,
// with the memory that theirs lack. The journal of the departure stays until the destination lacks
// nothing, or the memory is lost, and every command on the container here goes on with it.
#pragma once

#include <memory>
#include <string>

#include "runtime/container/context.h"
#include "runtime/kernel/channels.h"
#include "runtime/kernel/checkpoints.h"
#include "runtime/migrate/message.h"

namespace twinhull::migrate {

/// How it ended.
struct PagesOutcome {
  PagesMoved moved;        ///< over all connections of this call
  bool restarted = false;  ///< the memory was lost here, so it was started anew there
  std::string problem;     ///< why it did not come up then; empty = it did
};

/// Which migration.
struct PagesOwner {
  PeerAddress peer;
  CtId id;        ///< here
  CtId id_there;  ///< at the destination
  std::string token;
};

/// Gives the memory until the destination lacks nothing. A container whose processes are not here
/// any more (a power cut) has none to give, and the destination is told so. `channel`: the
/// connection to begin with, nullptr = none; the last one when it returns. A connection that breaks
/// is made again, `tries` times in all with pauses. Errors: interrupted, node_down, those of the
/// connection: the destination then still waits, and this may be called again.
Result<PagesOutcome> follow_with_pages(container::Context& context, const PagesOwner& owner,
                                       std::unique_ptr<Channel>& channel, int tries);

/// Why it is not complete, for the operator (exit 21).
Error pages_are_waited_for(const container::Context& context, const PagesOwner& owner, Error cause);

/// Why memory cannot follow the container; empty = it can. `there`: the destination's answer to the
/// checks. `starts`: it is to run there at once.
Result<std::string> no_lazy_reason(container::Context& context, const Message& there,
                                   std::string_view host, bool starts);

/// A container whose own memory has yet to come cannot go on. Errors: busy (exit 8), those of
/// Checkpoints.
Status check_memory_is_here(container::Context& context, CtId id);

/// What the operator hears of it.
void tell_pages(container::Context& context, const PagesOwner& owner, const PagesOutcome& outcome);

}  // namespace twinhull::migrate
