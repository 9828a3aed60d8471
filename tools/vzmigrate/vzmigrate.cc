// vzmigrate: moves containers to another node (spec F3.13, F3.14).
#include "runtime/config/container_index.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/recovery.h"
#include "runtime/migrate/source.h"
#include "runtime/migrate/tools_group.h"
#include "runtime/node/log.h"
#include "tools/commands.h"
#include "tools/vzmigrate/options.h"
#include "tools/vzmigrate/report.h"
#include "tools/vzmigrate/results.h"
#include "tools/vzmigrate/several.h"

namespace twinhull::tools {
namespace {

using migrate::MigrateExit;
using migrate::to_int;

Error not_here(std::string_view name, Error lower) {
  return migrate::stage_error(MigrateExit::not_on_source, name, "is not on this node",
                              std::move(lower));
}

Result<migrate::MigrationRequest> request_of(container::Context& context,
                                             const move::Options& options, const move::Entry& entry,
                                             migrate::MoveWatcher* watcher) {
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
  request.times = options.times && !options.json && !options.batch;
  request.keeper = options.keeper;
  request.watcher = watcher;
  return request;
}

/// Keeps how a move went.
class Keeping final : public migrate::MoveWatcher {
 public:
  void begins(migrate::MoveStage, Bytes) override {}
  void moved(const migrate::Timing& timing, bool online) override {
    report = move::report_of(timing, online);
  }
  std::optional<move::Report> report;
};

/// One after another, by this command itself. Errors: node_down.
Result<std::vector<move::Outcome>> move_in_turn(container::Context& context,
                                                const move::Options& options) {
  std::vector<move::Outcome> outcomes;
  for (const move::Entry& entry : options.containers) {
    Keeping keeping;
    move::ReportWriter writer(context.session.console);
    migrate::MoveWatcher& watcher =
        options.report ? static_cast<migrate::MoveWatcher&>(writer) : keeping;
    const auto moved = [&]() -> Status {
      TH_ASSIGN(const migrate::MigrationRequest request,
                request_of(context, options, entry, &watcher));
      return migrate::migrate_container(context, request);
    }();
    if (!moved && moved.error().code == ErrorCode::node_down) return moved.error();
    move::Outcome outcome{.container = entry.source,
                          .there = entry.destination,
                          .exit_code = options.dry_run ? to_int(MigrateExit::dry_run) : 0,
                          .moved = keeping.report,
                          .error = {}};
    if (!moved) {
      outcome.error = moved.error().message();
      outcome.exit_code = migrate::migrate_exit_code(moved.error());
      context.reporter.error(outcome.error);
      if (context.reporter.quiet()) context.session.console.error(outcome.error + "\n");
    }
    if (options.batch) context.session.console.out(move::batch_line(outcome));
    outcomes.push_back(std::move(outcome));
    // The others still go their way.
    if (!moved && moved.error().code == ErrorCode::interrupted) break;
  }
  for (std::size_t i = outcomes.size(); i < options.containers.size(); ++i)
    outcomes.push_back(move::not_begun(options.containers[i].source));
  return outcomes;
}

/// What the operator hears at the end; returns the exit code: the first failure's.
int tell_results(container::Context& context, const move::Options& options,
                 const std::vector<move::Outcome>& outcomes) {
  Console& console = context.session.console;
  int exit_code = 0;
  for (const move::Outcome& outcome : outcomes)
    if (exit_code == 0 && outcome.failed()) exit_code = outcome.exit_code;
  if (options.verdict || options.report) return exit_code;
  if (options.json) console.out(move::results_json(outcomes, options.peer.host));
  const bool several = options.containers.size() > 1;
  if (several && options.times && !options.json && !options.batch)
    for (const std::string& line : move::results_table(outcomes)) console.out(line + "\n");
  if (several && exit_code != 0) {
    const std::string failures = move::failures_text(outcomes);
    context.reporter.error(failures);
    if (context.reporter.quiet()) console.error(failures + "\n");
  }
  if (exit_code == 0 && options.dry_run) return to_int(MigrateExit::dry_run);
  return exit_code;
}

/// Scripts read standard output (-b, -j): only what they asked for.
Verbosity verbosity_of(const move::Options& options) {
  if (options.batch || (options.json && !options.verdict)) return Verbosity::quiet;
  return options.verbose ? Verbosity::verbose : Verbosity::normal;
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
  Reporter reporter(session, *node, "vzmigrate", verbosity_of(*options));
  container::Context context{session, *node, reporter, {migrate::recovery_handler()}};
  const Status entered = migrate::enter_tools_group(session.kernel, *node, session.enter_group);
  if (!entered) {
    if (entered.error().code != ErrorCode::node_down) reporter.error(entered.error().message());
    return to_int(MigrateExit::system);
  }
  const bool several = options->containers.size() > 1 && !options->verdict;
  const bool watched = session.console.interactive() || options->parallel > 1;
  if (several && options->parallel > 1 && session.companions == nullptr)
    reporter.warn("no command can be started beside this one here: one after another");
  const auto outcomes = several && watched && session.companions != nullptr
                            ? move::move_side_by_side(session, *options)
                            : move_in_turn(context, *options);
  if (outcomes) return tell_results(context, *options, *outcomes);
  if (outcomes.error().code != ErrorCode::node_down) reporter.error(outcomes.error().message());
  return to_int(MigrateExit::system);
}

}  // namespace twinhull::tools
