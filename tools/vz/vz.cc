// vz: the node's own start and shutdown (spec R11).
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "runtime/config/container_index.h"
#include "runtime/config/node_config.h"
#include "runtime/migrate/recovery.h"
#include "runtime/node/exit_codes.h"
#include "runtime/node/log.h"
#include "runtime/service/fate.h"
#include "runtime/service/service.h"
#include "tools/commands.h"
#include "tools/vz/status.h"
#include "tools/vzcfg/program.h"

namespace twinhull::tools {
namespace {

using container::Context;

// LSB's, which service managers know.
constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr int kNotStarted = 3;
constexpr int kUnknown = 4;

struct Options {
  std::string verb;
  std::vector<std::string> containers;
  bool json = false;
};

constexpr const char* kExamples =
    "  vz start             # at boot: resumes and starts what was up, and what has ONBOOT=yes\n"
    "  vz stop              # at shutdown: suspends or stops what runs, unmounts\n"
    "  vz status            # what these two would do\n"
    "  vz status -j\n"
    "  vz stop 101 web      # these alone, as at shutdown\n"
    "  vz start 101 web     # these alone, whatever ONBOOT says\n"
    "  vzctl set 101 --onboot yes --bootorder 10 --autostop suspend --save\n";

Result<std::vector<CtId>> containers_of(Context& context, const Options& options) {
  std::vector<CtId> ids;
  for (const std::string& word : options.containers) {
    TH_ASSIGN(const CtId id, resolve_container(context.kernel(), context.layout(), word));
    TH_ASSIGN(const auto config,
              context.kernel().files().stat(context.layout().container_config(id)));
    if (!config)
      return fail(ErrorCode::not_found, "vz", "CT " + id.text(),
                  "Container config file does not exist")
          .with_exit_code(to_int(ExitCode::no_container_config))
          .with_hint("vz status shows the containers of this node");
    ids.push_back(id);
  }
  return ids;
}

Result<bool> start(Context& context, const std::vector<CtId>& ids) {
  if (ids.empty()) return service::start_node(context);
  bool well = true;
  for (const CtId id : ids) {
    TH_ASSIGN(const service::Fate fate, service::bring_up(context, id));
    well = service::tell(context.reporter, id, fate) && well;
  }
  return well;
}

Result<bool> stop(Context& context, const std::vector<CtId>& ids) {
  if (ids.empty()) return service::stop_node(context);
  bool well = true;
  for (const CtId id : ids) {
    TH_ASSIGN(const service::Fate fate, service::take_down(context, id));
    well = service::tell(context.reporter, id, fate) && well;
  }
  return well;
}

Result<int> status(Context& context, const std::vector<CtId>& ids, bool json) {
  vz_service::ServiceStatus status;
  TH_ASSIGN(status.started, service::node_is_started(context.kernel(), context.layout()));
  status.enabled = context.node.enabled;
  TH_ASSIGN(status.containers, service::look_ahead(context));
  if (!ids.empty())
    std::erase_if(status.containers, [&](const service::Prospect& one) {
      return std::find(ids.begin(), ids.end(), one.id) == ids.end();
    });
  context.session.console.out(json ? vz_service::status_json(status)
                                   : vz_service::status_text(status));
  return status.started ? 0 : kNotStarted;
}

Result<int> act(Context& context, const Options& options) {
  TH_ASSIGN(const std::vector<CtId> ids, containers_of(context, options));
  if (options.verb == "status") return status(context, ids, options.json);
  bool well = true;
  if (options.verb != "start") {
    TH_ASSIGN(well, stop(context, ids));
  }
  if (options.verb != "stop") {
    TH_ASSIGN(const bool up, start(context, ids));
    well = well && up;
  }
  return well ? 0 : kFailed;
}

Result<int> run(Session& session, const Options& options) {
  const bool known = options.verb == "start" || options.verb == "stop" ||
                     options.verb == "restart" || options.verb == "status";
  if (!known || (options.json && options.verb != "status")) {
    session.console.error(
        known ? std::string("vz: -j is for status; see vz --help\n")
              : fmt::format("vz: {}: unknown verb; accepted: start, stop, restart, status; see vz "
                            "--help\n",
                            options.verb));
    return kUsage;
  }
  TH_ASSIGN(const NodeConfig node, load_node_config(session.kernel, session.layout));
  Reporter reporter(session, node, "vz", Verbosity::normal);
  Context context{session, node, reporter, {migrate::recovery_handler()}};
  const Result<int> code = act(context, options);
  if (code) return code;
  if (code.error().code != ErrorCode::node_down) reporter.error("vz: " + code.error().message());
  return options.verb == "status" ? kUnknown : exit_code_for(code.error());
}

}  // namespace

int vz(Session& session, std::span<const std::string> argv) {
  Options options;
  const ProgramGrammar grammar{
      .program = "vz",
      .summary =
          "Starts and shuts down this node's Containers: stop suspends or stops them as "
          "VE_STOP_MODE and AUTOSTOP say, start brings back those that were up without ONBOOT=no, "
          "and those with ONBOOT=yes, by BOOTORDER, VE_PARALLEL at a time.",
      .examples = kExamples,
      .flags = {{"-j,--json", &options.json, "status as JSON"}},
      .word = {"VERB", &options.verb, "start, stop, restart or status", true},
      .words = {"CTID", &options.containers, "Numbers or names; none: the whole node",
                /*optional=*/true},
  };
  return run_program(session, grammar, argv, {.usage = kUsage, .failure = kFailed},
                     [&] { return run(session, options); });
}

}  // namespace twinhull::tools
