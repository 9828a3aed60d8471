// The source's end of a migration: moves one container to another node (spec F3.14).
#pragma once

#include <optional>
#include <set>
#include <string>

#include "runtime/container/context.h"
#include "runtime/kernel/channels.h"
#include "runtime/kernel/result.h"
#include "runtime/migrate/exit_codes.h"

namespace twinhull::migrate {

struct MigrationRequest {
  CtId id;
  CtId id_there;
  std::string private_pattern;  ///< VE_PRIVATE at the destination; empty = its default
  std::string root_pattern;     ///< VE_ROOT at the destination
  PeerAddress peer;
  std::optional<bool> remove_source;  ///< -r; std::nullopt = REMOVEMIGRATED
  bool start = true;                  ///< false: -s, leave it stopped there
  bool keep_destination = false;      ///< --keep-dst: a failure keeps the copied area there
  bool dry_run = false;               ///< checks only
  std::set<MigrateExit> skipped =
      {};                           ///< -f: checks that may fail; the container then stays stopped
  Duration timeout = seconds(600);  ///< for each answer of the destination
};

/// Moves a container: checks, stop, copy, commit, letting go. On an error before the commit the
/// container is here as it was before, running again if it was. When the connection breaks at the
/// commit the destination is asked; while it cannot be, the container stays stopped and its
/// journal stands: the next command on it asks again.
/// Errors carry the exit codes of vzmigrate; a dry run whose checks pass ends with success.
Status migrate_container(container::Context& context, const MigrationRequest& request);

}  // namespace twinhull::migrate
