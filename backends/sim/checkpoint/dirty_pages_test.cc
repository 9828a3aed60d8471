#include "backends/sim/checkpoint/dirty_pages.h"

#include <boost/test/unit_test.hpp>
#include <cmath>

namespace {

using namespace twinhull::sim;

BOOST_AUTO_TEST_CASE(uniform_writes_follow_the_formula) {
  for (const std::uint64_t pages : {2U, 100U, 65'536U, 1'000'000U})
    for (const std::uint64_t writes : {0U, 1U, 50U, 10'000U, 3'000'000U}) {
      const double exact =
          static_cast<double>(pages) *
          -std::expm1(static_cast<double>(writes) * std::log1p(-1.0 / static_cast<double>(pages)));
      const auto hit = static_cast<double>(distinct_pages(pages, writes, DirtyPattern::uniform));
      BOOST_CHECK_MESSAGE(std::abs(hit - exact) <= 1, pages << " pages, " << writes << " writes: "
                                                            << hit << " against " << exact);
    }
}

BOOST_AUTO_TEST_CASE(no_pattern_hits_more_than_there_is) {
  for (const auto pattern : {DirtyPattern::uniform, DirtyPattern::hot, DirtyPattern::sequential})
    for (const std::uint64_t pages : {0U, 1U, 2U, 9U, 1000U})
      for (const std::uint64_t writes : {0ULL, 1ULL, 7ULL, 1'000'000'000'000ULL}) {
        const std::uint64_t hit = distinct_pages(pages, writes, pattern);
        BOOST_CHECK_LE(hit, pages);
        BOOST_CHECK_LE(hit, writes);
        if (writes > 1'000'000) BOOST_CHECK_EQUAL(hit, pages);
      }
}

BOOST_AUTO_TEST_CASE(a_hot_set_dirties_less_and_a_scan_more) {
  const std::uint64_t uniform = distinct_pages(10'000, 5'000, DirtyPattern::uniform);
  BOOST_CHECK_LT(distinct_pages(10'000, 5'000, DirtyPattern::hot), uniform / 2);
  BOOST_CHECK_EQUAL(distinct_pages(10'000, 5'000, DirtyPattern::sequential), 5'000);
}

}  // namespace
