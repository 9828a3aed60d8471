// A container that was taken over and has not run here goes back to the node that it came from.
#pragma once

#include <string>
#include <vector>

#include "runtime/container/context.h"
#include "runtime/node/journal.h"

namespace twinhull::migrate {

/// What it consists of here.
struct Arrived {
  CtId id;
  std::string token;                 ///< of its migration: names the receipt
  std::string name;                  ///< empty = none
  std::vector<std::string> scripts;  ///< paths of its action scripts
  Step leave_area;                   ///< what becomes of the private area
  bool has_state = false;            ///< it came with a dump
};

/// As its configuration describes it; the area is removed. Errors: those of load_ct_settings.
Result<Arrived> arrived(container::Context& context, CtId id, const std::string& token);

/// Whether it runs here, or has. Of one without a dump: whether it runs.
Result<bool> has_gone_on(container::Context& context, CtId id, bool has_state);

/// Writes the journal of give_back beside the receipt while there is room: it may be a full disk that
/// forbids to bring the container up, and it must not be down on both nodes for want of a block.
Status prepare_return(container::Context& context, const Arrived& container);

/// Removes all of it; its dump stays as DUMP.saved for a look (spec F3.15). Receipt first: from then
/// on it is the source's. Under the lock; a power cut is recovered by the journal.
Status give_back(container::Context& context, const Arrived& container);

}  // namespace twinhull::migrate
