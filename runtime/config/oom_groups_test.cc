#include "runtime/config/oom_groups.h"

#include <boost/test/unit_test.hpp>

namespace {

using namespace twinhull;

std::vector<OomGroup> groups_of(std::string_view text) {
  auto groups = parse_oom_groups(text, "oom-groups.conf");
  BOOST_REQUIRE_MESSAGE(groups, (groups ? "" : groups.error().message()));
  return std::move(*groups);
}

/// Adjustment of the group of a process; 7 = it has none.
std::int32_t found(const std::vector<OomGroup>& groups, const std::string& name,
                   const std::string& parent, std::uint32_t uid) {
  const OomGroup* group = find_oom_group(groups, {name, parent, uid, 0});
  return group == nullptr ? 7 : group->adjust;
}

BOOST_AUTO_TEST_SUITE(oom_groups)

BOOST_AUTO_TEST_CASE(comments_and_blanks_say_nothing) {
  BOOST_TEST(groups_of("").empty());
  BOOST_TEST(groups_of("# command parent uid adj\n\n  \t\n#\n").empty());
  const auto groups = groups_of("  mysqld\t*  -1   -500 \r\n#x\ncron* init 0 300 # first");
  BOOST_REQUIRE_EQUAL(groups.size(), 2U);
  BOOST_CHECK((groups[0] == OomGroup{"mysqld", "*", -1, -500}));
  BOOST_CHECK((groups[1] == OomGroup{"cron*", "init", 0, 300}));
}

BOOST_AUTO_TEST_CASE(the_first_match_wins) {
  const auto groups = groups_of("sh init -1 100\nsh* * -1 200\n* * -1 300\n");
  BOOST_TEST(found(groups, "sh", "init", 5) == 100);
  BOOST_TEST(found(groups, "sh", "cron", 5) == 200);
  BOOST_TEST(found(groups, "shred", "init", 5) == 200);
  BOOST_TEST(found(groups, "as", "", 5) == 300);
  BOOST_TEST(found({}, "sh", "init", 5) == 7);
}

BOOST_AUTO_TEST_CASE(users_are_any_one_or_lower_ones) {
  BOOST_TEST(found(groups_of("a * -1 1"), "a", "b", 4000) == 1);
  BOOST_TEST(found(groups_of("a * 0 1"), "a", "b", 0) == 1);
  BOOST_TEST(found(groups_of("a * 0 1"), "a", "b", 1) == 7);
  BOOST_TEST(found(groups_of("a * -500 1"), "a", "b", 499) == 1);
  BOOST_TEST(found(groups_of("a * -500 1"), "a", "b", 500) == 7);
}

BOOST_AUTO_TEST_CASE(names_are_compared_as_kernels_keep_them) {
  const auto groups = groups_of("a-very-long-program-name * -1 1");
  BOOST_TEST(found(groups, "a-very-long-pro", "", 0) == 1);
  BOOST_TEST(found(groups, "a-very-long", "", 0) == 7);
}

BOOST_AUTO_TEST_CASE(mistakes_name_line_and_cause) {
  struct Row {
    const char* text;
    const char* object;
    const char* cause;
  };
  for (const Row& row : {Row{"a * -1", "oom-groups.conf line 1", "3 words instead of 4"},
                         Row{"#\na b 1 2 3", "oom-groups.conf line 2", "5 words"},
                         Row{"a*b * -1 1", "oom-groups.conf line 1", "before the end"},
                         Row{"a * root 1", "oom-groups.conf line 1", "\"root\" is no user filter"},
                         Row{"a * 1\n\na * -1 1001", "oom-groups.conf line 1", "3 words"},
                         Row{"a * 1 5\n\na * -1 1001", "oom-groups.conf line 3", "-1000 to 1000"},
                         Row{"a * 1 -1001", "oom-groups.conf line 1", "-1000 to 1000"},
                         Row{"a * 1 5x", "oom-groups.conf line 1", "\"5x\" is no adjustment"}}) {
    const auto groups = parse_oom_groups(row.text, "oom-groups.conf");
    BOOST_REQUIRE_MESSAGE(!groups, row.text);
    BOOST_TEST(groups.error().object == row.object);
    BOOST_TEST(groups.error().detail.find(row.cause) != std::string::npos, groups.error().detail);
    BOOST_TEST(groups.error().exit_code == 85);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
