// The container that answers for another one while that is down on its way (spec F3.13).
#pragma once

#include <vector>

#include "runtime/container/context.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull::migrate {

/// Whether `keeper` can answer for `id`. Errors: exit 1 (it is the container itself), 10 (not on
/// this node), 2 (does not run).
Status check_keeper(container::Context& context, CtId keeper, CtId id);

/// Gives the running keeper the addresses, and tells the neighbours. Nothing of it is saved. The
/// addresses must be free. Waits a moment for the keeper's lock. Errors: those of venet,
/// in_progress.
Status keep_addresses(container::Context& context, CtId keeper,
                      const std::vector<IpPrefix>& addresses);

/// Takes them from it again, unless they are its own. A keeper that has ended, or is gone, has
/// none. Can be repeated. Errors: as above.
Status release_addresses(container::Context& context, CtId keeper,
                         const std::vector<IpPrefix>& addresses);

}  // namespace twinhull::migrate
