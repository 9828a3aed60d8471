#include "tools/vzmpipe/request.h"

#include <fmt/format.h>

#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/serve.h"

namespace twinhull::tools {
namespace {

constexpr std::size_t kMostShown = 80;

Error refuse(std::string_view what, std::string_view why) {
  return fail(ErrorCode::not_permitted, "migrate.pipe", what, why)
      .with_exit_code(migrate::to_int(migrate::MigrateExit::usage))
      .with_hint("on the other node: vzmigrate USER@HOST CTID");
}

/// What a stranger sends is shown on terminals and in logs.
std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMostShown))
    out += static_cast<unsigned char>(c) < ' ' || c == 0x7F ? '?' : c;
  return out + (text.size() > kMostShown ? "..." : "");
}

}  // namespace

Status check_pipe_request(std::span<const std::string> argv) {
  if (argv.size() < 2)
    return refuse("login", "this account takes migrations only, it has no shell");
  if (argv[1] != "-c" || argv.size() != 3)
    return refuse(shown(argv[1]), "this account's shell takes -c COMMAND only");
  const std::string& command = argv[2];
  if (command == fmt::format("{} {} {}", kPipeProgram, kPipeOption, kMigrationService) ||
      command == fmt::format("'{}' '{}' '{}'", kPipeProgram, kPipeOption, kMigrationService))
    return {};
  return refuse(shown(command), "this account takes migrations only; nothing was run");
}

}  // namespace twinhull::tools
