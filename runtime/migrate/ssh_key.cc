#include "runtime/migrate/ssh_key.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/migrate/exit_codes.h"

namespace twinhull::migrate {
namespace {

constexpr std::array<std::string_view, 7> kTypes = {"ssh-ed25519",
                                                    "ecdsa-sha2-nistp256",
                                                    "ecdsa-sha2-nistp384",
                                                    "ecdsa-sha2-nistp521",
                                                    "sk-ssh-ed25519@openssh.com",
                                                    "sk-ecdsa-sha2-nistp256@openssh.com",
                                                    "ssh-rsa"};
constexpr std::size_t kMostBytes = 16384;
constexpr std::size_t kLeastRsaBytes = 256;  // 2048 bits

Error refuse(std::string_view why) {
  return fail(ErrorCode::invalid_argument, "migrate.key", "public key", why)
      .with_exit_code(to_int(MigrateExit::usage))
      .with_hint("hand in one line of a file that ends in .pub: vzmsetkey < id_ed25519.pub");
}

int digit_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

/// std::nullopt for what is no base64 (RFC 4648) with padding.
std::optional<std::string> decode(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && text.ends_with('=')) {
    text.remove_suffix(1);
    ++padding;
  }
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int digit = digit_of(c);
    if (digit < 0) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>((bits >> count) & 0xff);
    bits &= (1U << count) - 1;
  }
  if (bits != 0) return std::nullopt;
  return bytes;
}

/// Takes one string with its length in front (RFC 4251) off the key.
std::optional<std::string_view> take(std::string_view& bytes) {
  if (bytes.size() < 4) return std::nullopt;
  std::size_t length = 0;
  for (std::size_t i = 0; i < 4; ++i) length = (length << 8) | static_cast<unsigned char>(bytes[i]);
  bytes.remove_prefix(4);
  if (length > bytes.size()) return std::nullopt;
  const std::string_view part = bytes.substr(0, length);
  bytes.remove_prefix(length);
  return part;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

}  // namespace

std::string PublicKey::line() const {
  return "restrict " + type + " " + base64 + (comment.empty() ? "" : " " + comment) + "\n";
}

Result<PublicKey> parse_public_key(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  if (text.find("PRIVATE KEY") != std::string_view::npos)
    return refuse("this is a private key: it belongs on no other machine");
  if (text.size() > kMostBytes) return refuse("it is longer than any key");
  if (text.find('\n') != std::string_view::npos) return refuse("more than one line");
  if (std::any_of(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == 0x7F;
      }))
    return refuse("it holds control characters");
  const auto words = words_of(text);
  if (words.empty()) return refuse("nothing was handed in");
  if (words[0] == "ssh-dss") return refuse("keys of the type ssh-dss are not accepted by ssh");
  if (std::find(kTypes.begin(), kTypes.end(), words[0]) == kTypes.end())
    return refuse("it does not begin with the type of a key; options are not taken");
  if (words.size() < 2) return refuse("the key is missing after its type");
  PublicKey key;
  key.type = words[0];
  key.base64 = words[1];
  for (std::size_t i = 2; i < words.size(); ++i)
    key.comment += (i == 2 ? "" : " ") + std::string(words[i]);
  const auto bytes = decode(key.base64);
  if (!bytes) return refuse("the key is damaged: no base64");
  std::string_view rest = *bytes;
  const auto type = take(rest);
  if (!type || *type != key.type) return refuse("the key is damaged: another type is inside");
  std::size_t longest = 0;
  std::size_t parts = 0;
  for (; !rest.empty(); ++parts) {
    const auto part = take(rest);
    if (!part) return refuse("the key is damaged: it ends too early");
    longest = std::max(longest, part->size());
  }
  if (parts == 0) return refuse("the key is damaged: it is empty");
  if (key.type == "ssh-rsa" && longest < kLeastRsaBytes)
    return refuse("RSA keys need 2048 bits or more");
  return key;
}

bool holds_key(std::string_view authorized_keys, const PublicKey& key) {
  while (!authorized_keys.empty()) {
    const std::size_t end = std::min(authorized_keys.find('\n'), authorized_keys.size());
    const std::string_view line = authorized_keys.substr(0, end);
    authorized_keys.remove_prefix(std::min(end + 1, authorized_keys.size()));
    if (line.starts_with('#')) continue;
    const auto words = words_of(line);
    if (std::find(words.begin(), words.end(), key.base64) != words.end()) return true;
  }
  return false;
}

}  // namespace twinhull::migrate
