#include "runtime/node/journal.h"

#include <utility>

#include "runtime/config/atomic_write.h"
#include "runtime/config/json_text.h"
#include "runtime/kernel/files.h"

namespace twinhull {
namespace {

constexpr int kVersion = 1;
constexpr Bytes kMostBytes{1 << 20};

Error damaged(std::string_view why) {
  return fail(ErrorCode::corrupt, "journal.parse", "journal", why);
}

void write_steps(JsonWriter& json, std::string_view key, const std::vector<Step>& steps) {
  if (steps.empty()) return;
  json.key(key);
  json.begin_array();
  for (const Step& step : steps) {
    json.begin_object();
    json.member("do", to_string(step.kind));
    json.member("object", step.object);
    if (!step.target.empty()) json.member("target", step.target);
    json.end_object();
  }
  json.end_array();
}

/// A member that must be a string; empty when it is absent.
Result<std::string> text_member(JsonValue object, std::string_view key) {
  const JsonValue found = object.member(key);
  if (!found.exists()) return std::string();
  const auto text = found.text();
  if (!text) return damaged(std::string(key) + " is not a string");
  return std::string(*text);
}

Result<std::vector<Step>> parse_steps(JsonValue object, std::string_view key) {
  std::vector<Step> steps;
  const JsonValue found = object.member(key);
  if (!found.exists()) return steps;
  if (!found.is_array()) return damaged(std::string(key) + " is not a list");
  for (const JsonValue entry : found) {
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
  JsonWriter json(JsonWriter::Layout::lines);
  json.begin_object();
  write_steps(json, "back", intent.back);
  if (!intent.committed_when.empty()) json.member("committed_when", intent.committed_when);
  json.key("durable");
  json.boolean(intent.durable);
  if (!intent.facts.empty()) {
    json.key("facts");
    json.begin_object();
    for (const auto& [name, value] : intent.facts) json.member(name, value);
    json.end_object();
  }
  write_steps(json, "forward", intent.forward);
  json.member("operation", intent.operation);
  json.member("phase", intent.phase == IntentPhase::roll_back ? "roll_back" : "roll_forward");
  json.key("version");
  json.number(kVersion);
  json.end_object();
  return json.take() + "\n";
}

Result<Intent> parse_intent(std::string_view text) {
  JsonDocument document;
  if (!document.parse(text) || !document.root().is_object()) return damaged("is no JSON object");
  const JsonValue json = document.root();
  if (json.member("version").number() != kVersion) return damaged("is of another version");
  Intent intent;
  TH_ASSIGN(intent.operation, text_member(json, "operation"));
  if (intent.operation.empty()) return damaged("names no operation");
  TH_ASSIGN(const std::string phase, text_member(json, "phase"));
  if (phase != "roll_back" && phase != "roll_forward") return damaged("has no phase");
  intent.phase = phase == "roll_back" ? IntentPhase::roll_back : IntentPhase::roll_forward;
  const auto durable = json.member("durable").boolean();
  if (!durable) return damaged("lacks \"durable\"");
  intent.durable = *durable;
  TH_ASSIGN(intent.committed_when, text_member(json, "committed_when"));
  TH_ASSIGN(intent.back, parse_steps(json, "back"));
  TH_ASSIGN(intent.forward, parse_steps(json, "forward"));
  const JsonValue facts = json.member("facts");
  if (facts.exists() && !facts.is_object()) return damaged("facts are no object");
  for (const JsonValue fact : facts) {
    const auto value = fact.text();
    if (!value) return damaged("fact \"" + std::string(fact.name()) + "\" is not a string");
    intent.facts[std::string(fact.name())] = *value;
  }
  return intent;
}

Status write_intent(Kernel& kernel, const std::string& path, const Intent& intent) {
  Files& files = kernel.files();
  const std::string text = intent_text(intent);
  const auto write = [&]() -> Status {
    return intent.durable ? write_atomically(files, path, text, 0600)
                          : write_whole(files, path, text, 0600);
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
  if (text->find_first_not_of('\0') == std::string::npos) {
    Intent lost;
    lost.operation = kLostIntent;
    return std::optional<Intent>(std::move(lost));
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
