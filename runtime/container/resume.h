// What recovery and migration share with suspend and resume.
#pragma once

#include <functional>
#include <string>

#include "runtime/container/context.h"
#include "runtime/container/dump.h"
#include "runtime/kernel/checkpoints.h"

namespace twinhull::container {

/// The processes stand still and their peers hear nothing of it.
Status hold(Context& context, CtId id);

/// Dumps, and may do more besides.
using Dumping = std::function<Result<DumpResult>(ProcessRef init, const DumpSpec& spec)>;

/// Writes the images of a held container into the `images` of the unfinished dump `fresh`; it stays
/// held. `parent`: images of the latest pre-dump beside them; empty = none. `durable`, `lazy`: as
/// in DumpSpec. `dumping`: empty = Checkpoints::dump. Errors: those of that.
struct HeldDump {
  DumpFacts facts;
  DumpResult result;
};
Result<HeldDump> dump_held(Context& context, CtId id, ProcessRef init, const std::string& fresh,
                           const std::string& parent, bool durable, bool lazy = false,
                           const Dumping& dumping = {});

/// Takes back a suspend whose dump was not completed: the network works, the processes go on
/// (unless they were paused before), and the unfinished dump is removed. Can be repeated, and does
/// no more than the last when the container is down.
Status cancel_suspend(Context& context, CtId id, const std::string& dump, bool stays_paused);

/// Ends a frozen container whose dump is whole, and takes everything of it from the kernel. Its
/// device goes first: dying processes close their connections, and the peers must not hear of it.
/// Can be repeated.
Status end_dumped(Context& context, CtId id);

/// A container that was made again and stands still goes on. Can be repeated; nothing when it is
/// down.
Status let_go(Context& context, CtId id);

}  // namespace twinhull::container
