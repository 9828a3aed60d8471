// vzmtemplate: copies OS templates to another node (spec F3.16).
#include <fmt/format.h>

#include <string>
#include <vector>

#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/peer_name.h"
#include "runtime/migrate/recovery.h"
#include "runtime/migrate/ssh_options.h"
#include "runtime/migrate/template_source.h"
#include "runtime/migrate/tools_group.h"
#include "runtime/node/log.h"
#include "tools/commands.h"
#include "tools/vzcfg/program.h"

namespace twinhull::tools {
namespace {

using migrate::MigrateExit;
using migrate::to_int;

struct Options {
  bool batch = false;
  std::optional<std::string> ssh;
  std::string host;
  std::vector<std::string> templates;
};

/// vzmtemplate has fewer codes than vzmigrate.
int exit_code_of(const Error& error) {
  switch (const int code = migrate::migrate_exit_code(error); code) {
    case to_int(MigrateExit::usage):
    case to_int(MigrateExit::locked):
    case to_int(MigrateExit::connect):
    case to_int(MigrateExit::copy_failed):
    case to_int(MigrateExit::exists):
    case to_int(MigrateExit::not_on_source):
    case migrate::kObsolete: return code;
    case to_int(MigrateExit::no_disk_space):
    case to_int(MigrateExit::connection_broken):
    case to_int(MigrateExit::timed_out): return to_int(MigrateExit::copy_failed);
    default: return to_int(MigrateExit::system);
  }
}

/// A terse command says no less about a failure.
void tell(container::Context& context, const Options& options, const Error& error) {
  context.reporter.error(error.message());
  if (options.batch) context.session.console.error(error.message() + "\n");
}

Status copy_all(container::Context& context, const Options& options, int& exit_code) {
  TH_ASSIGN(PeerAddress peer, migrate::parse_peer(options.host));
  if (options.ssh) {
    TH_ASSIGN(peer.ssh_options, migrate::parse_ssh_options(*options.ssh));
  }
  std::optional<migrate::TemplateSource> source;
  for (const std::string& name : options.templates) {
    if (!source) {
      TH_ASSIGN(source, migrate::TemplateSource::connect(context, peer));
    }
    const auto done = source->copy(name);
    if (done) {
      const bool copied = *done == migrate::TemplateOutcome::copied;
      if (options.batch)
        context.session.console.out(fmt::format("{} {}\n", name, copied ? "copied" : "present"));
      else
        context.reporter.say(copied ? fmt::format("Template {} is on {} now", name, peer.host)
                                    : fmt::format("Template {} is on {} already", name, peer.host));
      continue;
    }
    if (done.error().code == ErrorCode::node_down || done.error().code == ErrorCode::interrupted)
      return done.error();
    tell(context, options, done.error());
    const int code = exit_code_of(done.error());
    if (exit_code == 0) exit_code = code;
    // A tree that came in half leaves no messages behind it: a new connection for the next one.
    if (code == to_int(MigrateExit::copy_failed) || code == to_int(MigrateExit::system)) {
      source->close();
      source.reset();
    }
  }
  if (source) source->close();
  return {};
}

Result<int> run(Session& session, const Options& options) {
  TH_ASSIGN(const NodeConfig node, load_node_config(session.kernel, session.layout));
  Reporter reporter(session, node, "vzmtemplate",
                    options.batch ? Verbosity::quiet : Verbosity::normal);
  container::Context context{session, node, reporter, {migrate::recovery_handler()}};
  TH_TRY(migrate::enter_tools_group(session.kernel, node, session.enter_group));
  int exit_code = 0;
  const Status done = copy_all(context, options, exit_code);
  if (done) return exit_code;
  if (done.error().code != ErrorCode::node_down) tell(context, options, done.error());
  return exit_code_of(done.error());
}

}  // namespace

int vzmtemplate(Session& session, std::span<const std::string> argv) {
  Options options;
  const ProgramGrammar grammar{
      .program = "vzmtemplate",
      .summary = "Copies OS templates to another node; they stay on this one.",
      .examples =
          "  vzmtemplate n2 busybox debian-12-x86_64\n"
          "  vzmtemplate -b root@192.0.2.7 .busybox    one line for each: NAME copied|present\n"
          "Exit codes: 0 well, 1 usage, 2 system error, 3 locked there, 4 no connection,\n"
          "6 copying failed, 9 another version is there, 10 not on this node, 14 not supported\n",
      .flags = {{"-b,--batch", &options.batch, "Terse output for scripts"}},
      .values = {{"--ssh", &options.ssh, "OPTIONS",
                  "Options for ssh, in one word, such as \"-p 2222\""}},
      .word = {"HOST", &options.host, "[USER@]HOST: the destination", true},
      .words = {"TEMPLATE", &options.templates, "Names, with or without a leading dot"},
  };
  return run_program(session, grammar, argv,
                     {.usage = to_int(MigrateExit::usage), .failure = to_int(MigrateExit::system)},
                     [&] { return run(session, options); });
}

}  // namespace twinhull::tools
