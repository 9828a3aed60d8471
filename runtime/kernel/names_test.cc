#include <boost/test/unit_test.hpp>
#include <set>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/quotas.h"

namespace twinhull {
namespace {

BOOST_AUTO_TEST_CASE(cpu_sets_are_written_as_the_kernel_does) {
  BOOST_CHECK_EQUAL(CpuSet{}.text(), "");
  BOOST_CHECK_EQUAL((CpuSet{{3}}.text()), "3");
  BOOST_CHECK_EQUAL((CpuSet{{0, 1, 2, 5}}.text()), "0-2,5");
  BOOST_CHECK_EQUAL((CpuSet{{0, 2, 4, 5}}.text()), "0,2,4-5");
}

BOOST_AUTO_TEST_CASE(cpu_sets_are_read_in_any_order) {
  const std::pair<const char*, const char*> forms[] = {{"", ""},           {"0", "0"},
                                                       {"5,0-2", "0-2,5"}, {"1,1,1", "1"},
                                                       {"0-3,2-5", "0-5"}, {"8191", "8191"}};
  for (const auto& [text, canonical] : forms) {
    const auto set = CpuSet::parse(text);
    BOOST_REQUIRE_MESSAGE(set.has_value(), text);
    BOOST_CHECK_EQUAL(set->text(), canonical);
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_cpu_set_is_refused) {
  for (const char* text : {",", "1,", ",1", "1-", "-1", "3-1", "a", "1 ", "1;2", "0-8192", "8192",
                           "1--2", "99999999999"})
    BOOST_CHECK_MESSAGE(!CpuSet::parse(text).has_value(), text);
}

BOOST_AUTO_TEST_CASE(features_and_mechanisms_have_names_of_their_own) {
  std::set<std::string_view> features;
  for (std::size_t i = 0; i < kFeatureCount; ++i)
    features.insert(to_string(static_cast<Feature>(i)));
  BOOST_CHECK_EQUAL(features.size(), kFeatureCount);
  BOOST_CHECK_EQUAL(to_string(Feature::raise_limits), "raise_limits");
  std::set<std::string_view> mechanisms;
  for (const auto mechanism :
       {QuotaMechanism::none, QuotaMechanism::btrfs_qgroup, QuotaMechanism::project,
        QuotaMechanism::image, QuotaMechanism::simulated})
    mechanisms.insert(to_string(mechanism));
  BOOST_CHECK_EQUAL(mechanisms.size(), 5);
}

}  // namespace
}  // namespace twinhull
