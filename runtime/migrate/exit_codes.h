// The exit codes of vzmigrate (spec F3.13).
#pragma once

#include <cstdint>

#include "runtime/kernel/error.h"

namespace twinhull::migrate {

enum class MigrateExit : std::uint8_t {
  success = 0,
  usage = 1,
  system = 2,
  locked = 3,
  connect = 4,
  broken_container = 5,
  copy_failed = 6,
  cannot_start = 7,  ///< at the destination
  cannot_stop = 8,   ///< at the source
  exists = 9,        ///< at the destination
  not_on_source = 10,
  missing_template = 11,
  address_in_use = 12,
  connection_broken = 21,
  timed_out = 22,
  terminated = 25,
  protocol = 26,
  no_disk_space = 31,
  technologies = 32,
  same_node = 34,
  uuid_collision = 35,
  name_used = 45,
  message_too_long = 49,
  cpu_features = 56,
  unsupported = 57,  ///< the mode, by this kernel or this release
  live_engine = 73,  ///< the destination restores no processes
  dry_run = 104,
};

constexpr int to_int(MigrateExit code) {
  return static_cast<int>(code);
}

/// A stage that failed, with the code of the stage; broken connections, time-outs, interrupts
/// and foreign protocols keep their own codes whatever the stage. A code that an earlier stage
/// gave stays.
Error stage_error(MigrateExit code, std::string_view object, std::string_view what, Error lower);

/// The code that the error itself says or implies; 0 when it is for the stage to say.
int stated_exit_code(const Error& error);

/// The code of vzmigrate for an error.
int migrate_exit_code(const Error& error);

}  // namespace twinhull::migrate
