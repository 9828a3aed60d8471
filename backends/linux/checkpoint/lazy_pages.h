// Post-copy: the commands' part. Memory on its way belongs to a holder (page_holder.h), which is
// found by its socket RUN_DIRECTORY/pages-PID-GENERATION.held or .missing.
#pragma once

#include <string>
#include <vector>

#include "backends/linux/checkpoint/page_holder.h"
#include "backends/linux/checkpoint/page_protocol.h"
#include "backends/linux/linux_kernel.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/channels.h"
#include "runtime/kernel/checkpoints.h"

namespace twinhull::linux_backend {

/// As Checkpoints' methods of these names.
Result<PagesMoved> give_held_pages(const NodeOptions& options, ProcessRef init, Channel& channel);
Result<PagesMoved> take_missing_pages(const NodeOptions& options, ProcessRef init,
                                      Channel& channel);
Result<Effect> drop_held_pages(const NodeOptions& options, ProcessRef init);
Result<bool> lacks_pages_yet(const NodeOptions& options, ProcessRef init);

/// Where the holder of this container's memory listens.
std::string held_socket(const NodeOptions& options, ProcessRef init);
std::string missing_socket(const NodeOptions& options, ProcessRef init);

/// A name that no other dump has.
Result<std::string> new_dump_name(std::string_view operation);

/// What the node's criu speaks on its page-server socket. Errors: as criu_version.
Result<CriuWire> wire_of_criu(const NodeOptions& options, std::string_view operation);

/// `criu lazy-pages` for the images of the lazy dump `dump`, ready for `criu restore --lazy-pages`. When the
/// container cannot be completed, all of `group` is ended by it. `cgroups` is used by the
/// holder's own process. Errors: as start_holder and criu_version.
Result<NewHolder> start_filling(const NodeOptions& options, Cgroups& cgroups,
                                const RestoreSpec& spec, const std::string& dump);

}  // namespace twinhull::linux_backend
