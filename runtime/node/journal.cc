#include "runtime/node/journal.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "runtime/config/atomic_write.h"
#include "runtime/kernel/files.h"

namespace twinhull {
namespace {

using Json = nlohmann::json;

constexpr int kVersion = 1;
constexpr Bytes kMostBytes{1 << 20};

Error damaged(std::string_view why) {
  return fail(ErrorCode::corrupt, "journal.parse", "journal", why);
}

Json to_json(const std::vector<Step>& steps) {
  Json list = Json::array();
  for (const Step& step : steps) {
    Json entry = {{"do", std::string(to_string(step.kind))}, {"object", step.object}};
    if (!step.target.empty()) entry["target"] = step.target;
    list.push_back(std::move(entry));
  }
  return list;
}

/// A member that must be a string; `fallback` when it is absent.
Result<std::string> text_member(const Json& object, const char* key, std::string fallback = {}) {
  const auto found = object.find(key);
  if (found == object.end()) return fallback;
  if (!found->is_string()) return damaged(std::string(key) + " is not a string");
  return found->get<std::string>();
}

Result<std::vector<Step>> parse_steps(const Json& object, const char* key) {
  std::vector<Step> steps;
  const auto found = object.find(key);
  if (found == object.end()) return steps;
  if (!found->is_array()) return damaged(std::string(key) + " is not a list");
  for (const Json& entry : *found) {
    if (!entry.is_object()) return damaged("a step is not an object");
    TH_ASSIGN(const std::string name, text_member(entry, "do"));
    const std::optional<StepKind> kind = parse_step_kind(name);
    if (!kind) return damaged("unknown step \"" + name + "\"");
    Step step{.kind = *kind, .object = {}, .target = {}};
    TH_ASSIGN(step.object, text_member(entry, "object"));
    TH_ASSIGN(step.target, text_member(entry, "target"));
    steps.push_back(std::move(step));
  }
  return steps;
}

}  // namespace

std::string intent_text(const Intent& intent) {
  Json json = {{"version", kVersion},
               {"operation", intent.operation},
               {"phase", intent.phase == IntentPhase::roll_back ? "roll_back" : "roll_forward"},
               {"durable", intent.durable}};
  if (!intent.committed_when.empty()) json["committed_when"] = intent.committed_when;
  if (!intent.back.empty()) json["back"] = to_json(intent.back);
  if (!intent.forward.empty()) json["forward"] = to_json(intent.forward);
  if (!intent.facts.empty()) json["facts"] = intent.facts;
  // Names in trees are bytes, not always UTF-8: replaced rather than thrown about.
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Intent> parse_intent(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_object()) return damaged("is no JSON object");
  const auto version = json.find("version");
  if (version == json.end() || !version->is_number_integer() || *version != kVersion)
    return damaged("is of another version");
  Intent intent;
  TH_ASSIGN(intent.operation, text_member(json, "operation"));
  if (intent.operation.empty()) return damaged("names no operation");
  TH_ASSIGN(const std::string phase, text_member(json, "phase"));
  if (phase != "roll_back" && phase != "roll_forward") return damaged("has no phase");
  intent.phase = phase == "roll_back" ? IntentPhase::roll_back : IntentPhase::roll_forward;
  const auto durable = json.find("durable");
  if (durable == json.end() || !durable->is_boolean()) return damaged("lacks \"durable\"");
  intent.durable = durable->get<bool>();
  TH_ASSIGN(intent.committed_when, text_member(json, "committed_when"));
  TH_ASSIGN(intent.back, parse_steps(json, "back"));
  TH_ASSIGN(intent.forward, parse_steps(json, "forward"));
  if (const auto facts = json.find("facts"); facts != json.end()) {
    if (!facts->is_object()) return damaged("facts are no object");
    for (const auto& [key, value] : facts->items()) {
      if (!value.is_string()) return damaged("fact \"" + key + "\" is not a string");
      intent.facts[key] = value.get<std::string>();
    }
  }
  return intent;
}

Status write_intent(Kernel& kernel, const std::string& path, const Intent& intent) {
  Files& files = kernel.files();
  const std::string text = intent_text(intent);
  const auto write = [&]() -> Status {
    return intent.durable ? write_atomically(files, path, text, 0600)
                          : files.write(path, text, 0600);
  };
  Status written = write();
  if (!written && written.error().code == ErrorCode::not_found) {
    TH_TRY(make_directories(files, parent_directory(path)));
    written = write();
  }
  return written;
}

Result<std::optional<Intent>> read_intent(Kernel& kernel, const std::string& path) {
  const Result<std::string> text = kernel.files().read(path, kMostBytes);
  if (!text) {
    if (text.error().code == ErrorCode::not_found) return std::optional<Intent>();
    return text.error();
  }
  Result<Intent> intent = parse_intent(*text);
  if (!intent) {
    intent.error().object = path;
    return std::move(intent).error();
  }
  return std::optional<Intent>(std::move(*intent));
}

Status clear_intent(Kernel& kernel, const std::string& path, bool durable) {
  TH_ASSIGN(const Effect removed, kernel.files().remove(path));
  if (durable && removed == Effect::changed) return kernel.files().sync(parent_directory(path));
  return {};
}

Status replay_intent(Kernel& kernel, const Intent& intent) {
  bool forward = intent.phase == IntentPhase::roll_forward;
  if (!forward && !intent.committed_when.empty()) {
    TH_ASSIGN(const std::optional<FileInfo> mark, kernel.files().stat(intent.committed_when));
    forward = mark.has_value();
  }
  for (const Step& step : forward ? intent.forward : intent.back) TH_TRY(perform(kernel, step));
  return {};
}

}  // namespace twinhull
