// Mounting of layered roots.
#pragma once

#include <string>
#include <string_view>

#include "runtime/kernel/mounts.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Most lower layers of one overlay (OVL_MAX_STACK).
inline constexpr std::size_t kMostLowers = 500;

/// Mounts an overlay at the directory `place`. Through fsopen(2): mount(2) takes no more than a
/// page of options, which a few long layer paths exceed. Kernels without fsopen (before 5.2), or
/// whose overlay takes no single "lowerdir+" (before 6.8), get the classic call.
/// Errors: invalid_argument (no or too many layers), not_supported, those of mount(2).
Status mount_overlay(std::string_view operation, const std::string& place, const OverlaySpec& spec);

/// A value as the classic option string needs it: '\' before ',', ':' and '\'.
std::string escape_layer(std::string_view path);

/// The options of the classic call: "lowerdir=A:B,upperdir=U,workdir=W".
std::string overlay_options(const OverlaySpec& spec);

/// Keeps what is mounted at `place` to this mount namespace.
Status make_mount_private(std::string_view operation, const std::string& place);

}  // namespace twinhull::linux_backend
