#include "runtime/config/json_text.h"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <random>

namespace twinhull {
namespace {

using Json = nlohmann::json;

/// The other library's tree of what we read.
Json tree_of(JsonValue value) {
  if (value.is_object()) {
    Json tree = Json::object();
    for (const JsonValue member : value) tree[std::string(member.name())] = tree_of(member);
    return tree;
  }
  if (value.is_array()) {
    Json tree = Json::array();
    for (const JsonValue item : value) tree.push_back(tree_of(item));
    return tree;
  }
  if (const auto text = value.text()) return std::string(*text);
  if (const auto yes = value.boolean()) return *yes;
  return value.is_number() ? Json::parse(value.raw()) : Json();
}

/// Both read it, to the same end, or neither does.
void check_as_the_other(const std::string& text) {
  JsonDocument document;
  const bool read = document.parse(text);
  BOOST_TEST_REQUIRE(read == Json::accept(text), text);
  if (read) BOOST_TEST_REQUIRE((tree_of(document.root()) == Json::parse(text)), text);
  if (!read) BOOST_TEST(!document.root().exists());
}

const std::vector<std::string> kTexts = {
    R"({"a":"b","c":[1,-2,3.5e+7,0,true,false,null],"d":{"e":{}},"f":[]})",
    R"( { "a" : [ ] , "b" : "" } )",
    R"("\"\\\/\b\f\n\r\t\u00e9\u20ac\ud83d\ude00")",
    "\"w\xc3\xa9" "b \xe2\x82\xac \xf0\x9f\x98\x80 \x7f\"",
    R"({"twice":1,"twice":"two"})",
    "0",
    "-0.0",
    "18446744073709551615",
    "true",
    "null",
    "[[[[[[1]]]]]]"};

BOOST_AUTO_TEST_SUITE(json_text)

BOOST_AUTO_TEST_CASE(reads_what_another_reader_reads) {
  for (const std::string& text : kTexts) {
    check_as_the_other(text);
    for (std::size_t length = 0; length < text.size(); ++length)
      check_as_the_other(text.substr(0, length));
  }
}

BOOST_AUTO_TEST_CASE(refuses_what_another_reader_refuses) {
  for (const char* text :
       {"", " ", "{", "}", "[1,]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:1}", "[1 2]", "1 2",
        "01", "-", "+1", "1.", ".5", "1e", "1e+", "0x1", "nul", "True", "NaN", "'a'", "\"", "\"\\x\"",
        "\"\\u12\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\n\"",
        "\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\"", "[] []",
        "\"\\u-123\"", "\"\\u+123\"", "/**/1"})
    check_as_the_other(text);
  check_as_the_other(std::string("\"a\0b\"", 5));
  // The other takes a zero byte for the end.
  JsonDocument document;
  BOOST_TEST(!document.parse(std::string_view("1\0", 2)));
}

BOOST_AUTO_TEST_CASE(random_damage_is_told_as_another_reader_tells_it) {
  std::mt19937_64 random(20261127);
  for (int i = 0; i < 20'000; ++i) {
    std::string text = kTexts[random() % kTexts.size()];
    for (std::size_t changes = random() % 3 + 1; changes > 0; --changes) {
      const std::size_t at = random() % text.size();
      constexpr std::string_view kBytes = "{}[],:\"\\0123456789eE+-.truefalsn /u\n\x80\xc3\xe2\xed\xa0";
      const char byte = kBytes[random() % kBytes.size()];
      if (random() % 2 == 0)
        text[at] = byte;
      else
        text.insert(at, 1, byte);
    }
    check_as_the_other(text);
  }
}

BOOST_AUTO_TEST_CASE(nesting_costs_no_stack) {
  constexpr std::size_t kLevels = 1'000'000;
  JsonDocument document;
  BOOST_TEST(document.parse(std::string(kLevels, '[') + std::string(kLevels, ']')));
  BOOST_TEST(!document.parse(std::string(kLevels, '[')));
}

BOOST_AUTO_TEST_CASE(numbers_are_whole_or_none) {
  const auto number = [](std::string_view text) {
    JsonDocument document;
    BOOST_TEST_REQUIRE(document.parse(text), text);
    return document.root().number();
  };
  BOOST_TEST((number("0") == 0U));
  BOOST_TEST((number("18446744073709551615") == 18446744073709551615U));
  for (const char* text : {"-1", "1.0", "1e3", "18446744073709551616", "\"1\"", "true", "null", "[1]"})
    BOOST_TEST(!number(text).has_value(), text);
}

BOOST_AUTO_TEST_CASE(the_last_of_equal_members_counts) {
  JsonDocument document;
  BOOST_TEST_REQUIRE(document.parse(R"({"a":1,"b":2,"a":3})"));
  BOOST_TEST((document.root().member("a").number() == 3U));
  BOOST_TEST(!document.root().member("c").exists());
  BOOST_TEST(!document.root().member("a").member("x").exists());
}

BOOST_AUTO_TEST_CASE(writes_as_another_writer_writes) {
  const std::vector<std::string> texts = {"",
                                          "plain",
                                          "\"quoted\\\"",
                                          std::string("\0\x01\x1f\x7f\b\f\n\r\t", 9),
                                          "w\xc3\xa9" "b \xe2\x82\xac \xf0\x9f\x98\x80",
                                          "\xff",
                                          "a\xc3",
                                          "a\xe2\x82z",
                                          "\xe2\x82\xe2\x82\xac",
                                          "\xed\xa0\x80",
                                          "\xf0\x9f\x98",
                                          "\xf4\x90\x80\x80\xc0\xaf"};
  Json expected = {{"list", Json::array()},
                   {"number", -7},
                   {"object", Json::object()},
                   {"texts", texts},
                   {"yes", true},
                   {"z", {{"in", {{"in", "in"}}}}}};
  for (const auto layout : {JsonWriter::Layout::line, JsonWriter::Layout::lines}) {
    JsonWriter json(layout);
    json.begin_object();
    json.key("list");
    json.begin_array();
    json.end_array();
    json.key("number");
    json.number(-7);
    json.key("object");
    json.begin_object();
    json.end_object();
    json.key("texts");
    json.begin_array();
    for (const std::string& text : texts) json.text(text);
    json.end_array();
    json.key("yes");
    json.boolean(true);
    json.key("z");
    json.begin_object();
    json.key("in");
    json.begin_object();
    json.member("in", "in");
    json.end_object();
    json.end_object();
    json.end_object();
    const std::string written = json.take();
    BOOST_TEST(written == expected.dump(layout == JsonWriter::Layout::line ? -1 : 1, ' ', false,
                                        Json::error_handler_t::replace));
    JsonDocument document;
    BOOST_TEST(document.parse(written));
  }
}

BOOST_AUTO_TEST_CASE(random_bytes_are_written_as_another_writer_writes_them) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 5'000; ++i) {
    std::string text(random() % 12, '\0');
    for (char& byte : text) byte = static_cast<char>(random() % 3 == 0 ? random() % 128 : random() % 256);
    JsonWriter json(JsonWriter::Layout::line);
    json.text(text);
    BOOST_TEST_REQUIRE(json.take() == Json(text).dump(-1, ' ', false, Json::error_handler_t::replace));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull
