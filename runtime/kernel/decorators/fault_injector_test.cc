#include "runtime/kernel/decorators/fault_injector.h"

#include <boost/test/unit_test.hpp>
#include <vector>

#include "runtime/kernel/decorators/hook.h"

namespace twinhull {
namespace {

using decorators::Hook;

/// A node that notes which calls took effect, how long it slept and how often it lost its power.
struct Node {
  std::vector<std::string> effects;
  std::vector<Duration> delays;
  int cuts = 0;
  std::optional<Error> delay_error;
  FaultInjector injector{{[this] { ++cuts; },
                          [this](Duration length) -> Status {
                            delays.push_back(length);
                            if (delay_error) return *delay_error;
                            return {};
                          }}};
  Hook hook{injector};

  Status call(const std::string& name, const std::string& object = "x") {
    return hook.call(name, object, [&]() -> Status {
      effects.push_back(name);
      return {};
    });
  }
  std::size_t add(FaultRule rule) { return injector.add(std::move(rule)).value(); }
};

FaultRule rule(std::string name, std::uint64_t nth, FaultKind kind) {
  FaultRule made;
  made.name = std::move(name);
  made.nth = nth;
  made.kind = kind;
  return made;
}

BOOST_FIXTURE_TEST_CASE(without_rules_nothing_is_changed, Node) {
  for (int i = 0; i < 5; ++i) BOOST_CHECK(call("files.write"));
  BOOST_CHECK_EQUAL(effects.size(), 5);
  BOOST_CHECK_EQUAL(injector.seen(), 5);
  BOOST_CHECK(injector.hits().empty());
}

BOOST_FIXTURE_TEST_CASE(exactly_the_nth_call_is_refused, Node) {
  FaultRule third = rule("", 3, FaultKind::refuse);
  third.code = ErrorCode::no_space;
  add(third);
  BOOST_CHECK(call("files.write"));
  BOOST_CHECK(call("files.sync"));
  const Status refused = call("links.remove", "th-1");
  BOOST_REQUIRE(!refused);
  BOOST_CHECK(refused.error().code == ErrorCode::no_space);
  BOOST_CHECK(refused.error().injected);
  BOOST_CHECK_EQUAL(refused.error().operation, "links.remove");
  BOOST_CHECK_EQUAL(refused.error().object, "th-1");
  BOOST_CHECK(call("files.write"));
  BOOST_CHECK_EQUAL(effects.size(), 3);
  BOOST_REQUIRE_EQUAL(injector.hits().size(), 1);
  BOOST_CHECK_EQUAL(injector.hits()[0].name, "links.remove");
}

BOOST_FIXTURE_TEST_CASE(rules_count_by_name_prefix_and_object, Node) {
  add(rule("files.sync", 2, FaultKind::refuse));
  add(rule("links.", 1, FaultKind::refuse));
  FaultRule on_object = rule("files.write", 1, FaultKind::refuse);
  on_object.object = "/b";
  add(on_object);
  BOOST_CHECK(call("files.sync"));
  BOOST_CHECK(call("files.write", "/a"));
  BOOST_CHECK(!call("files.write", "/b"));
  BOOST_CHECK(!call("files.sync"));
  BOOST_CHECK(!call("links.create_veth"));
  BOOST_CHECK(call("links.create_veth"));
  BOOST_CHECK_EQUAL(injector.hits().size(), 3);
}

BOOST_FIXTURE_TEST_CASE(a_rule_can_hit_several_in_a_row_or_all, Node) {
  FaultRule some = rule("a.b", 2, FaultKind::refuse);
  some.times = 2;
  add(some);
  FaultRule all = rule("c.d", 2, FaultKind::refuse);
  all.times = kUnlimited;
  add(all);
  const std::vector<bool> wanted = {true, false, false, true, true};
  for (const bool good : wanted) BOOST_CHECK_EQUAL(call("a.b").has_value(), good);
  BOOST_CHECK(call("c.d"));
  for (int i = 0; i < 10; ++i) BOOST_CHECK(!call("c.d"));
}

BOOST_FIXTURE_TEST_CASE(the_first_rule_acts_and_all_count, Node) {
  FaultRule first = rule("a.b", 1, FaultKind::refuse);
  first.code = ErrorCode::busy;
  add(first);
  FaultRule second = rule("a.", 2, FaultKind::refuse);
  second.code = ErrorCode::no_memory;
  add(second);
  BOOST_CHECK(call("a.b").error().code == ErrorCode::busy);
  BOOST_CHECK(call("a.b").error().code == ErrorCode::no_memory);
}

BOOST_FIXTURE_TEST_CASE(a_lost_report_has_its_effect, Node) {
  add(rule("files.rename", 1, FaultKind::lose_report));
  const Status lost = call("files.rename");
  BOOST_REQUIRE(!lost);
  BOOST_CHECK(lost.error().injected);
  BOOST_CHECK(lost.error().code == ErrorCode::input_output);
  BOOST_CHECK_EQUAL(effects.size(), 1);
  BOOST_CHECK(call("files.rename"));
}

BOOST_FIXTURE_TEST_CASE(a_failure_of_its_own_is_not_covered_up, Node) {
  add(rule("a.b", 1, FaultKind::lose_report));
  const Status failed = hook.call(
      "a.b", "x", []() -> Status { return fail(ErrorCode::exists, "a.b", "x", "is there"); });
  BOOST_CHECK(failed.error().code == ErrorCode::exists);
  BOOST_CHECK(!failed.error().injected);
}

BOOST_FIXTURE_TEST_CASE(a_delayed_call_takes_effect_later, Node) {
  FaultRule slow = rule("a.b", 2, FaultKind::delay);
  slow.delay = seconds(3);
  add(slow);
  BOOST_CHECK(call("a.b"));
  BOOST_CHECK(delays.empty());
  BOOST_CHECK(call("a.b"));
  BOOST_REQUIRE_EQUAL(delays.size(), 1);
  BOOST_CHECK(delays[0] == seconds(3));
  BOOST_CHECK_EQUAL(effects.size(), 2);
}

BOOST_FIXTURE_TEST_CASE(an_interrupted_delay_refuses_the_call, Node) {
  add(rule("a.b", 1, FaultKind::delay));
  delay_error = fail(ErrorCode::interrupted, "clock.sleep", "", "asked to stop");
  BOOST_CHECK(call("a.b").error().code == ErrorCode::interrupted);
  BOOST_CHECK(effects.empty());
}

BOOST_FIXTURE_TEST_CASE(a_power_cut_before_a_call_takes_its_effect_away, Node) {
  add(rule("", 2, FaultKind::power_cut_before));
  BOOST_CHECK(call("a.b"));
  BOOST_CHECK(call("a.b").error().code == ErrorCode::node_down);
  BOOST_CHECK_EQUAL(cuts, 1);
  BOOST_CHECK_EQUAL(effects.size(), 1);
  BOOST_CHECK(injector.power_is_cut());
}

BOOST_FIXTURE_TEST_CASE(a_power_cut_after_a_call_leaves_its_effect, Node) {
  add(rule("", 2, FaultKind::power_cut_after));
  BOOST_CHECK(call("a.b"));
  BOOST_CHECK(call("a.b").error().code == ErrorCode::node_down);
  BOOST_CHECK_EQUAL(cuts, 1);
  BOOST_CHECK_EQUAL(effects.size(), 2);
}

BOOST_FIXTURE_TEST_CASE(after_a_power_cut_nothing_happens_until_the_power_returns, Node) {
  add(rule("", 1, FaultKind::power_cut_after));
  (void)call("a.b");
  for (int i = 0; i < 3; ++i) BOOST_CHECK(call("a.b").error().code == ErrorCode::node_down);
  BOOST_CHECK_EQUAL(effects.size(), 1);
  BOOST_CHECK_EQUAL(cuts, 1);
  BOOST_CHECK_EQUAL(injector.seen(), 1);
  injector.power_returned();
  BOOST_CHECK(call("a.b"));
}

// A blocking call that was in flight when another one cut the power.
BOOST_FIXTURE_TEST_CASE(calls_in_flight_end_with_the_power, Node) {
  add(rule("inner.call", 1, FaultKind::power_cut_before));
  const Status outer = hook.call("outer.call", "x", [&]() -> Status {
    (void)call("inner.call");
    return {};
  });
  BOOST_CHECK(outer.error().code == ErrorCode::node_down);
}

BOOST_FIXTURE_TEST_CASE(a_killed_caller_leaves_nothing_behind, Node) {
  add(rule("a.b", 1, FaultKind::lose_report));
  Call lost_call{1, "a.b", "x", {}};
  BOOST_CHECK(!injector.before(lost_call));
  // Its end never came; another call at the same place must not inherit its fate.
  Call next{2, "c.d", "x", {}};
  lost_call = next;
  BOOST_CHECK(!injector.before(lost_call));
  BOOST_CHECK(!injector.after(lost_call, {}));
}

BOOST_FIXTURE_TEST_CASE(rules_that_make_no_sense_are_refused, Node) {
  BOOST_CHECK(injector.add(rule("", 0, FaultKind::refuse)).error().code ==
              ErrorCode::invalid_argument);
  FaultRule never = rule("", 1, FaultKind::refuse);
  never.times = 0;
  BOOST_CHECK(!injector.add(never));
  FaultRule back = rule("", 1, FaultKind::delay);
  back.delay = seconds(-1);
  BOOST_CHECK(!injector.add(back));
  FaultInjector bare;
  BOOST_CHECK(!bare.add(rule("", 1, FaultKind::delay)));
  BOOST_CHECK(!bare.add(rule("", 1, FaultKind::power_cut_before)));
  BOOST_CHECK(bare.add(rule("", 1, FaultKind::refuse)));
}

BOOST_FIXTURE_TEST_CASE(clear_forgets_rules_and_hits, Node) {
  add(rule("", 2, FaultKind::refuse));
  BOOST_CHECK(call("a.b"));
  injector.clear();
  BOOST_CHECK(call("a.b"));
  BOOST_CHECK(injector.hits().empty());
}

}  // namespace
}  // namespace twinhull
