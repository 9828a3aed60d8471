#include "runtime/migrate/message.h"

#include <fmt/format.h>

#include "runtime/config/json_text.h"
#include "runtime/config/quantity.h"
#include "runtime/migrate/exit_codes.h"

namespace twinhull::migrate {
namespace {

constexpr std::size_t kMostAttachments = 16;
constexpr std::size_t kMostAttachmentBytes = std::size_t{2} << 20;

Error garbled(std::string_view why) {
  return fail(ErrorCode::protocol, "migrate.message", "peer", why)
      .with_exit_code(to_int(MigrateExit::protocol))
      .with_hint("use the same version on both nodes");
}

bool string_map(JsonValue object, std::map<std::string, std::string>& target) {
  if (!object.is_object()) return false;
  for (const JsonValue member : object) {
    const auto value = member.text();
    if (!value) return false;
    target.insert_or_assign(std::string(member.name()), std::string(*value));
  }
  return true;
}

/// A plain file name: it becomes part of a path.
bool plain_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 && name.front() != '.' &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string::npos;
}

}  // namespace

std::string Message::text(const std::string& field) const {
  const auto found = fields.find(field);
  return found == fields.end() ? std::string() : found->second;
}

Result<std::uint64_t> Message::number(const std::string& field, std::uint64_t most) const {
  const auto value = parse_number(text(field), 0, most);
  if (!value) return garbled(fmt::format("{}: \"{}\" is no number", field, text(field)));
  return *value;
}

std::string message_text(const Message& message) {
  JsonWriter json(JsonWriter::Layout::line);
  json.begin_object();
  json.key("attachments");
  json.begin_array();
  for (const Attachment& attachment : message.attachments) {
    json.begin_object();
    json.key("bytes");
    json.number(static_cast<std::int64_t>(attachment.content.size()));
    json.key("mode");
    json.number(attachment.mode);
    json.member("name", attachment.name);
    json.end_object();
  }
  json.end_array();
  json.key("fields");
  json.begin_object();
  for (const auto& [name, value] : message.fields) json.member(name, value);
  json.end_object();
  json.key("problems");
  json.begin_array();
  for (const Problem& problem : message.problems) {
    json.begin_object();
    json.key("exit");
    json.number(problem.exit_code);
    json.member("text", problem.text);
    json.end_object();
  }
  json.end_array();
  json.member("type", message.type);
  json.key("version");
  json.number(kProtocolVersion);
  json.end_object();
  return json.take();
}

Result<Message> parse_message(std::string_view text) {
  JsonDocument document;
  if (!document.parse(text) || !document.root().is_object())
    return garbled("the peer sent no message of a migration");
  const JsonValue json = document.root();
  const JsonValue version = json.member("version");
  if (!version.is_number()) return garbled("the peer sent a message without version");
  if (version.number() != kProtocolVersion) {
    return garbled(fmt::format("the peer speaks version {}, this node version {}", version.raw(),
                               kProtocolVersion));
  }
  Message message;
  const auto type = json.member("type").text();
  const JsonValue attachments = json.member("attachments");
  const JsonValue problems = json.member("problems");
  if (!type || !attachments.is_array() || !problems.is_array() ||
      !string_map(json.member("fields"), message.fields)) {
    return garbled("the peer sent a malformed message");
  }
  message.type = *type;
  for (const JsonValue entry : attachments) {
    if (message.attachments.size() == kMostAttachments)
      return garbled("the peer sends too many files");
    const auto name = entry.member("name").text();
    const auto mode = entry.member("mode").number();
    const auto bytes = entry.member("bytes").number();
    if (!name || !mode || !bytes || *mode > 07777 || *bytes > kMostAttachmentBytes)
      return garbled("the peer sent a malformed file");
    Attachment attachment;
    attachment.name = *name;
    attachment.mode = static_cast<std::uint32_t>(*mode);
    attachment.content.resize(static_cast<std::size_t>(*bytes));
    if (!plain_name(attachment.name)) return garbled("the peer sent a file with a bad name");
    message.attachments.push_back(std::move(attachment));
  }
  for (const JsonValue entry : problems) {
    const auto exit_code = entry.member("exit").number();
    const auto problem = entry.member("text").text();
    if (!exit_code || !problem || *exit_code > 255)
      return garbled("the peer sent a malformed problem");
    message.problems.push_back({static_cast<int>(*exit_code), std::string(*problem)});
  }
  return message;
}

Status send_message(Channel& channel, const Message& message) {
  for (const Attachment& attachment : message.attachments) {
    if (attachment.content.size() > kMostAttachmentBytes) {
      return fail(ErrorCode::limit_exceeded, "migrate.message", attachment.name,
                  "the file is larger than 2 MiB and cannot travel with a container")
          .with_exit_code(to_int(MigrateExit::message_too_long));
    }
  }
  TH_TRY(channel.send(message_text(message)));
  for (const Attachment& attachment : message.attachments) TH_TRY(channel.send(attachment.content));
  return {};
}

Result<Message> receive_message(Channel& channel, Duration timeout) {
  const auto next = [&]() -> Result<std::string> {
    TH_ASSIGN(std::optional<std::string> text, channel.receive(timeout));
    if (text) return std::move(*text);
    return fail(ErrorCode::connection_lost, "migrate.receive", "peer", "the peer hung up");
  };
  TH_ASSIGN(const std::string text, next());
  TH_ASSIGN(Message message, parse_message(text));
  for (Attachment& attachment : message.attachments) {
    const std::size_t announced = attachment.content.size();
    TH_ASSIGN(attachment.content, next());
    if (attachment.content.size() != announced) return garbled("a file has another length");
  }
  return message;
}

Message error_message(const Error& error) {
  Message message;
  message.type = "error";
  message.fields["code"] = to_string(error.code);
  message.fields["exit"] = std::to_string(stated_exit_code(error));
  message.fields["text"] = error.message();
  return message;
}

Error peer_error(const Message& message, std::string_view peer) {
  const auto code = parse_error_code(message.text("code"));
  const auto exit_code = message.number("exit", 255);
  return fail(code.value_or(ErrorCode::failed), "migrate.peer", peer, message.text("text"))
      .with_exit_code(exit_code ? static_cast<int>(*exit_code) : 0);
}

Result<Message> ask(Channel& channel, const Message& question, Duration timeout,
                    std::string_view peer) {
  TH_TRY(send_message(channel, question));
  TH_ASSIGN(Message answer, receive_message(channel, timeout));
  if (answer.type == "error") return peer_error(answer, peer);
  return answer;
}

}  // namespace twinhull::migrate
