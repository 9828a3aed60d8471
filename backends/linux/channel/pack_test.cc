// Packed pieces.
#include "backends/linux/channel/pack.h"

#include <boost/test/unit_test.hpp>

using namespace twinhull::linux_backend;

BOOST_AUTO_TEST_SUITE(linux_pack)

BOOST_AUTO_TEST_CASE(what_repeats_gets_smaller_and_comes_back) {
  Packer packer;
  for (const std::string& piece : {std::string(100'000, 'x'), std::string(70, 'y')}) {
    const auto packed = packer.pack(piece);
    BOOST_REQUIRE(packed);
    BOOST_TEST(packed->size() < piece.size());
    BOOST_TEST((unpack(*packed, piece.size()) == piece));
    BOOST_TEST((unpack(*packed, piece.size() - 1) == std::nullopt), "larger than is allowed");
  }
}

BOOST_AUTO_TEST_CASE(what_does_not_pay_is_not_packed) {
  std::string noise;
  std::uint64_t state = 88172645463325252ULL;
  while (noise.size() < 10'000) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    noise += static_cast<char>(state & 0xff);
  }
  Packer packer;
  BOOST_TEST(!packer.pack(noise));
  BOOST_TEST(!packer.pack(""));
}

BOOST_AUTO_TEST_CASE(hostile_bytes_are_refused) {
  std::string packed = *Packer().pack(std::string(5000, 'x'));
  for (std::size_t i = 0; i < packed.size(); ++i) {
    BOOST_TEST((unpack(packed.substr(0, i), 1 << 20) == std::nullopt));
    std::string changed = packed;
    changed[i] = static_cast<char>(changed[i] ^ 0x55);
    const auto piece = unpack(changed, 1 << 20);
    BOOST_TEST((!piece || piece->size() <= 1U << 20));
  }
  BOOST_TEST(!unpack("no packed piece", 1 << 20));
}

BOOST_AUTO_TEST_SUITE_END()
