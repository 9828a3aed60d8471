#include "runtime/migrate/exit_codes.h"

namespace twinhull::migrate {
namespace {

/// Errors whose cause matters more than the stage.
int code_of_cause(ErrorCode code) {
  switch (code) {
    case ErrorCode::connection_lost: return to_int(MigrateExit::connection_broken);
    case ErrorCode::timed_out: return to_int(MigrateExit::timed_out);
    case ErrorCode::interrupted: return to_int(MigrateExit::terminated);
    case ErrorCode::protocol: return to_int(MigrateExit::protocol);
    case ErrorCode::in_progress: return to_int(MigrateExit::locked);
    case ErrorCode::no_space: return to_int(MigrateExit::no_disk_space);
    default: return 0;
  }
}

}  // namespace

Error stage_error(MigrateExit code, std::string_view object, std::string_view what, Error lower) {
  const int stated = stated_exit_code(lower);
  return fail(lower.code, "migrate.stage", object, what)
      .with_exit_code(stated != 0 ? stated : to_int(code))
      .caused_by(std::move(lower));
}

int stated_exit_code(const Error& error) {
  // Only errors of this folder speak in codes of vzmigrate: those of vzctl are other numbers.
  for (const Error* at = &error; at != nullptr; at = at->cause.get()) {
    if (at->operation.starts_with("migrate.") && at->exit_code != 0) return at->exit_code;
  }
  return code_of_cause(error.code);
}

int migrate_exit_code(const Error& error) {
  const int stated = stated_exit_code(error);
  return stated != 0 ? stated : to_int(MigrateExit::system);
}

}  // namespace twinhull::migrate
