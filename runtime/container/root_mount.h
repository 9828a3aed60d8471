// The container's root directory: overlay of its template and its private area.
#pragma once

#include <string>

#include "runtime/container/context.h"
#include "runtime/kernel/mounts.h"

namespace twinhull::container {

/// Whether the private area (exit 43) and the template's cache (exit 91) are there.
Status check_sources(Context& context, const CtSettings& settings);

/// The read-only lower tree: TEMPLATE/cache/OSTEMPLATE.
std::string template_tree(const NodeConfig& node, const CtSettings& settings);

/// The layers of the container's root.
OverlaySpec overlay_of(const NodeConfig& node, const CtSettings& settings);

/// premount scripts, disk limits, overlay, mount scripts; says "Container is mounted". Undoes
/// itself when a step fails. Precondition: check_sources, not mounted.
/// Errors: exit 49, 50, 62, 79.
Status mount_root(Context& context, const CtSettings& settings, bool scripts);

/// umount scripts, unmount, postumount scripts, removal of the empty mount point stays out: the
/// directory is kept. Says "Container is unmounted". A failing umount script is told and ends in
/// exit 79 after all was unmounted. Errors: exit 51.
Status unmount_root(Context& context, const CtSettings& settings, bool scripts);

}  // namespace twinhull::container
