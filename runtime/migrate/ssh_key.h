// Public keys of ssh as a line of authorized_keys (sshd(8)).
#pragma once

#include <string>
#include <string_view>

#include "runtime/kernel/result.h"

namespace twinhull::migrate {

struct PublicKey {
  std::string type;     ///< "ssh-ed25519"
  std::string base64;   ///< the key itself, as it was written
  std::string comment;  ///< may be empty
  /// As it is stored: without terminal, forwarding and other commands than the login shell.
  [[nodiscard]] std::string line() const;
};

/// One line "TYPE BASE64 [COMMENT]". Options before the type are refused: whoever hands in a key
/// does not decide what it may do. Errors: invalid_argument naming what is wrong (exit 1): no key,
/// a private key, a type that ssh has given up, damaged base64, a key of another type inside, RSA
/// below 2048 bits.
Result<PublicKey> parse_public_key(std::string_view text);

/// Whether one of the lines of an authorized_keys file holds this key, with whatever options.
bool holds_key(std::string_view authorized_keys, const PublicKey& key);

}  // namespace twinhull::migrate
