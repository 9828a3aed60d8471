// What two nodes say to each other during a migration.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/kernel/channels.h"
#include "runtime/kernel/result.h"

namespace twinhull::migrate {

/// Both ends must speak the same version; a change of any message counts it up.
inline constexpr int kProtocolVersion = 4;

/// A small file that travels with a message, byte for byte.
struct Attachment {
  std::string name;
  std::uint32_t mode = 0644;
  std::string content;
  bool operator==(const Attachment&) const = default;
};

/// One check that failed at the destination.
struct Problem {
  int exit_code = 0;  ///< of vzmigrate (spec F3.13)
  std::string text;
  bool operator==(const Problem&) const = default;
};

/// A request or an answer: on the channel one JSON object {"version", "type", "fields", …}, then
/// one raw message for each attachment.
struct Message {
  std::string type;
  std::map<std::string, std::string> fields = {};
  std::vector<Attachment> attachments = {};
  std::vector<Problem> problems = {};
  bool operator==(const Message&) const = default;

  /// Empty when absent.
  [[nodiscard]] std::string text(const std::string& field) const;
  /// Errors: protocol (absent, or no number in the range).
  [[nodiscard]] Result<std::uint64_t> number(const std::string& field, std::uint64_t most) const;
  [[nodiscard]] bool says_yes(const std::string& field) const { return text(field) == "yes"; }
};

/// Errors: those of Channel::send.
Status send_message(Channel& channel, const Message& message);
/// The next message with its attachments. Errors: those of Channel::receive; connection_lost when
/// the peer closed the channel; protocol for anything that is no message of this version.
Result<Message> receive_message(Channel& channel, Duration timeout);

/// JSON of a message without the attachments' content, and back. Errors: protocol.
std::string message_text(const Message& message);
Result<Message> parse_message(std::string_view text);

/// An error as an answer of type "error", and back.
Message error_message(const Error& error);
Error peer_error(const Message& message, std::string_view peer);

/// Sends, and receives the answer. An answer of type "error" becomes that error.
Result<Message> ask(Channel& channel, const Message& question, Duration timeout,
                    std::string_view peer);

}  // namespace twinhull::migrate
