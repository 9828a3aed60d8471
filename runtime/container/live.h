// What `vzctl set` without --save changed: in force until the container stops.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "runtime/config/parameter.h"
#include "runtime/container/context.h"

namespace twinhull::container {

/// LOCKDIR/CTID.live: keys over CTID.conf. The seam cannot ask every limit back from the kernel,
/// and taking back a change needs the value before. Not synced: a power cut ends both.
std::string live_file(const NodeConfig& node, CtId id);

/// The configuration with the live changes over it: what the running container has.
Result<ContainerConfig> load_effective_config(Context& context, CtId id);

/// The same of a configuration that was read already and the text of live changes ("" = none).
Result<ContainerConfig> with_live_changes(const Context& context, ContainerConfig config,
                                          std::string_view live);

/// Adds unsaved changes, or forgets those keys because they were saved now.
Status record_live(Context& context, CtId id, std::span<const KeyChange> changes, bool saved);

/// Forgets all: at start and stop.
Status forget_live(Context& context, CtId id);

}  // namespace twinhull::container
