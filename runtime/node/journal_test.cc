#include "runtime/node/journal.h"

#include <boost/test/unit_test.hpp>

namespace twinhull {
namespace {

Intent sample() {
  Intent intent;
  intent.operation = "create";
  intent.committed_when = "/etc/vz/conf/101.conf";
  intent.back = {{StepKind::unmount, "/vz/root/101", {}},
                 {StepKind::rename, "/a b", "/c\"d"},
                 {StepKind::remove_quota_tree, "/vz/private/101.tmp", {}}};
  intent.forward = {{StepKind::make_symlink, "/etc/vz/names/wéb", "/etc/vz/conf/101.conf"}};
  intent.facts = {{"peer", "n2"}, {"phase", "first\nsync"}};
  return intent;
}

BOOST_AUTO_TEST_SUITE(journal)

BOOST_AUTO_TEST_CASE(an_intent_survives_its_text) {
  Intent intent = sample();
  const Result<Intent> again = parse_intent(intent_text(intent));
  BOOST_REQUIRE_MESSAGE(again, (again ? "" : again.error().message()));
  BOOST_TEST((*again == intent));
  intent.phase = IntentPhase::roll_forward;
  intent.durable = false;
  BOOST_TEST((parse_intent(intent_text(intent)).value() == intent));
}

BOOST_AUTO_TEST_CASE(every_kind_of_step_has_a_name) {
  for (int kind = 0; kind <= static_cast<int>(StepKind::remove_cgroup); ++kind) {
    const auto step = static_cast<StepKind>(kind);
    BOOST_TEST((parse_step_kind(to_string(step)) == step), to_string(step));
  }
  BOOST_TEST(!parse_step_kind("explode").has_value());
}

BOOST_AUTO_TEST_CASE(damaged_text_is_told_apart) {
  const std::string whole = intent_text(sample());
  // Cut anywhere it is no journal any more; only the last line end may go.
  for (std::size_t length = 0; length + 2 < whole.size(); ++length) {
    const Result<Intent> cut = parse_intent(whole.substr(0, length));
    BOOST_REQUIRE_MESSAGE(!cut, "accepted when cut at " << length);
    BOOST_REQUIRE(cut.error().code == ErrorCode::corrupt);
  }
  for (const char* text :
       {"[]", "{}", R"({"version":2,"operation":"x","phase":"roll_back","durable":true})",
        R"({"version":1,"operation":"","phase":"roll_back","durable":true})",
        R"({"version":1,"operation":"x","phase":"sideways","durable":true})",
        R"({"version":1,"operation":"x","phase":"roll_back","durable":1})",
        R"({"version":1,"operation":"x","phase":"roll_back","durable":true,"back":[{"do":"fly"}]})",
        R"({"version":1,"operation":"x","phase":"roll_back","durable":true,"back":{}})",
        R"({"version":1,"operation":"x","phase":"roll_back","durable":true,"facts":{"a":1}})"}) {
    BOOST_TEST(!parse_intent(text).has_value(), text);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull
