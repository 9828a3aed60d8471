// vzctl: the operations on one container as a command (spec R3).
#include <optional>
#include <utility>
#include <variant>

#include "runtime/config/container_index.h"
#include "runtime/config/node_config.h"
#include "runtime/container/locked.h"
#include "runtime/container/node_itself.h"
#include "runtime/container/operations.h"
#include "runtime/container/state.h"
#include "runtime/kernel/files.h"
#include "runtime/migrate/recovery.h"
#include "runtime/node/exit_codes.h"
#include "runtime/node/log.h"
#include "tools/commands.h"
#include "tools/vzctl/command_line.h"
#include "tools/vzctl/explanation.h"

namespace twinhull::tools {
namespace {

using container::Context;
using ctl::Command;
using ctl::Invocation;

/// CT 0 can be limited and explained; it cannot be started or deleted.
Result<int> run_on_node_itself(Context& context, const Invocation& invocation) {
  if (invocation.command == Command::set) {
    TH_TRY(container::set_node_itself(context, invocation.set));
    return 0;
  }
  if (invocation.command == Command::explain) {
    TH_ASSIGN(const container::ExplainedContainer explained,
              container::explain_node_itself(context, invocation.words));
    context.session.console.out(invocation.json ? ctl::explanation_json(explained)
                                                : ctl::explanation_text(explained));
    return 0;
  }
  return fail(ErrorCode::invalid_argument, "vzctl", "CT 0",
              "is the node itself: there are only set and explain for it")
      .with_exit_code(to_int(ExitCode::bad_command_line));
}

/// The number of the container that the operator means.
Result<CtId> find_container(Context& context, const Invocation& invocation) {
  if (invocation.command == Command::create) return parse_ctid(invocation.container);
  return resolve_container(context.kernel(), context.layout(), invocation.container);
}

/// STATUS of the lock while the command runs (spec R11).
std::string_view lock_status(Command command) {
  switch (command) {
    case Command::create: return "creating";
    case Command::destroy: return "destroying";
    case Command::start: return "starting";
    case Command::stop: return "stopping";
    case Command::restart: return "restarting";
    case Command::mount: return "mounting";
    case Command::umount: return "unmounting";
    case Command::suspend: return "suspending";
    case Command::resume: return "restoring";
    case Command::pause: return "pausing";
    default: return "setting";
  }
}

Status run_locked(Context& context, CtId id, const Invocation& invocation) {
  switch (invocation.command) {
    case Command::create: return container::create(context, id, invocation.create);
    case Command::destroy: return container::destroy(context, id, invocation.destroy);
    case Command::start: return container::start(context, id, invocation.start);
    case Command::stop: return container::stop(context, id, invocation.stop);
    case Command::restart:
      return container::restart(context, id, invocation.stop, invocation.start);
    case Command::mount: return container::mount(context, id, invocation.mount);
    case Command::umount: return container::unmount(context, id, invocation.mount);
    case Command::suspend: return container::suspend(context, id, invocation.suspend);
    case Command::resume: return container::resume(context, id, invocation.resume);
    case Command::pause: return container::pause(context, id);
    case Command::set: return container::set(context, id, invocation.set);
    default: return fail(ErrorCode::invalid_argument, "vzctl", "CT " + id.text(), "takes no lock");
  }
}

/// A script on a container that is down mounts it: that needs the lock, a running one does not.
Result<int> run_script_file(Context& context, CtId id, const std::string& path) {
  TH_ASSIGN(const std::optional<ProcessRef> init,
            context.kernel().processes().find(container::label_of(id)));
  if (init) return container::run_script(context, id, path);
  int code = 0;
  const Status done = container::with_lock(context, id, "mounting", [&]() -> Status {
    TH_ASSIGN(code, container::run_script(context, id, path));
    return {};
  });
  if (!done) return done.error();
  return code;
}

/// exec and enter of a container that nobody configured are told apart from one that is down.
Status require_configured(Context& context, CtId id) {
  const std::string path = context.layout().container_config(id);
  TH_ASSIGN(const std::optional<FileInfo> config, context.kernel().files().stat(path));
  if (config) return {};
  return fail(ErrorCode::not_found, "vzctl", "CT " + id.text(),
              "Container config file does not exist")
      .with_exit_code(to_int(ExitCode::no_container_config))
      .with_hint("vzlist -a shows the containers of this node");
}

Result<int> run(Context& context, const Invocation& invocation) {
  if (invocation.container == "0") return run_on_node_itself(context, invocation);
  TH_ASSIGN(const CtId id, find_container(context, invocation));
  context.reporter.about(id);
  switch (invocation.command) {
    case Command::status: {
      TH_ASSIGN(const container::State state,
                container::observe(context.kernel(), context.layout(), context.node, id));
      context.session.console.out(container::status_line(id, state) + "\n");
      return 0;
    }
    case Command::explain: {
      TH_TRY(require_configured(context, id));
      TH_ASSIGN(const container::ExplainedContainer explained,
                container::explain(context, id, invocation.words));
      context.session.console.out(invocation.json ? ctl::explanation_json(explained)
                                                  : ctl::explanation_text(explained));
      return 0;
    }
    case Command::exec:
      TH_TRY(require_configured(context, id));
      return container::execute(context, id, container::ExecKind::exec, invocation.words);
    case Command::exec2:
      TH_TRY(require_configured(context, id));
      return container::execute(context, id, container::ExecKind::exec2, invocation.words);
    case Command::exec3:
      TH_TRY(require_configured(context, id));
      return container::execute(context, id, container::ExecKind::exec3, invocation.words);
    case Command::enter:
      TH_TRY(require_configured(context, id));
      return container::enter(context, id,
                              invocation.words.empty() ? "" : invocation.words.front());
    case Command::runscript:
      TH_TRY(require_configured(context, id));
      return run_script_file(context, id, invocation.words.front());
    default: break;
  }
  const auto body = [&]() -> Status {
    // Under the lock: recovery may just have completed a deletion or taken back a creation.
    if (invocation.command != Command::create) TH_TRY(require_configured(context, id));
    return run_locked(context, id, invocation);
  };
  TH_TRY(container::with_lock(context, id, lock_status(invocation.command), body));
  return 0;
}

}  // namespace

int vzctl(Session& session, std::span<const std::string> argv) {
  Result<std::variant<Invocation, ctl::Answer>> parsed = ctl::parse_command_line(argv);
  if (!parsed) {
    session.console.error(parsed.error().message() + "\n");
    return exit_code_for(parsed.error());
  }
  if (const auto* answer = std::get_if<ctl::Answer>(&*parsed)) {
    session.console.out(answer->text);
    return 0;
  }
  const Invocation& invocation = std::get<Invocation>(*parsed);
  const Result<NodeConfig> node = load_node_config(session.kernel, session.layout);
  if (!node) {
    session.console.error(node.error().message() + "\n");
    return exit_code_for(node.error());
  }
  Reporter reporter(session, *node, "vzctl", invocation.verbosity);
  Context context{session, *node, reporter, {migrate::recovery_handler()}};
  const Result<int> code = run(context, invocation);
  if (code) return *code;
  if (code.error().code != ErrorCode::node_down) reporter.error(code.error().message());
  return exit_code_for(code.error());
}

}  // namespace twinhull::tools
