// What a move or copy comes to, decided before the first effect.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "runtime/container/state.h"
#include "runtime/local/relocate.h"
#include "runtime/migrate/exit_codes.h"

namespace twinhull::local {

struct Plan {
  CtSettings from;
  CtSettings to;
  ConfigFile file;         ///< the new CTID.conf
  container::State state;  ///< of the source
  /// Action scripts that exist, with their new paths.
  std::vector<std::pair<std::string, std::string>> scripts;
  [[nodiscard]] bool renumbered() const { return from.id != to.id; }
  [[nodiscard]] bool area_moves() const { return from.private_area != to.private_area; }
  [[nodiscard]] bool root_moves() const { return from.root != to.root; }
  /// Where the area is built when it is copied, beside its place.
  [[nodiscard]] std::string staging() const { return to.private_area + ".moving"; }
  /// What is renamed beside the old area to see whether the new place is on its file system.
  [[nodiscard]] std::string probe() const { return from.private_area + ".probe"; }
};

enum class Purpose : std::uint8_t { move, copy };

/// Call it under the locks of both numbers. Errors: everything that stands in the way (relocate.h).
Result<Plan> make_plan(container::Context& context, const Request& request, Purpose purpose);

/// `value` of VE_PRIVATE or VE_ROOT for a container of another number: what is named after the
/// number by $VEID or in its last part follows it, all else stays.
std::string renumbered_place(const std::string& value, CtId id, CtId new_id);

/// An error of this folder with the exit code.
Error refuse(migrate::MigrateExit code, ErrorCode kind, CtId id, std::string_view why);

}  // namespace twinhull::local
