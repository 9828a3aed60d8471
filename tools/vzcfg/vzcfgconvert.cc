// vzcfgconvert: configurations of old releases in the present format (spec F4.38).
#include <fmt/format.h>

#include <string>
#include <vector>

#include "runtime/config/container_index.h"
#include "runtime/container/context.h"
#include "runtime/container/locked.h"
#include "runtime/kernel/files.h"
#include "runtime/migrate/recovery.h"
#include "runtime/node/log.h"
#include "runtime/resource/convert.h"
#include "tools/commands.h"
#include "tools/vzcfg/program.h"

namespace twinhull::tools {
namespace {

/// Converts under the container's lock, and only what needs it.
Status convert_one(container::Context& context, CtId id) {
  const auto body = [&]() -> Status {
    // Not as settings: old keys need not make sense before they are converted.
    const std::string path = context.layout().container_config(id);
    const auto text = context.kernel().files().read(path);
    if (!text) {
      if (text.error().code != ErrorCode::not_found) return text.error();
      return fail(ErrorCode::not_found, "vzcfgconvert", "CT " + id.text(),
                  "no such container: " + path + " does not exist")
          .with_hint("vzlist -a shows all containers");
    }
    TH_ASSIGN(ConfigFile file, ConfigFile::parse(*text, path));
    TH_ASSIGN(const resource::ConfigRelease release, resource::convert(file));
    context.reporter.about(id);
    if (release == resource::ConfigRelease::current) {
      context.reporter.say("CT " + id.text() + ": already in the present format");
      return {};
    }
    TH_TRY(save_container_config(context.kernel(), context.layout(), id, file));
    context.reporter.say(fmt::format("CT {}: converted from {}", id.text(), to_string(release)));
    return {};
  };
  return container::with_lock(context, id, "setting", body);
}

Result<int> run(Session& session, const std::string& word) {
  TH_ASSIGN(const NodeConfig node, load_node_config(session.kernel, session.layout));
  Reporter reporter(session, node, "vzcfgconvert", Verbosity::normal);
  container::Context context{session, node, reporter, {migrate::recovery_handler()}};
  if (!word.empty()) {
    TH_ASSIGN(const CtId id, resolve_container(session.kernel, session.layout, word));
    TH_TRY(convert_one(context, id));
    return 0;
  }
  TH_ASSIGN(const std::vector<CtId> ids, list_containers(session.kernel, session.layout));
  int code = 0;
  for (const CtId id : ids) {
    const Status done = convert_one(context, id);
    if (done) continue;
    if (done.error().code == ErrorCode::node_down) return done.error();
    reporter.error(done.error().message());
    code = 1;
  }
  return code;
}

}  // namespace

int vzcfgconvert(Session& session, std::span<const std::string> argv) {
  std::string container;
  const ProgramGrammar grammar{
      .program = "vzcfgconvert",
      .summary =
          "Converts configurations of releases 2.0.2 and 2.6.2, which have no VERSION, to "
          "the present format. What is converted already stays as it is.",
      .examples = "  vzcfgconvert 101\n  vzcfgconvert            # all Containers\n",
      .word = {"CTID", &container, "Number or name of a Container; default: all", false}};
  return run_program(session, grammar, argv, {}, [&] { return run(session, container); });
}

}  // namespace twinhull::tools
