// What the runtime relies on: Clock.
#include "runtime/kernel/contract/checks.h"

namespace twinhull::contract {
namespace {

std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

CASE(now_never_goes_back) {
  Clock& clock = stage.kernel().clock();
  Instant last = clock.now();
  for (int i = 0; i < 1000; ++i) {
    const Instant next = clock.now();
    BOOST_REQUIRE(next >= last);
    last = next;
  }
}

CASE(now_counts_from_the_boot) {
  BOOST_CHECK(stage.kernel().clock().now() >= Instant(Duration(0)));
}

CASE(sleep_lasts_at_least_its_length) {
  Clock& clock = stage.kernel().clock();
  for (const Duration length :
       {Duration(1), Duration(microseconds(50)), Duration(milliseconds(30))}) {
    const Instant begin = clock.now();
    MUST(clock.sleep(length));
    BOOST_CHECK(clock.now() - begin >= length);
  }
}

CASE(sleep_does_not_last_much_longer) {
  Clock& clock = stage.kernel().clock();
  const Instant begin = clock.now();
  MUST(clock.sleep(milliseconds(50)));
  // Generous: the machine may be busy.
  BOOST_CHECK(clock.now() - begin < seconds(5));
}

CASE(sleep_that_is_not_positive_returns_at_once) {
  Clock& clock = stage.kernel().clock();
  const Instant begin = clock.now();
  MUST(clock.sleep(Duration(0)));
  MUST(clock.sleep(seconds(-100)));
  BOOST_CHECK(clock.now() - begin < seconds(5));
}

CASE(wall_time_advances_with_the_clock) {
  Clock& clock = stage.kernel().clock();
  const WallTime before = clock.wall();
  MUST(clock.sleep(milliseconds(100)));
  const Duration passed = clock.wall() - before;
  BOOST_CHECK(passed >= milliseconds(90));
  BOOST_CHECK(passed < seconds(5));
}

CASE(wall_time_is_of_this_century) {
  BOOST_CHECK(stage.kernel().clock().wall() > WallTime(seconds(946'684'800)));
}

CASE(two_nodes_have_clocks_that_run_alike) {
  Clock& here = stage.kernel().clock();
  Clock& there = stage.peer().clock();
  const Instant here_before = here.now(), there_before = there.now();
  MUST(here.sleep(milliseconds(50)));
  BOOST_CHECK(here.now() - here_before >= milliseconds(50));
  BOOST_CHECK(there.now() - there_before >= milliseconds(50));
}

}  // namespace

Area clock_area() {
  return {"clock", cases()};
}

}  // namespace twinhull::contract
