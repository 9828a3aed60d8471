// The destination's end of what follows a lazy migration: the memory (page_phase.h).
#pragma once

#include "runtime/container/context.h"
#include "runtime/kernel/channels.h"
#include "runtime/migrate/message.h"

namespace twinhull::migrate {

/// "pages" from the source, with "ctid" and "token". The answer's "lacks" says whether the container
/// still lacks memory; after "yes" the memory follows on the channel (Checkpoints::give_pages), and
/// a second answer says how much of it came ("pages") and was waited for ("faults"). With
/// "lost" = "yes" the source has none to give: a container that lacks memory can never go on. It is
/// killed and started anew from its disk; "restarted" says so, "problem" why it did not come up.
inline constexpr const char* kPagesFollow = "pages";

/// Answers one such message. It takes no lock while memory comes: whoever wants to stop the
/// container can. `stream_broken` is true while pages are on their way. Errors: in_progress (only
/// with "lost"), those of take_pages and of the channel.
Status serve_pages(container::Context& context, Channel& channel, const Message& message,
                   bool& stream_broken);

}  // namespace twinhull::migrate
