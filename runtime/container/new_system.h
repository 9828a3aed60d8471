// The files of a container that is being made, seen as its system will see them.
#pragma once

#include <string>
#include <vector>

#include "runtime/container/context.h"
#include "runtime/container/distribution.h"

namespace twinhull::container {

/// Mounts the layers of the unfinished private area `area` at VE_ROOT, runs the actions there as
/// the system's own root and in its own namespaces (what it holds is not trusted with the node),
/// and unmounts. The caller's journal unmounts and removes VE_ROOT after a power cut. Errors: those
/// of run_distribution_actions with `required`; exit 50.
Status configure_new_system(Context& context, const CtSettings& settings, const std::string& area,
                            const std::vector<DistributionAction>& actions);

}  // namespace twinhull::container
