// The source's end of a migration: moves one container to another node (spec F3.14).
#pragma once

#include <optional>
#include <set>
#include <string>

#include "runtime/container/context.h"
#include "runtime/kernel/channels.h"
#include "runtime/kernel/result.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/precopy.h"
#include "runtime/migrate/timing.h"

namespace twinhull::migrate {

/// How the processes go (spec F3.15).
struct OnlineWish {
  bool iterative = true;      ///< false: --noiter
  bool must_iterate = false;  ///< --require-realtime: fail rather than fall back
  bool lazy = false;  ///< --lazy: memory that is left follows the processes
  PrecopyGoals goals;
};

struct MigrationRequest {
  CtId id;
  CtId id_there;
  std::optional<OnlineWish> online;  ///< std::nullopt: a running one is stopped and started
  std::string name_there;            ///< --new-name; empty = its own
  std::string private_pattern;       ///< VE_PRIVATE at the destination; empty = its default
  std::string root_pattern;          ///< VE_ROOT at the destination
  PeerAddress peer;
  std::optional<bool> remove_source;  ///< -r; std::nullopt = REMOVEMIGRATED
  bool start = true;                  ///< false: -s, leave it stopped there
  bool keep_destination = false;      ///< --keep-dst: a failure keeps the copied area there
  bool dry_run = false;               ///< checks only
  bool verdict = false;  ///< --check: everything that stands in the way, and a prediction
  bool json = false;     ///< the verdict as JSON
  std::set<MigrateExit> skipped =
      {};                           ///< -f: checks that may fail; the container then stays stopped
  Duration timeout = seconds(600);  ///< for each answer of the destination
  std::optional<BytesPerSecond> rate;  ///< at most so fast; VZ_TOOLS_IOLIMIT holds too
  bool compress = false;
  bool times = false;  ///< a table of what took how long
  /// --keeper: a running container here that answers for its addresses while it is down. Without
  /// meaning for one that is not stopped on its way.
  std::optional<CtId> keeper;
  MoveWatcher* watcher = nullptr;  ///< outlives the migration; nullptr = nobody watches
};

/// Moves a container: checks, a first copy while it runs, stop or freeze, a copy of what has
/// changed, commit, letting go; between those two what was held back of its memory (page_phase.h).
/// A suspended one goes with its dump. On an error before the commit
/// the container is here as it was before, running if it did. When the connection breaks at the
/// commit the destination is asked; while it cannot be, the container stays stopped or frozen and
/// its journal stands: the next command on it asks again. Errors carry the exit codes of vzmigrate;
/// a dry run whose checks pass ends with success.
Status migrate_container(container::Context& context, const MigrationRequest& request);

}  // namespace twinhull::migrate
