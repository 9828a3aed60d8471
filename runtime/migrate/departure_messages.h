// What a source says at the begin of a migration: what is to come, and then everything about the
// container but its files.
#pragma once

#include <span>
#include <string>

#include "runtime/config/ct_settings.h"
#include "runtime/container/context.h"
#include "runtime/container/scripts.h"
#include "runtime/migrate/checks.h"
#include "runtime/migrate/message.h"
#include "runtime/migrate/source.h"

namespace twinhull::migrate {

/// What the destination checks. Errors: those of Host and Files.
Result<Arrival> arrival_at_destination(container::Context& context, const MigrationRequest& request,
                                       const CtSettings& settings, const std::string& name,
                                       bool online);

/// "begin", with the container's configuration and those of `scripts` that are files. `processes`: they come along.
/// `stopped`: its files do not change any more, so that a copy there can be known by its digest.
/// Errors: those of Files.
Result<Message> begin_message(container::Context& context, const MigrationRequest& request,
                              const ContainerConfig& config,
                              std::span<const container::ScriptFile> scripts,
                              const std::string& token, bool processes, bool stopped);

}  // namespace twinhull::migrate
