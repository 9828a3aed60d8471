#include "backends/sim/engine/engine.h"

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <string>
#include <vector>

namespace {

using namespace twinhull;
using namespace twinhull::sim;

Instant at(std::int64_t milli) {
  return Instant(milliseconds(milli));
}

BOOST_AUTO_TEST_CASE(events_run_by_time_then_by_order_of_scheduling) {
  Engine engine(1);
  std::string order;
  engine.schedule(at(20), [&] { order += 'c'; });
  engine.schedule(at(10), [&] { order += 'a'; });
  engine.schedule(at(10), [&] {
    order += 'b';
    engine.schedule(at(5), [&] { order += 'd'; });  // the past is now
  });
  engine.run_until(at(15));
  BOOST_TEST(order == "abd");
  BOOST_TEST((engine.now() == at(15)));
  engine.run_until(at(20));
  BOOST_TEST(order == "abdc");
}

BOOST_AUTO_TEST_CASE(a_cancelled_timer_does_not_run) {
  Engine engine(1);
  bool ran = false;
  Timer timer = engine.schedule(at(1), [&] { ran = true; });
  engine.cancel(timer);
  BOOST_TEST(!timer.pending());
  engine.cancel(timer);
  engine.run_until(at(2));
  BOOST_TEST(!ran);
}

BOOST_AUTO_TEST_CASE(a_restored_timer_keeps_its_place_in_the_order) {
  Engine before(1);
  const Timer first = before.schedule(at(7), [] {});
  const Timer second = before.schedule(at(7), [] {});
  std::string bytes;
  SaveArchive save(bytes);
  before.save(save);
  Engine after(0);
  LoadArchive load(bytes);
  after.load(load);
  std::string order;
  after.restore_timer(second, [&] { order += '2'; });
  after.restore_timer(first, [&] { order += '1'; });
  BOOST_CHECK_THROW(after.restore_timer(first, [] {}), CorruptWorld);
  BOOST_CHECK_THROW(after.restore_timer({at(7), 99}, [] {}), CorruptWorld);
  after.run_until(at(8));
  BOOST_TEST(order == "12");
  BOOST_TEST(after.digest() == before.digest());
}

BOOST_AUTO_TEST_CASE(fibers_block_in_virtual_time_and_take_turns) {
  Engine engine(1);
  std::vector<std::string> log;
  for (const int step : {30, 20}) {
    engine.start_fiber(0, 0, [&, step] {
      for (int i = 0; i < 2; ++i) {
        BOOST_TEST((engine.wait(nullptr, 0, engine.now() + milliseconds(step)) == Wake::timed_out));
        log.push_back(std::to_string(step) + "@" +
                      std::to_string(engine.now().time_since_epoch() / milliseconds(1)));
      }
    });
  }
  BOOST_TEST(engine.fiber_count() == 2U);
  engine.run_until(at(1000));
  BOOST_TEST(engine.fiber_count() == 0U);
  const std::vector<std::string> expected{"20@20", "30@30", "20@40", "30@60"};
  BOOST_TEST(log == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_queue_wakes_in_the_order_of_waiting) {
  Engine engine(1);
  WaitQueue queue;
  std::string order;
  for (const char name : {'a', 'b', 'c'}) {
    engine.start_fiber(0, 0, [&, name] {
      BOOST_TEST((engine.wait(&queue, 0, std::nullopt) == Wake::woken));
      order += name;
    });
  }
  engine.run_until(at(1));
  queue.wake_one();
  engine.run_until(at(2));
  BOOST_TEST(order == "a");
  queue.wake_all();
  engine.run_until(at(3));
  BOOST_TEST(order == "abc");
  BOOST_TEST(queue.empty());
}

BOOST_AUTO_TEST_CASE(an_outside_caller_runs_the_world_while_it_waits) {
  Engine engine(1);
  WaitQueue queue;
  engine.schedule(at(9), [&] { queue.wake_all(); });
  BOOST_TEST((engine.wait(&queue, 0, std::nullopt) == Wake::woken));
  BOOST_TEST((engine.now() == at(9)));
  BOOST_TEST((engine.wait(&queue, 0, at(12)) == Wake::timed_out));
  BOOST_TEST((engine.now() == at(12)));
  BOOST_TEST((engine.wait(&queue, 0, std::nullopt) == Wake::stalled));
}

BOOST_AUTO_TEST_CASE(an_event_handler_cannot_block) {
  Engine engine(1);
  Wake result = Wake::woken;
  engine.schedule(at(1), [&] { result = engine.wait(nullptr, 0, at(5)); });
  engine.run_until(at(2));
  BOOST_TEST((result == Wake::stalled));
}

BOOST_AUTO_TEST_CASE(an_interrupt_ends_one_wait_only) {
  Engine engine(1);
  std::vector<Wake> wakes;
  Fiber* fiber = engine.start_fiber(0, 0, [&] {
    for (int i = 0; i < 3; ++i) wakes.push_back(engine.wait(nullptr, 0, engine.now() + seconds(1)));
  });
  engine.interrupt(*fiber);  // before it began: kept for its first wait
  engine.run_until(at(500));
  engine.interrupt(*fiber);
  engine.run_until(at(5000));
  BOOST_TEST((wakes == std::vector{Wake::interrupted, Wake::interrupted, Wake::timed_out}));
}

BOOST_AUTO_TEST_CASE(a_killed_fiber_runs_to_its_end_without_waiting) {
  Engine engine(1);
  bool destroyed = false;
  struct Guard {
    bool& flag;
    ~Guard() { flag = true; }
  };
  Fiber* fiber = engine.start_fiber(0, 0, [&] {
    const Guard guard{destroyed};
    BOOST_TEST((engine.wait(nullptr, 0, at(1000)) == Wake::gone));
    BOOST_TEST((engine.wait(nullptr, 0, at(1000)) == Wake::gone));
  });
  engine.run_until(at(1));
  engine.kill(*fiber);
  engine.drain_killed();
  BOOST_TEST(destroyed);
  BOOST_TEST(engine.fiber_count() == 0U);
  BOOST_TEST((engine.now() == at(1)));
}

BOOST_AUTO_TEST_CASE(a_killed_fiber_that_loops_is_unwound) {
  Engine engine(1);
  bool destroyed = false;
  struct Guard {
    bool& flag;
    ~Guard() { flag = true; }
  };
  Fiber* fiber = engine.start_fiber(0, 0, [&] {
    const Guard guard{destroyed};
    for (;;) (void)engine.wait(nullptr, 0, engine.now() + seconds(1));
  });
  engine.run_until(at(1));
  engine.kill(*fiber);
  engine.drain_killed();
  BOOST_TEST(destroyed);
}

BOOST_AUTO_TEST_CASE(a_power_cut_ends_all_waits_on_the_node) {
  Engine engine(1);
  std::vector<Wake> wakes(3);
  engine.start_fiber(0, 0, [&] { wakes[0] = engine.wait(nullptr, 0, at(100)); });
  engine.start_fiber(1, 0, [&] { wakes[1] = engine.wait(nullptr, 0, at(100)); });
  engine.start_fiber(1, 0, [&] { wakes[2] = engine.wait(nullptr, 1, at(100)); });
  engine.schedule(at(50), [&] { engine.kill_node(0); });
  BOOST_TEST((engine.wait(nullptr, 0, at(90)) == Wake::gone));
  BOOST_TEST((engine.now() == at(50)));
  engine.run_until(at(200));
  BOOST_TEST((wakes == std::vector{Wake::gone, Wake::gone, Wake::timed_out}));
}

BOOST_AUTO_TEST_CASE(suspended_fibers_release_what_they_own_with_the_engine) {
  bool destroyed = false;
  struct Guard {
    bool& flag;
    ~Guard() { flag = true; }
  };
  {
    Engine engine(1);
    engine.start_fiber(0, 0, [&] {
      const Guard guard{destroyed};
      (void)engine.wait(nullptr, 0, std::nullopt);
    });
    engine.run_until(at(1));
  }
  BOOST_TEST(destroyed);
}

BOOST_AUTO_TEST_CASE(many_short_fibers_share_stacks) {
  Engine engine(1);
  int ended = 0;
  for (int i = 0; i < 2000; ++i) {
    engine.start_fiber(0, 0, [&] {
      const std::string here(200, static_cast<char>(ended));
      (void)engine.wait(nullptr, 0, engine.now() + milliseconds(1));
      ended += here == std::string(200, static_cast<char>(ended)) ? 1 : 0;
    });
    engine.run_until(engine.now() + milliseconds(2));
  }
  BOOST_TEST(ended == 2000);
}

BOOST_AUTO_TEST_CASE(streams_are_independent_and_repeatable) {
  const Engine one(7);
  const Engine two(7);
  const Engine other(8);
  auto a = one.stream("net.loss");
  auto b = two.stream("net.loss");
  auto c = one.stream("cpu");
  auto d = other.stream("net.loss");
  const std::uint64_t first = a.next();
  BOOST_TEST(first == b.next());
  BOOST_TEST(first != c.next());
  BOOST_TEST(first != d.next());
  for (int i = 0; i < 1000; ++i) BOOST_TEST(a.below(10) < 10U);
  BOOST_TEST(a.below(0) == 0U);
}

BOOST_AUTO_TEST_CASE(the_digest_depends_on_what_when_and_with_which_values) {
  const auto digest = [](auto&& act) {
    Engine engine(1);
    act(engine);
    return engine.digest();
  };
  const auto base = digest([](Engine& e) { e.note("a", {1}); });
  BOOST_TEST(base == digest([](Engine& e) { e.note("a", {1}); }));
  BOOST_TEST(base != digest([](Engine& e) { e.note("a", {2}); }));
  BOOST_TEST(base != digest([](Engine& e) { e.note("b", {1}); }));
  BOOST_TEST(base != digest([](Engine& e) { e.note("a", "x", {1}); }));
  BOOST_TEST(base != digest([](Engine& e) {
               e.run_until(at(1));
               e.note("a", {1});
             }));
}

BOOST_AUTO_TEST_CASE(times_at_the_end_of_the_clock_do_not_overflow) {
  Engine engine(1);
  engine.run_until(at(5));
  BOOST_TEST((later(engine.now(), Duration::max()) == Instant::max()));
  Timer timer = engine.schedule_in(Duration::max(), [] {});
  BOOST_TEST((timer.at == Instant::max()));
  engine.cancel(timer);
}

BOOST_AUTO_TEST_CASE(the_clock_stands_still_at_its_end) {
  Engine engine(1);
  bool last = false;
  bool beyond = false;
  engine.schedule(kClockEnd, [&last] { last = true; });
  engine.schedule(kClockEnd + Duration(1), [&beyond] { beyond = true; });
  engine.run_until(Instant::max());
  BOOST_TEST((engine.now() == kClockEnd));
  BOOST_TEST(last);
  BOOST_TEST(!beyond);

  std::string saved;
  SaveArchive out(saved);
  engine.save(out);
  const std::int64_t too_late = (kClockEnd + Duration(1)).time_since_epoch().count();
  std::memcpy(saved.data() + sizeof(std::uint64_t), &too_late, sizeof too_late);  // after the seed
  Engine damaged(1);
  LoadArchive in(saved);
  BOOST_CHECK_THROW(damaged.load(in), CorruptWorld);
}

BOOST_AUTO_TEST_CASE(archives_refuse_garbage) {
  std::string bytes;
  SaveArchive save(bytes);
  save(std::string("hello"), std::vector<std::uint32_t>{1, 2, 3}, true);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    LoadArchive load(std::string_view(bytes).substr(0, length));
    std::string text;
    std::vector<std::uint32_t> numbers;
    bool flag = false;
    BOOST_CHECK_THROW(load(text, numbers, flag), CorruptWorld);
  }
  std::string huge(8, '\xff');
  LoadArchive load(huge);
  std::vector<std::uint32_t> numbers;
  BOOST_CHECK_THROW(load(numbers), CorruptWorld);
  const std::string two("\x02", 1);
  LoadArchive truth(two);
  bool flag = false;
  BOOST_CHECK_THROW(truth(flag), CorruptWorld);
}

}  // namespace
