#include "tools/common/duration_text.h"

#include <boost/test/unit_test.hpp>

using namespace twinhull;
using tools::duration_text;
using tools::parse_duration;

BOOST_AUTO_TEST_SUITE(duration)

BOOST_AUTO_TEST_CASE(reads_each_unit) {
  BOOST_TEST(parse_duration("7ns")->count() == 7);
  BOOST_TEST(parse_duration("200us")->count() == 200'000);
  BOOST_TEST(parse_duration("1.5s")->count() == 1'500'000'000);
  BOOST_TEST(parse_duration("0.25d")->count() == 21'600'000'000'000);
  BOOST_TEST(parse_duration("24h")->count() == 86'400'000'000'000);
}

BOOST_AUTO_TEST_CASE(refuses_what_is_no_duration) {
  for (const char* text : {"", "s", "1", "-1s", "1 s", "1x", ".s", "1e3s", "99999999999999999999s",
                           "40000d", "1.0000000001s"})
    BOOST_TEST(!parse_duration(text).has_value(), text);
}

BOOST_AUTO_TEST_CASE(writes_what_people_read) {
  BOOST_TEST(duration_text(Duration(0)) == "0s");
  BOOST_TEST(duration_text(microseconds(200)) == "200us");
  BOOST_TEST(duration_text(milliseconds(1500)) == "1.5s");
  BOOST_TEST(duration_text(seconds(3725)) == "1h2m5s");
  BOOST_TEST(duration_text(-seconds(2)) == "-2s");
}

BOOST_AUTO_TEST_SUITE_END()
