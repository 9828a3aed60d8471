#include "runtime/config/quantity.h"

#include <boost/test/unit_test.hpp>

namespace twinhull {
namespace {

std::uint64_t value(std::string_view text, QuantityUnit unit) {
  const auto parsed = parse_quantity(text, unit);
  BOOST_TEST_REQUIRE(parsed.has_value(), text);
  return *parsed;
}

BOOST_AUTO_TEST_SUITE(quantity)

BOOST_AUTO_TEST_CASE(suffixes_convert_to_the_unit) {
  BOOST_TEST(value("1G", QuantityUnit::pages) == 262144U);
  BOOST_TEST(value("512m", QuantityUnit::pages) == 131072U);
  BOOST_TEST(value("65536", QuantityUnit::pages) == 65536U);
  BOOST_TEST(value("256K", QuantityUnit::pages) == 64U);
  BOOST_TEST(value("10P", QuantityUnit::pages) == 10U);
  BOOST_TEST(value("1B", QuantityUnit::pages) == 1U);
  BOOST_TEST(value("4097b", QuantityUnit::pages) == 2U);
  BOOST_TEST(value("10G", QuantityUnit::kibibytes) == 10485760U);
  BOOST_TEST(value("10485760", QuantityUnit::kibibytes) == 10485760U);
  BOOST_TEST(value("1.5G", QuantityUnit::kibibytes) == 1572864U);
  BOOST_TEST(value("2T", QuantityUnit::bytes) == std::uint64_t{2} << 40);
  BOOST_TEST(value("3", QuantityUnit::count) == 3U);
}

BOOST_AUTO_TEST_CASE(unlimited_has_several_spellings) {
  for (const char* text :
       {"unlimited", "UNLIMITED", "2147483647", "9223372036854775807", "9223372036854775808"}) {
    BOOST_TEST(value(text, QuantityUnit::pages) == kUnlimited);
    BOOST_TEST(value(text, QuantityUnit::count) == kUnlimited);
  }
  BOOST_TEST(value("2147483646", QuantityUnit::pages) == 2147483646U);
}

BOOST_AUTO_TEST_CASE(nonsense_is_refused_with_what_is_accepted) {
  for (const char* text : {"", "-1", "+1", "1 G", "G", "1X", "1.5", "1.", ".5G", "1.0000001G",
                           "0x10", "99999999999999999999", "9999999999T", "1GG", "1:2"}) {
    const auto parsed = parse_quantity(text, QuantityUnit::pages);
    BOOST_TEST_REQUIRE(!parsed.has_value(), text);
    BOOST_TEST(parsed.error().exit_code == 21);
    BOOST_TEST(parsed.error().detail.find("accepted") != std::string::npos);
  }
  BOOST_TEST(!parse_quantity("1K", QuantityUnit::count).has_value());
}

BOOST_AUTO_TEST_CASE(one_number_is_both) {
  BOOST_TEST((parse_barrier_limit("5", QuantityUnit::count).value() == BarrierLimit{5, 5}));
  BOOST_TEST((parse_barrier_limit("0:unlimited", QuantityUnit::pages).value() ==
              BarrierLimit{0, kUnlimited}));
  BOOST_TEST(!parse_barrier_limit("1:", QuantityUnit::count).has_value());
  BOOST_TEST(!parse_barrier_limit(":1", QuantityUnit::count).has_value());
  BOOST_TEST(!parse_barrier_limit("1:2:3", QuantityUnit::count).has_value());
  BOOST_TEST(barrier_limit_text({1, kUnlimited}) == "1:unlimited");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull
