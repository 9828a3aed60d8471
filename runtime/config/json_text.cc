#include "runtime/config/json_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

namespace twinhull {

using Json = nlohmann::json;

void JsonWriter::new_line() {
  if (layout_ == Layout::line) return;
  out_ += '\n';
  out_.append(depth_, ' ');
}

void JsonWriter::before_value() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (!first_) out_ += ',';
  first_ = false;
  if (depth_ != 0) new_line();
}

void JsonWriter::begin(char bracket) {
  before_value();
  out_ += bracket;
  ++depth_;
  first_ = true;
}

void JsonWriter::end(char bracket) {
  --depth_;
  if (!first_) new_line();
  out_ += bracket;
  first_ = false;
}

void JsonWriter::key(std::string_view name) {
  before_value();
  quote(name);
  out_ += layout_ == Layout::line ? ":" : ": ";
  after_key_ = true;
}

void JsonWriter::text(std::string_view value) {
  before_value();
  quote(value);
}

void JsonWriter::number(std::int64_t value) {
  before_value();
  std::array<char, 24> digits{};
  const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  out_.append(digits.data(), written.ptr);
}

void JsonWriter::boolean(bool value) {
  before_value();
  out_ += value ? "true" : "false";
}

void JsonWriter::quote(std::string_view value) {
  const auto plain = [](char c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; };
  if (std::ranges::all_of(value, plain)) {
    out_ += '"';
    out_ += value;
    out_ += '"';
  } else {
    out_ += Json(value).dump(-1, ' ', false, Json::error_handler_t::replace);
  }
}

/// Puts what nlohmann's parser meets into a document.
class JsonEvents {
 public:
  explicit JsonEvents(JsonDocument& document) : nodes_(document.nodes_) {}

  bool null() { return add(Kind::null); }
  bool boolean(bool value) { return add(value ? Kind::yes : Kind::no); }
  bool number_integer(std::int64_t value) { return add(Kind::number, std::to_string(value)); }
  bool number_unsigned(std::uint64_t value) {
    add(Kind::whole, std::to_string(value));
    nodes_.back().whole = value;
    return true;
  }
  bool number_float(double, const std::string& text) { return add(Kind::number, text); }
  bool string(std::string& value) { return add(Kind::text, std::move(value)); }
  static bool binary(Json::binary_t&) { return false; }  // JSON text has none
  bool start_object(std::size_t) { return begin(Kind::object); }
  bool start_array(std::size_t) { return begin(Kind::array); }
  bool key(std::string& name) {
    name_ = std::move(name);
    return true;
  }
  bool end_object() { return end(); }
  bool end_array() { return end(); }
  static bool parse_error(std::size_t, const std::string&, const Json::exception&) { return false; }

 private:
  using Kind = JsonDocument::Kind;

  bool add(Kind kind, std::string raw = {}) {
    const auto at = static_cast<std::uint32_t>(nodes_.size());
    nodes_.push_back({.name = std::move(name_), .raw = std::move(raw), .kind = kind});
    name_.clear();
    if (open_.empty()) return true;
    Open& around = open_.back();
    (around.last == 0 ? nodes_[around.at].first : nodes_[around.last].next) = at;
    around.last = at;
    return true;
  }
  bool begin(Kind kind) {
    add(kind);
    open_.push_back({static_cast<std::uint32_t>(nodes_.size() - 1), 0});
    return true;
  }
  bool end() {
    open_.pop_back();
    return true;
  }

  struct Open {
    std::uint32_t at;    ///< the object or array
    std::uint32_t last;  ///< the last value in it so far; 0 = none
  };
  std::vector<JsonDocument::Node>& nodes_;
  std::vector<Open> open_;
  std::string name_;
};

bool JsonDocument::parse(std::string_view text) {
  nodes_.clear();
  JsonEvents events(*this);
  // It takes a zero byte for the end of the text.
  if (text.size() < ~std::uint32_t{0} && text.find('\0') == std::string_view::npos &&
      Json::sax_parse(text, &events))
    return true;
  nodes_.clear();
  return false;
}

bool JsonValue::is_object() const {
  return exists() && document_->nodes_[at_].kind == JsonDocument::Kind::object;
}
bool JsonValue::is_array() const {
  return exists() && document_->nodes_[at_].kind == JsonDocument::Kind::array;
}
bool JsonValue::is_number() const {
  return exists() && (document_->nodes_[at_].kind == JsonDocument::Kind::number ||
                      document_->nodes_[at_].kind == JsonDocument::Kind::whole);
}

std::optional<std::string_view> JsonValue::text() const {
  if (!exists() || document_->nodes_[at_].kind != JsonDocument::Kind::text) return std::nullopt;
  return document_->nodes_[at_].raw;
}

std::optional<std::uint64_t> JsonValue::number() const {
  if (!exists() || document_->nodes_[at_].kind != JsonDocument::Kind::whole) return std::nullopt;
  return document_->nodes_[at_].whole;
}

std::optional<bool> JsonValue::boolean() const {
  if (!exists()) return std::nullopt;
  const JsonDocument::Kind kind = document_->nodes_[at_].kind;
  if (kind == JsonDocument::Kind::yes) return true;
  if (kind == JsonDocument::Kind::no) return false;
  return std::nullopt;
}

std::string_view JsonValue::raw() const {
  return exists() ? document_->nodes_[at_].raw : std::string_view();
}

std::string_view JsonValue::name() const {
  return exists() ? document_->nodes_[at_].name : std::string_view();
}

JsonValue JsonValue::member(std::string_view name) const {
  JsonValue found;
  if (!is_object()) return found;
  for (const JsonValue value : *this)
    if (value.name() == name) found = value;
  return found;
}

JsonValue::Iterator JsonValue::begin() const {
  return {document_, exists() ? document_->nodes_[at_].first : 0};
}

JsonValue::Iterator& JsonValue::Iterator::operator++() {
  at_ = document_->nodes_[at_].next;
  return *this;
}

}  // namespace twinhull
