// The code around one call, the chain of observers and the counter. That every port forwards to
// the right call is checked by the contract suite, which runs through intercept() too.
#include "runtime/kernel/decorators/hook.h"

#include <boost/test/unit_test.hpp>
#include <vector>

#include "runtime/kernel/decorators/call_counter.h"
#include "runtime/kernel/decorators/observer_chain.h"

namespace twinhull {
namespace {

using decorators::Hook;

/// Notes what it sees and does what it was told.
class Notebook final : public CallObserver {
 public:
  explicit Notebook(std::vector<std::string>& lines, std::string name = "", bool details = false)
      : lines_(lines), name_(std::move(name)), details_(details) {}
  [[nodiscard]] bool wants_details() const override { return details_; }
  std::optional<Error> before(const Call& call) override {
    lines_.push_back(name_ + "before " + std::to_string(call.sequence) + " " +
                     std::string(call.name) + " " + std::string(call.object) + " [" +
                     std::string(call.arguments) + "]");
    return refusal;
  }
  std::optional<Error> after(const Call& call, const CallOutcome& outcome) override {
    lines_.push_back(name_ + "after " + std::to_string(call.sequence) + " " +
                     (outcome.error != nullptr ? std::string(to_string(outcome.error->code))
                                               : "ok [" + std::string(outcome.value) + "]"));
    return replacement;
  }
  std::optional<Error> refusal, replacement;

 private:
  std::vector<std::string>& lines_;
  const std::string name_;
  const bool details_;
};

Error error_of(ErrorCode code) {
  return fail(code, "test", "object", "made up");
}

struct Fixture {
  std::vector<std::string> lines;
  int made = 0;
  Result<Bytes> call(Hook& hook, bool succeed = true) {
    return hook.call(
        "port.call", "thing",
        [&]() -> Result<Bytes> {
          ++made;
          if (!succeed) return error_of(ErrorCode::busy);
          return Bytes{7};
        },
        std::string("argument"), std::uint64_t{3});
  }
};

BOOST_FIXTURE_TEST_CASE(calls_are_numbered_and_shown_on_both_sides, Fixture) {
  Notebook notebook(lines);
  Hook hook(notebook);
  BOOST_CHECK_EQUAL(call(hook)->value, 7);
  BOOST_CHECK(call(hook, false).error().code == ErrorCode::busy);
  const std::vector<std::string> wanted = {"before 1 port.call thing []", "after 1 ok []",
                                           "before 2 port.call thing []", "after 2 busy"};
  BOOST_CHECK_EQUAL_COLLECTIONS(lines.begin(), lines.end(), wanted.begin(), wanted.end());
}

BOOST_FIXTURE_TEST_CASE(details_are_filled_when_wanted, Fixture) {
  Notebook notebook(lines, "", true);
  Hook hook(notebook);
  (void)call(hook);
  BOOST_CHECK_EQUAL(lines[0], "before 1 port.call thing [\"argument\" 3]");
  BOOST_CHECK_EQUAL(lines[1], "after 1 ok [7]");
}

BOOST_FIXTURE_TEST_CASE(a_refused_call_is_not_made, Fixture) {
  Notebook notebook(lines);
  notebook.refusal = error_of(ErrorCode::no_memory);
  Hook hook(notebook);
  BOOST_CHECK(call(hook).error().code == ErrorCode::no_memory);
  BOOST_CHECK_EQUAL(made, 0);
  BOOST_CHECK_EQUAL(lines.at(1), "after 1 no_memory");
}

BOOST_FIXTURE_TEST_CASE(a_success_can_be_replaced_after_its_effect, Fixture) {
  Notebook notebook(lines);
  notebook.replacement = error_of(ErrorCode::timed_out);
  Hook hook(notebook);
  BOOST_CHECK(call(hook).error().code == ErrorCode::timed_out);
  BOOST_CHECK_EQUAL(made, 1);
}

BOOST_FIXTURE_TEST_CASE(a_chain_nests_its_observers, Fixture) {
  Notebook first(lines, "1 "), second(lines, "2 ");
  second.replacement = error_of(ErrorCode::input_output);
  ObserverChain chain({&first, &second});
  Hook hook(chain);
  BOOST_CHECK(call(hook).error().code == ErrorCode::input_output);
  const std::vector<std::string> wanted = {"1 before 1 port.call thing []",
                                           "2 before 1 port.call thing []", "2 after 1 ok []",
                                           "1 after 1 input_output"};
  BOOST_CHECK_EQUAL_COLLECTIONS(lines.begin(), lines.end(), wanted.begin(), wanted.end());
}

BOOST_FIXTURE_TEST_CASE(a_refusal_in_a_chain_reaches_all_that_look_at_the_end, Fixture) {
  Notebook first(lines, "1 "), second(lines, "2 ", true), third(lines, "3 ");
  second.refusal = error_of(ErrorCode::no_space);
  ObserverChain chain({&first, &second, &third});
  BOOST_CHECK(chain.wants_details());
  Hook hook(chain);
  BOOST_CHECK(call(hook).error().code == ErrorCode::no_space);
  BOOST_CHECK_EQUAL(made, 0);
  BOOST_REQUIRE_EQUAL(lines.size(), 5);
  BOOST_CHECK_EQUAL(lines[2], "3 after 1 no_space");
  BOOST_CHECK_EQUAL(lines[4], "1 after 1 no_space");
}

BOOST_FIXTURE_TEST_CASE(the_counter_counts_by_name_and_prefix, Fixture) {
  CallCounter counter;
  Hook hook(counter);
  (void)call(hook);
  (void)call(hook, false);
  (void)hook.call("port.other", "", []() -> Status { return {}; });
  (void)hook.call("portable.call", "", []() -> Status { return {}; });
  BOOST_CHECK((counter.count("port.call") == CallCounter::Count{2, 1}));
  BOOST_CHECK((counter.count("port.") == CallCounter::Count{3, 1}));
  BOOST_CHECK((counter.count("port") == CallCounter::Count{0, 0}));
  BOOST_CHECK((counter.count() == CallCounter::Count{4, 1}));
  BOOST_CHECK_EQUAL(counter.counts().size(), 3);
  counter.clear();
  BOOST_CHECK((counter.count() == CallCounter::Count{0, 0}));
}

}  // namespace
}  // namespace twinhull
