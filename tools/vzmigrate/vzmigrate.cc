// vzmigrate: moves containers to another node (spec F3.13, F3.14).
#include "runtime/config/container_index.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/recovery.h"
#include "runtime/migrate/source.h"
#include "runtime/migrate/tools_group.h"
#include "runtime/node/log.h"
#include "tools/commands.h"
#include "tools/vzmigrate/options.h"

namespace twinhull::tools {
namespace {

using migrate::MigrateExit;
using migrate::to_int;

Error not_here(std::string_view name, Error lower) {
  return migrate::stage_error(MigrateExit::not_on_source, name, "is not on this node",
                              std::move(lower));
}

Result<migrate::MigrationRequest> request_of(container::Context& context,
                                             const move::Options& options,
                                             const move::Entry& entry) {
  migrate::MigrationRequest request;
  auto id = resolve_container(context.kernel(), context.layout(), entry.source);
  if (!id) {
    if (id.error().code == ErrorCode::not_found) return not_here(entry.source, id.error());
    return migrate::stage_error(MigrateExit::usage, entry.source, "no number of a container",
                                std::move(id).error());
  }
  request.id = *id;
  request.id_there = *id;
  if (!entry.destination.empty()) {
    const auto there = parse_ctid(entry.destination);
    if (!there) {
      return migrate::stage_error(MigrateExit::usage, entry.destination,
                                  "no number for the destination", there.error());
    }
    request.id_there = *there;
  }
  request.private_pattern = entry.private_pattern;
  request.root_pattern = entry.root_pattern;
  request.peer = options.peer;
  request.remove_source = options.remove;
  request.start = !options.no_start && !options.force;
  request.skipped = options.skipped;
  request.keep_destination = options.keep_destination;
  request.dry_run = options.dry_run;
  request.verdict = options.verdict;
  request.json = options.json;
  request.timeout = options.timeout;
  request.online = options.online;
  request.name_there = options.name;
  request.rate = options.rate;
  request.compress = options.compress;
  request.times = options.times;
  return request;
}

Status move_one(container::Context& context, const move::Options& options,
                const move::Entry& entry) {
  TH_ASSIGN(const migrate::MigrationRequest request, request_of(context, options, entry));
  return migrate::migrate_container(context, request);
}

}  // namespace

int vzmigrate(Session& session, std::span<const std::string> argv) {
  const auto options = move::parse_options(argv);
  if (!options) {
    session.console.error("vzmigrate: " + options.error().message() + "\n");
    return migrate::migrate_exit_code(options.error());
  }
  if (!options->help.empty()) {
    session.console.out(options->help);
    return 0;
  }
  const auto node = load_node_config(session.kernel, session.layout);
  if (!node) {
    session.console.error("vzmigrate: " + node.error().message() + "\n");
    return to_int(MigrateExit::system);
  }
  Reporter reporter(session, *node, "vzmigrate",
                    options->verbose ? Verbosity::verbose : Verbosity::normal);
  container::Context context{session, *node, reporter, {migrate::recovery_handler()}};
  const Status entered = migrate::enter_tools_group(session.kernel, *node, session.enter_group);
  if (!entered) {
    if (entered.error().code != ErrorCode::node_down) reporter.error(entered.error().message());
    return to_int(MigrateExit::system);
  }
  int exit_code = 0;
  for (const move::Entry& entry : options->containers) {
    const Status moved = move_one(context, *options, entry);
    if (moved) continue;
    if (moved.error().code == ErrorCode::node_down) return to_int(MigrateExit::system);
    reporter.error(moved.error().message());
    // The others still go their way; the first failure is the one that the command ends with.
    if (exit_code == 0) exit_code = migrate::migrate_exit_code(moved.error());
    if (moved.error().code == ErrorCode::interrupted) break;
  }
  if (exit_code == 0 && options->dry_run) return to_int(MigrateExit::dry_run);
  return exit_code;
}

}  // namespace twinhull::tools
