#include "backends/linux/link/netlink.h"

#include <boost/test/unit_test.hpp>
#include <cerrno>

using namespace twinhull;
using namespace twinhull::linux_backend;

BOOST_AUTO_TEST_SUITE(netlink)

BOOST_AUTO_TEST_CASE(addresses_survive_the_way_through_libnl) {
  for (const char* const text : {"10.9.0.1/24", "0.0.0.0/0", "169.254.255.1/32", "fd00:9::1/64",
                                 "::/0", "2001:db8::ff/128"}) {
    const auto prefix = IpPrefix::parse(text);
    BOOST_REQUIRE(prefix);
    const auto back = from_nl(to_nl(*prefix).get());
    BOOST_REQUIRE(back);
    BOOST_TEST(back->text() == prefix->text());
  }
  BOOST_TEST(!from_nl(nullptr).has_value());
}

BOOST_AUTO_TEST_CASE(errors_of_libnl_become_errnos) {
  BOOST_TEST(errno_of(0) == 0);
  BOOST_TEST(errno_of(-NLE_NODEV) == ENODEV);
  BOOST_TEST(errno_of(NLE_EXIST) == EEXIST);
  BOOST_TEST(errno_of(-NLE_FAILURE) == EPROTO);
}

BOOST_AUTO_TEST_SUITE_END()
