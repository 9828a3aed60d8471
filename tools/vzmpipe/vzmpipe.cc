// vzmpipe: the login shell of the account that migrations come in by (spec F3.17). What it lets in
// is served by the program's main; this is the rest.
#include "runtime/migrate/exit_codes.h"
#include "runtime/node/log.h"
#include "tools/commands.h"
#include "tools/vzmpipe/request.h"

namespace twinhull::tools {
namespace {

constexpr const char* kHelp =
    "vzmpipe is the login shell of an account that only takes migrations in.\n"
    "Usage: vzmpipe -c COMMAND    as sshd calls it; COMMAND must be the one that vzmigrate "
    "sends\n\n"
    "Examples:\n"
    "  useradd -m -o -u 0 -s /usr/sbin/vzmpipe vzagent     the account, with the rights of root\n"
    "  useradd -m -s /usr/sbin/vzmpipe vzagent             or without them: it then needs in "
    "sudoers\n"
    "    vzagent ALL=(root) NOPASSWD: /usr/sbin/vzmigrate --serve migrate\n"
    "  vzmsetkey < id_ed25519.pub                          lets the holder of that key in\n"
    "  vzmigrate vzagent@HOST 101                          on the other node\n"
    "Exit codes: those of the service; 1 for everything else that was asked for\n";

}  // namespace

int vzmpipe(Session& session, std::span<const std::string> argv) {
  if (argv.size() == 2 && argv[1] == "--help") {
    session.console.out(kHelp);
    return 0;
  }
  Status allowed = check_pipe_request(argv);
  if (allowed)
    allowed = fail(ErrorCode::not_supported, "migrate.pipe", "migration service",
                   "this node cannot answer on standard streams")
                  .with_exit_code(migrate::to_int(migrate::MigrateExit::system));
  // The log gets it too: who knocks at this door is worth knowing.
  const auto node = load_node_config(session.kernel, session.layout);
  const NodeConfig config = node ? *node : default_node_config(session.layout);
  Reporter(session, config, "vzmpipe", Verbosity::normal).error(allowed.error().message());
  return migrate::migrate_exit_code(allowed.error());
}

}  // namespace twinhull::tools
