// Limits inside limits: what the members of a throttled group get of its pool.
#include <boost/test/unit_test.hpp>
#include <algorithm>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "backends/sim/cpu/cpu_tree.h"
#include "backends/sim/cpu/pool_share.h"
#include "backends/sim/cpu/water_fill.h"

namespace twinhull::sim {
namespace {

Instant at(Duration d) { return Instant(d); }
CpuDemand endless(std::uint32_t threads = 1) { return {threads, {kOneCpu}, {}}; }
bool within(std::int64_t value, std::int64_t least, std::int64_t most) { return least <= value && value <= most; }
bool near(std::uint64_t value, std::uint64_t wanted, std::uint64_t by = 1000) {
  return value <= wanted + by && wanted <= value + by;
}

BOOST_AUTO_TEST_SUITE(cpu_limits)

BOOST_AUTO_TEST_CASE(a_limit_inside_a_limit_is_used_up_before_the_outer_one) {
  // A real kernel gave x all of its 0.200 in every period, and y 0.400 (not 0.12 and 0.48).
  CpuTree tree(2);
  const auto a = tree.add_group(kRootCpuGroup), b = tree.add_group(kRootCpuGroup);
  const auto x = tree.add_group(a), y = tree.add_group(a);
  tree.set_quota(a, CpuQuota{milliseconds(60), milliseconds(100)});
  tree.set_quota(x, CpuQuota{milliseconds(20), milliseconds(100)});
  tree.add_task(x, endless());
  tree.add_task(y, endless());
  tree.add_task(b, endless(2));
  tree.advance(at(seconds(1)));
  BOOST_TEST(tree.sample(a).usage.count() == 600'000'000);
  BOOST_TEST(tree.sample(x).usage.count() == 200'000'000);
  BOOST_TEST(tree.sample(y).usage.count() == 400'000'000);
  BOOST_TEST(tree.sample(a).throttled_periods >= 9U);
  BOOST_TEST(tree.sample(x).throttled_periods >= 9U);
  // When x has used up its own pool y stays on its CPU, beside half of B: the kernel's groups stood still
  // 0.41 and 0.48 of the time. (If threads moved freely it were 0.40 and 0.36.)
  BOOST_TEST(within(tree.sample(a).throttled.count(), 380'000'000, 480'000'000));
  BOOST_TEST(within(tree.sample(x).throttled.count(), 440'000'000, 530'000'000));
  BOOST_TEST(tree.check().has_value());
}

BOOST_AUTO_TEST_CASE(a_limit_inside_a_limit_that_is_not_reached_throttles_nobody) {
  CpuTree tree(1);
  const auto a = tree.add_group(kRootCpuGroup);
  const auto x = tree.add_group(a), y = tree.add_group(a);
  tree.set_quota(a, CpuQuota{milliseconds(40), milliseconds(100)});
  tree.set_quota(x, CpuQuota{milliseconds(30), milliseconds(100)});
  for (auto group : {x, y}) tree.add_task(group, endless());
  tree.advance(at(seconds(1)));
  BOOST_TEST(tree.sample(x).usage.count() == 200'000'000);
  BOOST_TEST(tree.sample(x).throttled_periods == 0U);
  BOOST_TEST(tree.sample(a).throttled.count() == 600'000'000);
}

BOOST_AUTO_TEST_CASE(a_limit_two_levels_inside_a_limit_is_used_up_too) {
  CpuTree tree(1);
  const auto a = tree.add_group(kRootCpuGroup), b = tree.add_group(kRootCpuGroup);
  const auto between = tree.add_group(a), y = tree.add_group(a), x = tree.add_group(between);
  tree.set_quota(a, CpuQuota{milliseconds(40), milliseconds(100)});
  tree.set_quota(x, CpuQuota{milliseconds(10), milliseconds(100)});
  for (auto group : {x, y, b}) tree.add_task(group, endless());
  BOOST_TEST(tree.rate_of(x).value == kOneCpu / 10);
  BOOST_TEST(tree.rate_of(y).value == kOneCpu * 3 / 10);
  tree.advance(at(seconds(1)));
  BOOST_TEST(tree.sample(x).throttled_periods == 10U);
  BOOST_TEST(tree.check().has_value());
}

BOOST_AUTO_TEST_CASE(a_shorter_period_inside_goes_by_the_clock) {
  // Alone on one CPU: the outer group runs 60 ms of each 100: x gets its 2 ms six times, and once from
  // before.
  CpuTree tree(1);
  const auto a = tree.add_group(kRootCpuGroup);
  const auto x = tree.add_group(a), y = tree.add_group(a);
  tree.set_quota(a, CpuQuota{milliseconds(60), milliseconds(100)});
  tree.set_quota(x, CpuQuota{milliseconds(2), milliseconds(10)});
  tree.add_task(x, endless());
  tree.add_task(y, endless());
  BOOST_TEST(near(tree.rate_of(x).value, 140'000'000));
  BOOST_TEST(near(tree.rate_of(y).value, 460'000'000));
  BOOST_TEST(tree.rate_of(a).value == 600'000'000U);
  // It waits for a refill again and again while the group runs.
  tree.advance(at(seconds(1)));
  BOOST_TEST(tree.sample(x).throttled_periods == 100U);
  BOOST_TEST(tree.sample(a).throttled.count() == 400'000'000);
  BOOST_TEST(tree.check().has_value());
}

BOOST_AUTO_TEST_CASE(who_used_up_its_quota_leaves_the_pool_to_the_others) {
  // Thirds until A is out at 0.3; then B and C have 0.45 each a time: B is out at 0.3 + 0.1 / 0.45.
  std::vector<PoolMember> members{{1024, kOneCpu, 90'000'000}, {1024, kOneCpu, 190'000'000},
                                  {1024, kOneCpu, kOneCpu}, {4096, 0, 0}};
  const std::uint64_t emptied = share_pool(800'000'000, 900'000'000, members);
  BOOST_TEST(near(emptied, 888'888'888));
  BOOST_TEST(members[0].given == 90'000'000U);
  BOOST_TEST(members[1].given == 190'000'000U);
  BOOST_TEST(near(members[2].given, 520'000'000));
  BOOST_TEST(members[3].given == 0U);
  BOOST_TEST(near(members[0].until, 300'000'000));
  BOOST_TEST(near(members[1].until, 522'222'223));
  BOOST_TEST(members[2].until == kOneCpu);
}

BOOST_AUTO_TEST_CASE(random_pools_are_shared_as_step_by_step) {
  std::mt19937_64 random(29);
  for (int round = 0; round < 2000; ++round) {
    std::vector<PoolMember> members(1 + random() % 8);
    std::vector<Share> now;
    std::uint64_t running = kOneCpu / 2 + random() % (2 * kOneCpu);
    const std::uint64_t amount = 1 + random() % running;
    for (PoolMember& member : members) {
      member = {1 + random() % 5000, 1 + random() % kOneCpu, 0};
      member.bound = random() % 2 == 0 ? member.speed : 1 + random() % member.speed;
      now.push_back({member.weight, member.speed, 0});
    }
    const std::uint64_t emptied = share_pool(amount, running, members);
    // The same with a whole fill at each step.
    std::vector<double> had(members.size(), 0);
    double time = 0, left = static_cast<double>(amount);
    while (time < 1 && left > 1) {
      water_fill(running, now);
      double speed = 0, step = 1 - time;
      for (std::size_t i = 0; i < now.size(); ++i) {
        const auto rate = static_cast<double>(now[i].given);
        speed += rate;
        if (members[i].bound < members[i].speed && rate > 0)
          step = std::min(step, (static_cast<double>(members[i].bound) - had[i]) / rate);
      }
      if (speed == 0) break;
      step = std::min(step, left / speed);
      for (std::size_t i = 0; i < now.size(); ++i) {
        had[i] += static_cast<double>(now[i].given) * step;
        if (members[i].bound < members[i].speed && had[i] > static_cast<double>(members[i].bound) - 0.5) now[i].bound = 0;
      }
      time += step;
      left -= speed * step;
    }
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < members.size(); ++i) {
      BOOST_REQUIRE(members[i].given <= members[i].bound);
      BOOST_REQUIRE(members[i].until == kOneCpu || members[i].given == members[i].bound);
      BOOST_REQUIRE_MESSAGE(near(members[i].given, static_cast<std::uint64_t>(had[i])),
                            "round " << round << ", member " << i << ": " << members[i].given << ", not " << had[i]);
      sum += members[i].given;
    }
    BOOST_REQUIRE(sum <= amount);
    if (emptied < kOneCpu && left <= 1) BOOST_REQUIRE(near(sum, amount, 100));
  }
}

BOOST_AUTO_TEST_CASE(offsets_of_equal_periods_are_averaged) {
  // The same, counted out over a thousand offsets of the inner period.
  const std::uint64_t ms = kOneCpu / 1000;
  for (const auto& [until, emptied] : {std::pair{400 * ms, 600 * ms}, {100 * ms, 900 * ms}, {500 * ms, 500 * ms}}) {
    std::uint64_t stood = 0;
    for (std::uint64_t offset = 0; offset < 1000; ++offset) {
      std::uint64_t pool = 0, stands = 0;
      for (std::uint64_t step = 0; step < 3000; ++step) {
        if (step % 1000 == offset) pool = until / ms;
        if (pool == 0 && step >= 2000) ++stands;
        if (pool > 0 && step % 1000 < emptied / ms) --pool;
      }
      stood += stands;
    }
    BOOST_TEST(near(stands_inside(until, emptied), stood * ms / 1000, 2 * ms));
  }
}

BOOST_AUTO_TEST_CASE(who_hardly_stands_still_is_shared_by_weight) {
  // The limit is just what the group gets beside B: its queue is never away, so ticks tell nothing.
  CpuTree tree(1);
  const auto a = tree.add_group(kRootCpuGroup), b = tree.add_group(kRootCpuGroup);
  const auto x = tree.add_group(a), y = tree.add_group(a);
  tree.set_quota(a, CpuQuota{milliseconds(50), milliseconds(100)});
  tree.set_weight(y, 3072);
  for (auto group : {x, y, b}) tree.add_task(group, endless());
  BOOST_TEST(tree.rate_of(x).value == kOneCpu / 8);
  BOOST_TEST(tree.rate_of(y).value == kOneCpu * 3 / 8);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::sim
