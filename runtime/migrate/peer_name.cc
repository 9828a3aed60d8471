#include "runtime/migrate/peer_name.h"

#include <algorithm>

#include "runtime/migrate/exit_codes.h"

namespace twinhull::migrate {

Result<PeerAddress> parse_peer(const std::string& text) {
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorCode::invalid_argument, "migrate.options", text, why)
        .with_exit_code(to_int(MigrateExit::usage))
        .with_hint("accepted is [USER@]HOST");
  };
  PeerAddress peer;
  const std::size_t at = text.find_last_of('@');
  if (at != std::string::npos) {
    peer.user = text.substr(0, at);
    if (peer.user.empty()) return refuse("the user before '@' is missing");
  }
  peer.host = at == std::string::npos ? text : text.substr(at + 1);
  // A leading '-' would be an option of ssh; blanks and control characters are in no host's name.
  const auto bad = [](const std::string& part) {
    return part.starts_with('-') || std::any_of(part.begin(), part.end(), [](char c) {
             return static_cast<unsigned char>(c) <= ' ' || c == 0x7F;
           });
  };
  if (peer.host.empty() || bad(peer.host) || bad(peer.user)) return refuse("no host is named");
  return peer;
}

}  // namespace twinhull::migrate
