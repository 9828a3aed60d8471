// CT 0: what the node itself runs (spec F4.3, F4.27, R9 0.conf).
//
// On today's kernels the node's services live in control groups of their own manager (systemd), and
// those are not ours. CT 0 is what the platform itself runs on the node: its command line tools,
// the scripts that they start and its daemons. They enter the group "0", a sibling of the
// containers' groups, whenever 0.conf gives it a weight or a limit, so that their share against
// containers is what the operator says.
#pragma once

#include <string>
#include <vector>

#include "runtime/container/context.h"
#include "runtime/container/explain.h"
#include "runtime/container/operations.h"

namespace twinhull::container {

/// 0.conf over VE0CPUUNITS of vz.conf; what vz.conf says for containers does not count. A missing
/// 0.conf is an empty one. `private_area` of the settings is a place on the disk of the containers,
/// which disk limits act on. Errors: corrupt (exit 85), those of Files::read.
Result<ContainerConfig> load_node_itself(Kernel& kernel, const Layout& layout,
                                         const NodeConfig& node);

/// `vzctl set 0`: takes the lock of CT 0, applies --cpuunits, --ioprio, --iolimit and --iopslimit
/// to the group and saves them, with --onboot, in 0.conf. What the kernel refuses is not saved.
/// Errors: exit 19 (another parameter, by name), 20 (without --save: 0.conf alone says what the
/// group has), 21, 9, 85, 2 and 148 (the kernel lacks the mechanism).
Status set_node_itself(Context& context, const SetOptions& options);

/// Makes the group as 0.conf says when ONBOOT=yes and it is not there, as after a boot.
Status bring_up_node_itself(Context& context);

/// Moves the calling program into the group when 0.conf limits it and it is there. Nothing where
/// programs are no processes of the node (simulator). Errors: those of Session::enter_group.
Status enter_node_itself(Session& session);

/// `vzctl explain 0`. Errors: exit 19.
Result<ExplainedContainer> explain_node_itself(Context& context,
                                               const std::vector<std::string>& parameters);

}  // namespace twinhull::container
