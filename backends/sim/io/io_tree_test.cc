// The disk model by itself: shares, limits, dirty data, and that nothing is lost.
#include <boost/test/unit_test.hpp>
#include <map>
#include <vector>

#include "backends/sim/io/io_tree.h"

using namespace twinhull;
using namespace twinhull::sim;

namespace {

constexpr std::uint64_t kMega = 1 << 20;
constexpr IoCapacity kDisk{100 * kMega, 10'000};

/// A disk with programs that always want the next block, as IoModel drives it.
struct Bench {
  explicit Bench(IoCapacity capacity = kDisk) : tree(capacity) {}

  /// A program of `group` that moves blocks one after the other for ever.
  void stream(IoGroupId group, IoDirection direction, std::uint64_t block) {
    const ProcessRef owner{++last, 1};
    streams[last] = {group, direction, block};
    ask(owner);
  }
  void ask(ProcessRef owner) {
    const auto& [group, direction, block] = streams.at(owner.pid);
    const std::uint64_t blocks = tree.blocks_at_once(group, block);
    tree.submit(group, direction, blocks * block, blocks, owner, now);
  }
  void run(Duration length) {
    const Instant end = now + length;
    while (now < end) {
      tree.age(now);
      if (const auto cost = tree.serve(now)) {
        now += *cost;
        for (const ProcessRef owner : tree.complete(now)) {
          told.push_back(owner);
          if (streams.contains(owner.pid)) ask(owner);
        }
      } else {
        const auto next = tree.next_allowed();
        now = next ? std::max(now + Duration(1), std::min(*next, end)) : end;
      }
      BOOST_REQUIRE(tree.check());
      BOOST_REQUIRE(tree.sane());
    }
  }
  std::uint64_t moved(IoGroupId group) const {
    const IoSample sample = tree.sample(group);
    return sample.read.value + sample.written.value;
  }

  struct Stream {
    IoGroupId group;
    IoDirection direction;
    std::uint64_t block;
  };
  IoTree tree;
  Instant now{};
  std::int32_t last = 100;
  std::map<std::int32_t, Stream> streams;
  std::vector<ProcessRef> told;
};

void near(std::uint64_t got, std::uint64_t wanted, std::uint64_t percent) {
  BOOST_TEST((got * 100 >= wanted * (100 - percent) && got * 100 <= wanted * (100 + percent)),
             "got " << got << " instead of " << wanted);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(io_tree)

BOOST_AUTO_TEST_CASE(one_stream_gets_the_whole_disk) {
  Bench bench;
  const IoGroupId group = bench.tree.add_group(kRootIoGroup);
  bench.stream(group, IoDirection::write, kMega);
  bench.run(seconds(10));
  near(bench.moved(group), 1000 * kMega, 1);
  BOOST_TEST(bench.moved(kRootIoGroup) == bench.moved(group));
}

BOOST_AUTO_TEST_CASE(small_blocks_are_bound_by_operations) {
  Bench bench;
  const IoGroupId group = bench.tree.add_group(kRootIoGroup);
  bench.stream(group, IoDirection::read, 4096);
  bench.run(seconds(10));
  near(bench.tree.sample(group).reads, 100'000, 1);
}

BOOST_AUTO_TEST_CASE(weights_divide_disk_time) {
  using Weights = std::pair<std::uint64_t, std::uint64_t>;
  for (const auto& [a, b] : {Weights{100, 100}, {100, 300}, {1, 1000}, {20, 160}}) {
    Bench bench;
    const IoGroupId light = bench.tree.add_group(kRootIoGroup);
    const IoGroupId heavy = bench.tree.add_group(kRootIoGroup);
    bench.tree.set_weight(light, a);
    bench.tree.set_weight(heavy, b);
    bench.stream(light, IoDirection::read, 65536);
    bench.stream(heavy, IoDirection::read, 65536);
    bench.run(seconds(60));
    near(bench.moved(heavy), 6000 * kMega / (a + b) * b, 2);
    near(bench.moved(light), 6000 * kMega / (a + b) * a, 20);
  }
}

BOOST_AUTO_TEST_CASE(many_programs_get_no_more_than_their_group) {
  Bench bench;
  const IoGroupId many = bench.tree.add_group(kRootIoGroup);
  const IoGroupId one = bench.tree.add_group(kRootIoGroup);
  for (int i = 0; i < 8; ++i) bench.stream(many, IoDirection::write, 65536);
  bench.stream(one, IoDirection::write, 65536);
  bench.run(seconds(20));
  near(bench.moved(one), 1000 * kMega, 2);
}

BOOST_AUTO_TEST_CASE(shares_are_hierarchical) {
  Bench bench;
  const IoGroupId left = bench.tree.add_group(kRootIoGroup);
  const IoGroupId right = bench.tree.add_group(kRootIoGroup);
  const IoGroupId inner = bench.tree.add_group(left);
  bench.tree.set_weight(inner, 300);
  bench.stream(left, IoDirection::write, 65536);   // weighs 100 beside `inner`
  bench.stream(inner, IoDirection::write, 65536);
  bench.stream(right, IoDirection::write, 65536);
  bench.run(seconds(40));
  near(bench.moved(right), 2000 * kMega, 2);
  near(bench.moved(left), 2000 * kMega, 2);
  near(bench.moved(inner), 1500 * kMega, 2);
}

BOOST_AUTO_TEST_CASE(what_one_does_not_use_the_other_gets) {
  Bench bench;
  const IoGroupId limited = bench.tree.add_group(kRootIoGroup);
  const IoGroupId free = bench.tree.add_group(kRootIoGroup);
  bench.tree.set_weight(limited, 1000);
  bench.tree.set_limit(limited, {{10 * kMega}, kUnlimited}, bench.now);
  bench.stream(limited, IoDirection::write, 65536);
  bench.stream(free, IoDirection::write, 65536);
  bench.run(seconds(20));
  near(bench.moved(limited), 200 * kMega, 2);
  near(bench.moved(free), 1800 * kMega, 2);
}

BOOST_AUTO_TEST_CASE(a_bandwidth_limit_is_exact_over_time) {
  for (const std::uint64_t rate : {std::uint64_t{65536}, kMega, 7 * kMega + 13, 50 * kMega}) {
    Bench bench;
    const IoGroupId group = bench.tree.add_group(kRootIoGroup);
    bench.tree.set_limit(group, {{rate}, kUnlimited}, bench.now);
    bench.stream(group, IoDirection::read, 4096);
    bench.run(seconds(100));
    const std::uint64_t bound = std::min(rate, std::uint64_t{4096 * 10'000});
    near(bench.moved(group), bound * 100, 1);
  }
}

BOOST_AUTO_TEST_CASE(a_limit_saves_nothing_up) {
  Bench bench;
  const IoGroupId group = bench.tree.add_group(kRootIoGroup);
  bench.tree.set_limit(group, {{10 * kMega}, kUnlimited}, bench.now);
  bench.run(seconds(5));
  bench.stream(group, IoDirection::write, 65536);
  // At the end of each slice no more is through than was paid for, within one at most a slice more.
  for (int slice = 1; slice <= 30; ++slice) {
    bench.run(milliseconds(50));
    BOOST_TEST(bench.moved(group) <= static_cast<std::uint64_t>(slice) * kMega);
    bench.run(milliseconds(50));
    BOOST_TEST(bench.moved(group) <= static_cast<std::uint64_t>(slice) * kMega);
    BOOST_TEST(bench.moved(group) + kMega > static_cast<std::uint64_t>(slice) * kMega);
  }
}

BOOST_AUTO_TEST_CASE(an_operations_limit_is_exact_over_time) {
  Bench bench;
  const IoGroupId group = bench.tree.add_group(kRootIoGroup);
  bench.tree.set_limit(group, {{kUnlimited}, 70}, bench.now);
  bench.stream(group, IoDirection::write, 65536);
  bench.run(seconds(100));
  near(bench.tree.sample(group).writes, 7000, 1);
  bench.tree.set_limit(group, {{kUnlimited}, 79}, bench.now);  // nine of ten slices' parts are lost
  bench.run(seconds(100));
  near(bench.tree.sample(group).writes, 14'000, 1);
  BOOST_TEST(bench.tree.sample(group).throttled->count() > 80'000'000'000);
}

BOOST_AUTO_TEST_CASE(an_operations_limit_keeps_one_slice_and_loses_parts) {
  // blk-throttle's rule played by hand for 15 a second: slices 1 to 3 let 1, 3 and 4 through in all,
  // every later one a single operation.
  Bench bench;
  const IoGroupId group = bench.tree.add_group(kRootIoGroup);
  bench.tree.set_limit(group, {{kUnlimited}, 15}, bench.now);
  bench.stream(group, IoDirection::write, 65536);
  const auto after = [&](Duration more) {
    bench.run(more);
    return bench.tree.sample(group).writes;
  };
  BOOST_TEST(after(milliseconds(90)) == 1U);
  BOOST_TEST(after(milliseconds(100)) == 3U);
  BOOST_TEST(after(milliseconds(100)) == 4U);
  BOOST_TEST(after(milliseconds(700)) == 11U);
  BOOST_TEST(after(seconds(1)) == 21U);
  BOOST_TEST(after(seconds(4)) == 61U);
}

BOOST_AUTO_TEST_CASE(an_idle_group_opens_a_new_account_of_operations) {
  Bench bench;
  const IoGroupId group = bench.tree.add_group(kRootIoGroup);
  bench.tree.set_limit(group, {{kUnlimited}, 20}, bench.now);
  bench.run(seconds(10));
  bench.stream(group, IoDirection::write, 65536);
  bench.run(milliseconds(90));
  BOOST_TEST(bench.tree.sample(group).writes == 2U);  // not the 200 of the idle time
}

BOOST_AUTO_TEST_CASE(directions_have_buckets_of_their_own) {
  Bench bench;
  const IoGroupId group = bench.tree.add_group(kRootIoGroup);
  bench.tree.set_limit(group, {{10 * kMega}, kUnlimited}, bench.now);
  bench.stream(group, IoDirection::read, 65536);
  bench.stream(group, IoDirection::write, 65536);
  bench.run(seconds(20));
  near(bench.tree.sample(group).read.value, 200 * kMega, 2);
  near(bench.tree.sample(group).written.value, 200 * kMega, 2);
}

BOOST_AUTO_TEST_CASE(an_outer_limit_binds_the_groups_inside) {
  Bench bench;
  const IoGroupId outer = bench.tree.add_group(kRootIoGroup);
  const IoGroupId a = bench.tree.add_group(outer), b = bench.tree.add_group(outer);
  bench.tree.set_limit(outer, {{10 * kMega}, kUnlimited}, bench.now);
  bench.stream(a, IoDirection::write, 65536);
  bench.stream(b, IoDirection::write, 65536);
  bench.run(seconds(20));
  near(bench.moved(outer), 200 * kMega, 2);
  near(bench.moved(a), 100 * kMega, 3);
}

BOOST_AUTO_TEST_CASE(a_lifted_limit_leaves_no_debt) {
  Bench bench;
  const IoGroupId group = bench.tree.add_group(kRootIoGroup);
  bench.tree.set_limit(group, {{1}, kUnlimited}, bench.now);
  bench.stream(group, IoDirection::write, 65536);
  bench.run(seconds(10));
  BOOST_TEST(bench.moved(group) == 0U);  // the first block is paid for in 18 hours
  bench.tree.set_limit(group, {}, bench.now);
  bench.run(seconds(10));
  BOOST_TEST(bench.moved(group) > 600 * kMega);
}

BOOST_AUTO_TEST_CASE(dirty_data_is_written_in_the_groups_name) {
  Bench bench;
  const IoGroupId group = bench.tree.add_group(kRootIoGroup);
  bench.tree.add_dirty(group, 10 * kMega, bench.now);
  bench.run(seconds(4));
  BOOST_TEST(bench.moved(group) == 0U);  // not old yet
  bench.run(seconds(2));
  BOOST_TEST(bench.moved(group) == 10 * kMega);
  BOOST_TEST(bench.tree.dirty(group) == 0U);
}

BOOST_AUTO_TEST_CASE(writeback_meets_the_limit_and_tells_who_waits) {
  Bench bench;
  const IoGroupId group = bench.tree.add_group(kRootIoGroup);
  bench.tree.set_limit(group, {{kMega}, kUnlimited}, bench.now);
  bench.tree.add_dirty(group, 10 * kMega, bench.now);
  const ProcessRef owner{7, 1};
  BOOST_TEST(bench.tree.wait_clean(group, 0, owner, bench.now));
  bench.run(seconds(9));
  BOOST_TEST(bench.told.empty());
  bench.tree.add_dirty(group, kMega, bench.now);  // later data is nobody's wait
  bench.run(seconds(1));
  BOOST_REQUIRE(bench.told.size() == 1U);
  BOOST_TEST((bench.told[0] == owner));
  BOOST_TEST(!bench.tree.wait_clean(group, 2 * kMega, owner, bench.now));
}

BOOST_AUTO_TEST_CASE(a_group_that_goes_leaves_its_dirty_data_to_its_parent) {
  Bench bench;
  const IoGroupId outer = bench.tree.add_group(kRootIoGroup);
  const IoGroupId inner = bench.tree.add_group(outer);
  bench.tree.add_dirty(inner, 3 * kMega, bench.now);
  bench.tree.start_writeback(inner, bench.now);
  bench.tree.remove_group(inner);
  BOOST_TEST(bench.tree.dirty(outer) == 3 * kMega);
  bench.run(seconds(10));
  BOOST_TEST(bench.moved(outer) == 3 * kMega);
}

BOOST_AUTO_TEST_CASE(who_is_gone_is_not_served) {
  Bench bench;
  const IoGroupId group = bench.tree.add_group(kRootIoGroup);
  bench.tree.submit(group, IoDirection::read, 4096, 1, {9, 1}, bench.now);
  bench.tree.add_dirty(group, 4096, bench.now);
  bench.tree.wait_clean(group, 0, {9, 1}, bench.now);
  bench.tree.cancel({9, 1});
  bench.run(seconds(1));
  BOOST_TEST(bench.tree.sample(group).reads == 0U);
  BOOST_TEST(bench.told.empty());
}

BOOST_AUTO_TEST_CASE(a_sleeper_gets_no_credit) {
  Bench bench;
  const IoGroupId busy = bench.tree.add_group(kRootIoGroup);
  const IoGroupId late = bench.tree.add_group(kRootIoGroup);
  bench.stream(busy, IoDirection::write, 65536);
  bench.run(seconds(50));
  const std::uint64_t before = bench.moved(busy);
  bench.stream(late, IoDirection::write, 65536);
  bench.run(seconds(10));
  near(bench.moved(busy) - before, 500 * kMega, 2);
  near(bench.moved(late), 500 * kMega, 2);
}

BOOST_AUTO_TEST_SUITE_END()
