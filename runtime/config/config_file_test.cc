#include "runtime/config/config_file.h"

#include <boost/test/unit_test.hpp>

namespace twinhull {
namespace {

ConfigFile parse(std::string_view text) {
  auto file = ConfigFile::parse(text, "101.conf");
  BOOST_TEST_REQUIRE(file.has_value());
  return *file;
}

BOOST_AUTO_TEST_SUITE(config_file)

BOOST_AUTO_TEST_CASE(reads_what_sh_reads) {
  const auto file = parse(
      "# comment\n\nA=1\nB=\"two words\"\nC='it''s \"raw\" $X'\nD=a\\ b\"c\\\"d\\$e\"'f'\n"
      "  E=\"x\" # why\nF=\nG=\"\"\nH=\"a\\nb\"\n");
  BOOST_TEST(file.get("A").value() == "1");
  BOOST_TEST(file.get("B").value() == "two words");
  BOOST_TEST(file.get("C").value() == "its \"raw\" $X");
  BOOST_TEST(file.get("D").value() == "a bc\"d$ef");
  BOOST_TEST(file.get("E").value() == "x");
  BOOST_TEST(file.get("F").value() == "");
  BOOST_TEST(file.get("G").value() == "");
  BOOST_TEST(file.get("H").value() == "a\\nb");
  BOOST_TEST(!file.get("Z").has_value());
}

BOOST_AUTO_TEST_CASE(keeps_the_operators_file) {
  const std::string text =
      "# head\n\nA='1'   # stays\nforeign line\nlower=1\n\tB=2\r\nB=3\n# tail\n";
  auto file = parse(text);
  BOOST_TEST(file.text() == text);
  BOOST_REQUIRE(file.set("A", "new value").has_value());
  BOOST_REQUIRE(file.set("B", "4").has_value());
  BOOST_REQUIRE(file.set("C", "5").has_value());
  BOOST_TEST(
      file.text() ==
      "# head\n\nA=\"new value\"   # stays\nforeign line\nlower=1\nB=\"4\"\n# tail\nC=\"5\"\n");
  const std::vector<std::string> keys = file.keys();
  const std::vector<std::string> expected = {"A", "B", "C"};
  BOOST_TEST(keys == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_equal_value_leaves_the_line) {
  auto file = parse("A=1\n");
  BOOST_REQUIRE(file.set("A", "1").has_value());
  BOOST_TEST(file.text() == "A=1\n");
}

BOOST_AUTO_TEST_CASE(the_last_value_counts) {
  auto file = parse("A=1\nA=2\n");
  BOOST_TEST(file.get("A").value() == "2");
  BOOST_TEST(file.line_of("A") == 2U);
  BOOST_TEST(file.unset("A"));
  BOOST_TEST(!file.unset("A"));
  BOOST_TEST(file.text().empty());
}

BOOST_AUTO_TEST_CASE(any_one_line_value_survives) {
  const std::vector<std::string> values = {"",
                                           " ",
                                           "\"",
                                           "'",
                                           "\\",
                                           "$HOME `id` $(id)",
                                           "#",
                                           "a # b",
                                           "\\\"",
                                           "trailing\\",
                                           "\t\x01\x7f",
                                           "gr\xC3\xBC\xC3\x9F"
                                           "e",
                                           "a\rb",
                                           "x\r",
                                           "$VEID"};
  for (const auto& value : values) {
    ConfigFile file;
    BOOST_REQUIRE(file.set("KEY", value).has_value());
    BOOST_TEST(parse(file.text()).get("KEY").value() == value);
  }
}

BOOST_AUTO_TEST_CASE(paths_keep_their_parameter_for_scripts) {
  ConfigFile file;
  BOOST_REQUIRE(file.set("VE_ROOT", "/vz/root/$VEID").has_value());
  BOOST_REQUIRE(file.set("VE_PRIVATE", "/p$q/${VEID}").has_value());
  BOOST_REQUIRE(file.set("DESCRIPTION", "costs $VEID").has_value());
  BOOST_TEST(file.text() ==
             "VE_ROOT=\"/vz/root/$VEID\"\nVE_PRIVATE=\"/p\\$q/${VEID}\"\n"
             "DESCRIPTION=\"costs \\$VEID\"\n");
}

BOOST_AUTO_TEST_CASE(refuses_what_it_cannot_read) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"A=1\nB=\"open\n", "101.conf:2"},
      {"A='open", "101.conf:1"},
      {"A=two words\n", "101.conf:1"},
      {"A=1\\\nB=2\n", "101.conf:1"},
      {std::string("A=1\nx\0y\n", 8), "101.conf:2"},
      {std::string((1U << 20) + 1, '#'), "101.conf"}};
  for (const auto& [text, where] : bad) {
    const auto file = ConfigFile::parse(text, "101.conf");
    BOOST_TEST_REQUIRE(!file.has_value());
    BOOST_TEST((file.error().code == ErrorCode::corrupt));
    BOOST_TEST(file.error().exit_code == 85);
    BOOST_TEST(file.error().object == where);
  }
}

BOOST_AUTO_TEST_CASE(refuses_what_it_cannot_write) {
  ConfigFile file;
  for (const char* key : {"", "a", "A-B", "1A", "A=B", "A B"}) {
    BOOST_TEST(!file.set(key, "x").has_value());
  }
  BOOST_TEST(!file.set("A", "x\ny").has_value());
  BOOST_TEST(!file.set("A", std::string_view("x\0y", 3)).has_value());
  BOOST_TEST(!file.set("A", std::string(1U << 20, 'x')).has_value());
  BOOST_TEST(file.text().empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull
