#include <boost/test/unit_test.hpp>

#include "runtime/kernel/units.h"

namespace twinhull {
namespace {

std::string round_trip(std::string_view text) {
  const auto address = IpAddress::parse(text);
  return address ? address->text() : "refused";
}

BOOST_AUTO_TEST_CASE(ipv4_is_dotted_decimal) {
  for (const char* text : {"0.0.0.0", "10.0.0.1", "255.255.255.255", "192.168.1.20"})
    BOOST_CHECK_EQUAL(round_trip(text), text);
  for (const char* text : {"", "1", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.4 ",
                           "-1.2.3.4", "+1.2.3.4", "1..2.3", "a.b.c.d", "0x1.2.3.4", "1.2.3.4."})
    BOOST_CHECK_MESSAGE(round_trip(text) == "refused", text);
}

// RFC 5952, sections 4.1 to 4.3.
BOOST_AUTO_TEST_CASE(ipv6_is_written_in_its_canonical_form) {
  const std::pair<const char*, const char*> forms[] = {
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"2001:0DB8:0:0:0:0:0:1", "2001:db8::1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
      {"fe80::1:2", "fe80::1:2"},
      {"::ffff:10.0.0.1", "::ffff:a00:1"},
      {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
  };
  for (const auto& [text, canonical] : forms) BOOST_CHECK_EQUAL(round_trip(text), canonical);
}

BOOST_AUTO_TEST_CASE(what_is_no_ipv6_address_is_refused) {
  for (const char* text : {":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3",
                           "12345::", "g::", "1:2:3:4:5:6:7:8::", "::1.2.3", "fe80::1%eth0",
                           "1.2.3.4:5::", "::+1", ":1::", "1:"})
    BOOST_CHECK_MESSAGE(round_trip(text) == "refused", text);
}

BOOST_AUTO_TEST_CASE(prefixes_have_a_length_within_the_family) {
  BOOST_CHECK_EQUAL(IpPrefix::parse("10.0.0.0/24")->text(), "10.0.0.0/24");
  BOOST_CHECK_EQUAL(IpPrefix::parse("10.0.0.1")->text(), "10.0.0.1/32");
  BOOST_CHECK_EQUAL(IpPrefix::parse("fd00::1")->text(), "fd00::1/128");
  BOOST_CHECK_EQUAL(IpPrefix::parse("::/0")->text(), "::/0");
  for (const char* text : {"10.0.0.0/33", "fd00::/129", "10.0.0.0/", "/24", "10.0.0.0/-1",
                           "10.0.0.0/24/24", "10.0.0.0/2 "})
    BOOST_CHECK_MESSAGE(!IpPrefix::parse(text).has_value(), text);
}

BOOST_AUTO_TEST_CASE(a_prefix_contains_what_its_bits_say) {
  const IpPrefix net = *IpPrefix::parse("10.1.2.0/23");
  BOOST_CHECK(net.contains(*IpAddress::parse("10.1.2.0")));
  BOOST_CHECK(net.contains(*IpAddress::parse("10.1.3.255")));
  BOOST_CHECK(!net.contains(*IpAddress::parse("10.1.4.0")));
  BOOST_CHECK(!net.contains(*IpAddress::parse("::10.1.2.0")));
  BOOST_CHECK(IpPrefix::parse("0.0.0.0/0")->contains(*IpAddress::parse("255.1.2.3")));
  BOOST_CHECK(!IpPrefix::parse("0.0.0.0/0")->contains(*IpAddress::parse("::1")));
  BOOST_CHECK(IpPrefix::parse("fd00::/8")->contains(*IpAddress::parse("fdff::1")));
}

BOOST_AUTO_TEST_CASE(amounts_never_go_below_zero_and_pages_round_up) {
  BOOST_CHECK_EQUAL((Bytes{3} - Bytes{5}).value, 0);
  BOOST_CHECK_EQUAL((Bytes{5} - Bytes{3}).value, 2);
  BOOST_CHECK_EQUAL(to_pages(Bytes{0}).value, 0);
  BOOST_CHECK_EQUAL(to_pages(Bytes{1}).value, 1);
  BOOST_CHECK_EQUAL(to_pages(Bytes{4096}).value, 1);
  BOOST_CHECK_EQUAL(to_pages(Bytes{4097}).value, 2);
  BOOST_CHECK_EQUAL(to_bytes(Pages{3}).value, 12288);
}

}  // namespace
}  // namespace twinhull
