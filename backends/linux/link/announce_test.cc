#include "backends/linux/link/announce.h"

#include <boost/test/unit_test.hpp>
#include <vector>

using namespace twinhull;
using namespace twinhull::linux_backend;

namespace {

constexpr MacAddress kMac = {2, 0, 0, 0, 0, 9};
using Octets = std::vector<std::uint8_t>;

}  // namespace

BOOST_AUTO_TEST_SUITE(announcements)

BOOST_AUTO_TEST_CASE(arp_asks_for_its_own_address) {
  const Octets expected = {0, 1, 8, 0, 6, 4, 0,  1,         // Ethernet, IPv4, request
                           2, 0, 0, 0, 0, 9, 10, 9, 0, 1,   // sender
                           0, 0, 0, 0, 0, 0, 10, 9, 0, 1};  // target: the same address
  BOOST_TEST(arp_announcement(IpAddress::parse("10.9.0.1").value(), kMac) == expected,
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_advertisement_overrides_and_tells_the_mac) {
  const Octets expected = {136, 0, 0, 0, 0x20, 0, 0, 0, 0xfd, 0, 0, 9, 0, 0, 0, 0,
                           0,   0, 0, 0, 0,    0, 0, 1, 2,    1, 2, 0, 0, 0, 0, 9};
  BOOST_TEST(neighbour_advertisement(IpAddress::parse("fd00:9::1").value(), kMac) == expected,
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
