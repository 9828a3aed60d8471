#include "runtime/migrate/message.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "runtime/config/quantity.h"
#include "runtime/migrate/exit_codes.h"

namespace twinhull::migrate {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostAttachments = 16;
constexpr std::size_t kMostAttachmentBytes = std::size_t{2} << 20;

Error garbled(std::string_view why) {
  return fail(ErrorCode::protocol, "migrate.message", "peer", why)
      .with_exit_code(to_int(MigrateExit::protocol))
      .with_hint("use the same version on both nodes");
}

bool string_map(const Json& json, std::map<std::string, std::string>& target) {
  if (!json.is_object()) return false;
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) return false;
    target.emplace(key, value.get<std::string>());
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
  Json json;
  json["version"] = kProtocolVersion;
  json["type"] = message.type;
  json["fields"] = message.fields;
  json["attachments"] = Json::array();
  for (const Attachment& attachment : message.attachments) {
    json["attachments"].push_back({{"name", attachment.name},
                                   {"mode", attachment.mode},
                                   {"bytes", attachment.content.size()}});
  }
  json["problems"] = Json::array();
  for (const Problem& problem : message.problems) {
    json["problems"].push_back({{"exit", problem.exit_code}, {"text", problem.text}});
  }
  // Texts of errors may hold file names that are no UTF-8.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Message> parse_message(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return garbled("the peer sent no message of a migration");
  const auto version = json.find("version");
  if (version == json.end() || !version->is_number_integer()) {
    return garbled("the peer sent a message without version");
  }
  if (*version != kProtocolVersion) {
    return garbled(fmt::format("the peer speaks version {}, this node version {}", version->dump(),
                               kProtocolVersion));
  }
  Message message;
  const auto type = json.find("type");
  const auto fields = json.find("fields");
  const auto attachments = json.find("attachments");
  const auto problems = json.find("problems");
  if (type == json.end() || !type->is_string() || fields == json.end() ||
      attachments == json.end() || !attachments->is_array() || problems == json.end() ||
      !problems->is_array() || !string_map(*fields, message.fields)) {
    return garbled("the peer sent a malformed message");
  }
  message.type = type->get<std::string>();
  if (attachments->size() > kMostAttachments) return garbled("the peer sends too many files");
  for (const Json& entry : *attachments) {
    if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string() ||
        !entry.contains("mode") || !entry["mode"].is_number_unsigned() ||
        !entry.contains("bytes") || !entry["bytes"].is_number_unsigned() ||
        entry["mode"].get<std::uint64_t>() > 07777 ||
        entry["bytes"].get<std::uint64_t>() > kMostAttachmentBytes) {
      return garbled("the peer sent a malformed file");
    }
    Attachment attachment;
    attachment.name = entry["name"].get<std::string>();
    attachment.mode = entry["mode"].get<std::uint32_t>();
    attachment.content.resize(entry["bytes"].get<std::size_t>());
    if (!plain_name(attachment.name)) return garbled("the peer sent a file with a bad name");
    message.attachments.push_back(std::move(attachment));
  }
  for (const Json& entry : *problems) {
    if (!entry.is_object() || !entry.contains("exit") || !entry["exit"].is_number_unsigned() ||
        !entry.contains("text") || !entry["text"].is_string() ||
        entry["exit"].get<std::uint64_t>() > 255) {
      return garbled("the peer sent a malformed problem");
    }
    message.problems.push_back({entry["exit"].get<int>(), entry["text"].get<std::string>()});
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
