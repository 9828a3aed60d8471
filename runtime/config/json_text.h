// JSON of journals and messages: written piece by piece, and read by nlohmann's parser without its tree of
// values. Commands write and read dozens of them each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace twinhull {

/// Writes one JSON value. The caller keeps begin and end in pairs, and names members inside objects only.
/// Bytes of texts that are no UTF-8 become U+FFFD, one for each sequence that breaks off.
class JsonWriter {
 public:
  enum class Layout : bool {
    line,   ///< all in one line, for messages
    lines,  ///< each value in a line of its own, for files that people read
  };
  explicit JsonWriter(Layout layout) : layout_(layout) { out_.reserve(kUsualSize); }

  void begin_object() { begin('{'); }
  void end_object() { end('}'); }
  void begin_array() { begin('['); }
  void end_array() { end(']'); }
  /// The name of the member that follows.
  void key(std::string_view name);
  void text(std::string_view value);
  void number(std::int64_t value);
  void boolean(bool value);
  void member(std::string_view name, std::string_view value) {
    key(name);
    text(value);
  }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  static constexpr std::size_t kUsualSize = 1024;
  void begin(char bracket);
  void end(char bracket);
  void before_value();
  void new_line();
  void quote(std::string_view value);

  std::string out_;
  Layout layout_;
  std::size_t depth_ = 0;
  bool first_ = true;      ///< nothing stands in the innermost object or array yet
  bool after_key_ = false;
};

class JsonDocument;

/// A value of a document: a light handle that must not outlive it. "None" answers every question with no.
class JsonValue {
 public:
  JsonValue() = default;
  [[nodiscard]] bool exists() const { return document_ != nullptr; }
  [[nodiscard]] bool is_object() const;
  [[nodiscard]] bool is_array() const;
  [[nodiscard]] bool is_number() const;
  /// std::nullopt when it is no string.
  [[nodiscard]] std::optional<std::string_view> text() const;
  /// std::nullopt when it is no whole number from 0 to 2^64-1, or written with a point or an exponent.
  [[nodiscard]] std::optional<std::uint64_t> number() const;
  [[nodiscard]] std::optional<bool> boolean() const;
  /// A number as it stands in the text, a string without its quotes, decoded; of others empty.
  [[nodiscard]] std::string_view raw() const;
  /// The member of an object, the last one of several with this name; none when there is none.
  [[nodiscard]] JsonValue member(std::string_view name) const;

  /// The members of an object or the items of an array, in the order of the text.
  class Iterator {
   public:
    Iterator(const JsonDocument* document, std::uint32_t at) : document_(document), at_(at) {}
    JsonValue operator*() const { return {document_, at_}; }
    Iterator& operator++();
    bool operator==(const Iterator&) const = default;

   private:
    const JsonDocument* document_;
    std::uint32_t at_;
  };
  [[nodiscard]] Iterator begin() const;
  [[nodiscard]] Iterator end() const { return {document_, 0}; }
  /// Its name in the object that it was reached through.
  [[nodiscard]] std::string_view name() const;

 private:
  friend class JsonDocument;
  JsonValue(const JsonDocument* document, std::uint32_t at) : document_(document), at_(at) {}
  const JsonDocument* document_ = nullptr;
  std::uint32_t at_ = 0;
};

/// A JSON text that was read (RFC 8259: strict, UTF-8, nothing after the value).
class JsonDocument {
 public:
  JsonDocument() = default;
  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;
  /// False when the text is no JSON, or holds a number beyond all doubles.
  [[nodiscard]] bool parse(std::string_view text);
  /// None before a successful parse.
  [[nodiscard]] JsonValue root() const { return nodes_.empty() ? JsonValue() : JsonValue(this, 0); }

 private:
  friend class JsonValue;
  friend class JsonEvents;
  enum class Kind : std::uint8_t { object, array, text, whole, number, yes, no, null };
  struct Node {
    std::string name;
    std::string raw;
    std::uint64_t whole = 0;
    std::uint32_t first = 0;  ///< the first inside; 0 = none
    std::uint32_t next = 0;   ///< the next beside it; 0 = none
    Kind kind = Kind::null;
  };
  std::vector<Node> nodes_;
};

}  // namespace twinhull
