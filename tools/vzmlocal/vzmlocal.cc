// vzmlocal: moves and copies containers within the node (spec F3.18, F3.19).
#include <string>
#include <vector>

#include "runtime/config/container_index.h"
#include "runtime/local/relocate.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/recovery.h"
#include "runtime/migrate/tools_group.h"
#include "runtime/node/log.h"
#include "tools/commands.h"
#include "tools/vzcfg/program.h"

namespace twinhull::tools {
namespace {

using migrate::MigrateExit;
using migrate::to_int;

struct Options {
  bool copy = false;
  bool force = false;
  bool online = false;
  bool verbose = false;
  std::vector<std::string> entries;
};

constexpr const char* kExamples =
    "  vzmlocal 101:205                      CT 101 becomes CT 205; its area follows\n"
    "  vzmlocal 101::/fast/101               its area moves, the number stays\n"
    "  vzmlocal 301:::/mnt/root301           its root moves\n"
    "  vzmlocal --online 101::/fast/101      to another disk, copied while it runs\n"
    "  vzmlocal -C 101:205                   CT 205 is made as a copy of CT 101\n"
    "  vzmlocal -C --online 101:205 101:206  two of them, CT 101 hardly stands still\n";

Error bad_entry(std::string_view entry, std::string_view why) {
  return fail(ErrorCode::invalid_argument, "migrate.options", entry, why)
      .with_exit_code(to_int(MigrateExit::usage))
      .with_hint("see vzmlocal --help");
}

/// SRC[:[DST][:[PRIVATE][:ROOT]]]
Result<local::Request> parse_entry(container::Context& context, const Options& options,
                                   std::string_view text) {
  std::vector<std::string> parts;
  for (std::string_view rest = text;;) {
    const std::size_t colon = rest.find(':');
    parts.emplace_back(rest.substr(0, colon));
    if (colon == std::string_view::npos) break;
    rest.remove_prefix(colon + 1);
  }
  if (parts.size() > 4) return bad_entry(text, "too many parts: SRC:DST:PRIVATE:ROOT");
  if (parts[0].empty()) return bad_entry(text, "a container is missing before ':'");
  if (parts.size() == 1)
    return bad_entry(text, "it is not said what it becomes: SRC:DST:PRIVATE:ROOT");
  parts.resize(4);
  local::Request request;
  auto id = resolve_container(context.kernel(), context.layout(), parts[0]);
  if (!id) {
    const bool unknown = id.error().code == ErrorCode::not_found;
    return migrate::stage_error(unknown ? MigrateExit::not_on_source : MigrateExit::usage, parts[0],
                                unknown ? "is not on this node" : "no number of a container",
                                std::move(id).error());
  }
  request.id = *id;
  request.new_id = *id;
  if (!parts[1].empty()) {
    auto to = parse_ctid(parts[1]);
    if (!to)
      return migrate::stage_error(MigrateExit::usage, parts[1], "no number for a container",
                                  std::move(to).error());
    request.new_id = *to;
  }
  if (options.copy && parts[1].empty())
    return bad_entry(text, "a copy needs a number of its own: SRC:DST");
  request.private_area = parts[2];
  request.root = parts[3];
  request.online = options.online;
  request.force = options.force;
  return request;
}

Status relocate(container::Context& context, const Options& options, const std::string& entry) {
  TH_ASSIGN(const local::Request request, parse_entry(context, options, entry));
  return options.copy ? local::copy_container(context, request)
                      : local::move_container(context, request);
}

Result<int> run(Session& session, const Options& options) {
  TH_ASSIGN(const NodeConfig node, load_node_config(session.kernel, session.layout));
  Reporter reporter(session, node, "vzmlocal",
                    options.verbose ? Verbosity::verbose : Verbosity::normal);
  container::Context context{session, node, reporter, {migrate::recovery_handler()}};
  TH_TRY(migrate::enter_tools_group(session.kernel, node, session.enter_group));
  int exit_code = 0;
  for (const std::string& entry : options.entries) {
    const Status done = relocate(context, options, entry);
    if (done) continue;
    if (done.error().code == ErrorCode::node_down) return to_int(MigrateExit::system);
    reporter.error(done.error().message());
    // The others still go their way; the first failure is the one that the command ends with.
    if (exit_code == 0) exit_code = migrate::migrate_exit_code(done.error());
    if (done.error().code == ErrorCode::interrupted) break;
  }
  return exit_code;
}

}  // namespace

int vzmlocal(Session& session, std::span<const std::string> argv) {
  Options options;
  const ProgramGrammar grammar{
      .program = "vzmlocal",
      .summary = "Moves containers to other numbers or places of this node, or copies them.",
      .examples = kExamples,
      .flags = {{"-C,--copy", &options.copy,
                 "Copy: with a new UUID, without the name, stopped; the source may run"},
                {"--online", &options.online,
                 "Copy the files while it runs; it stands still (copy) or is stopped (move) only "
                 "while what has changed since is brought over"},
                {"-f,--force", &options.force,
                 "Do not look at free space and open sessions (vzctl enter, exec)"},
                {"-v,--verbose", &options.verbose, "Say more"}},
      .words = {"SRC[:DST][:[PRIVATE][:ROOT]]", &options.entries,
                "Number or name, and what it becomes: number, private area, root; empty parts stay "
                "as they are. Paths may hold $VEID"},
  };
  return run_program(session, grammar, argv,
                     {.usage = to_int(MigrateExit::usage), .failure = to_int(MigrateExit::system)},
                     [&] { return run(session, options); });
}

}  // namespace twinhull::tools
