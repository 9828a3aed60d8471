#include "backends/sim/cpu/cpu_tree.h"

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "backends/sim/cpu/affinity_fill.h"
#include "backends/sim/cpu/pool_race.h"
#include "backends/sim/cpu/tick_share.h"

namespace twinhull::sim {
namespace {

Instant at(Duration d) { return Instant(d); }
CpuMask mask_of(std::initializer_list<std::uint32_t> cpus) {
  CpuMask mask;
  for (auto cpu : cpus) mask.add(cpu);
  return mask;
}
CpuDemand endless(std::uint32_t threads = 1) { return {threads, {kOneCpu}, {}}; }

BOOST_AUTO_TEST_SUITE(cpu_model)

BOOST_AUTO_TEST_CASE(water_goes_by_weight_and_stops_at_bounds) {
  std::vector<Share> shares{{1, 100, 0}, {2, 100, 0}, {1, 5, 0}};
  water_fill(65, shares);
  BOOST_TEST(shares[2].given == 5U);
  BOOST_TEST(shares[0].given == 20U);
  BOOST_TEST(shares[1].given == 40U);
}

BOOST_AUTO_TEST_CASE(rounding_loses_nothing) {
  std::vector<Share> shares{{1, 100, 0}, {1, 100, 0}, {1, 100, 0}};
  water_fill(100, shares);
  BOOST_TEST(shares[0].given == 34U);
  BOOST_TEST(shares[0].given + shares[1].given + shares[2].given == 100U);
}

BOOST_AUTO_TEST_CASE(random_fills_are_fair_and_complete) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::vector<Share> shares(1 + random() % 8);
    std::uint64_t wanted = 0;
    for (Share& share : shares) {
      share = {1 + random() % 1000, random() % 5000, 0};
      wanted += share.bound;
    }
    const std::uint64_t capacity = random() % 10000;
    water_fill(capacity, shares);
    std::uint64_t sum = 0;
    for (const Share& share : shares) {
      BOOST_REQUIRE(share.given <= share.bound);
      sum += share.given;
    }
    BOOST_REQUIRE(sum == std::min(capacity, wanted));
    for (const Share& a : shares) {  // nobody below his bound has less per weight than another
      for (const Share& b : shares) {
        if (a.given < a.bound) BOOST_REQUIRE((a.given + 1) * b.weight + a.weight >= b.given * a.weight);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(two_groups_share_one_cpu_1_to_4) {
  CpuTree tree(1);
  const auto a = tree.add_group(kRootCpuGroup), b = tree.add_group(kRootCpuGroup);
  tree.set_weight(a, 512);
  tree.set_weight(b, 2048);
  tree.add_task(a, endless());
  tree.add_task(b, endless());
  tree.advance(at(seconds(10)));
  BOOST_TEST(tree.sample(a).usage.count() == 2'000'000'000);
  BOOST_TEST(tree.sample(b).usage.count() == 8'000'000'000);
  BOOST_TEST(tree.check().has_value());
}

BOOST_AUTO_TEST_CASE(one_thread_never_exceeds_one_cpu) {
  CpuTree tree(4);
  const auto a = tree.add_group(kRootCpuGroup), b = tree.add_group(kRootCpuGroup);
  tree.set_weight(a, 262144);
  tree.add_task(a, endless(1));
  tree.add_task(b, endless(8));
  BOOST_TEST(tree.rate_of(a).value == kOneCpu);
  BOOST_TEST(tree.rate_of(b).value == 3 * kOneCpu);  // the rest is not lost
}

BOOST_AUTO_TEST_CASE(nested_groups_share_by_level) {
  CpuTree tree(1);
  const auto a = tree.add_group(kRootCpuGroup), b = tree.add_group(kRootCpuGroup);
  const auto a1 = tree.add_group(a), a2 = tree.add_group(a);
  tree.set_weight(a1, 262144);
  for (auto group : {a1, a2, b}) tree.add_task(group, endless());
  BOOST_TEST(tree.rate_of(a).value == kOneCpu / 2);
  BOOST_TEST(tree.rate_of(b).value == kOneCpu / 2);
  BOOST_TEST(tree.rate_of(a1).value > tree.rate_of(a2).value * 200);
}

BOOST_AUTO_TEST_CASE(idle_share_is_redistributed_and_given_back) {
  CpuTree tree(1);
  const auto a = tree.add_group(kRootCpuGroup), b = tree.add_group(kRootCpuGroup);
  tree.add_task(a, endless());
  const auto task = tree.add_task(b, {1, {kOneCpu}, seconds(1)});
  BOOST_TEST(tree.next_done().value().time_since_epoch().count() == 2'000'000'000);
  tree.advance(at(seconds(2)));
  BOOST_TEST(tree.take_done() == std::vector<CpuTaskId>{task});
  BOOST_TEST(tree.rate_of(a).value == kOneCpu);
  BOOST_TEST(tree.remove_task(task).count() == 1'000'000'000);
}

BOOST_AUTO_TEST_CASE(quota_bounds_and_counts_exactly) {
  CpuTree tree(2);
  const auto a = tree.add_group(kRootCpuGroup);
  tree.set_quota(a, CpuQuota{milliseconds(20), milliseconds(100)});
  tree.add_task(a, endless());
  tree.advance(at(seconds(3)));
  const CpuSample sample = tree.sample(a);
  BOOST_TEST(sample.usage.count() == 600'000'000);
  BOOST_TEST(sample.periods == 30U);
  BOOST_TEST(sample.throttled_periods == 30U);
  BOOST_TEST(sample.throttled.count() == 2'400'000'000);  // 80 ms of each 100
  BOOST_TEST(tree.check().has_value());
}

BOOST_AUTO_TEST_CASE(throttled_time_sums_over_queues) {
  // Ten busy threads on ten CPUs with a 50 ms quota run 5 ms and stand still 95 ms (models 6.2).
  CpuTree tree(10);
  const auto a = tree.add_group(kRootCpuGroup);
  tree.set_quota(a, CpuQuota{milliseconds(50), milliseconds(100)});
  tree.add_task(a, endless(10));
  tree.advance(at(seconds(1)));
  BOOST_TEST(tree.sample(a).usage.count() == 500'000'000);
  BOOST_TEST(tree.sample(a).throttled.count() == 10 * 950'000'000LL);
}

BOOST_AUTO_TEST_CASE(a_limited_group_stands_still_from_the_run_out_at_its_fair_share) {
  // Beside a busy group it runs at half speed: 20 ms last 40 ms.
  CpuTree tree(1);
  const auto a = tree.add_group(kRootCpuGroup), b = tree.add_group(kRootCpuGroup);
  tree.set_quota(a, CpuQuota{milliseconds(20), milliseconds(100)});
  tree.add_task(a, endless());
  tree.add_task(b, endless());
  tree.advance(at(seconds(1)));
  BOOST_TEST(tree.sample(a).usage.count() == 200'000'000);
  BOOST_TEST(tree.sample(a).throttled.count() == 600'000'000);
}

BOOST_AUTO_TEST_CASE(who_ran_out_makes_the_others_faster) {
  // Periods that begin together: thirds until A is out at 60 ms; then halves: B has 15 ms left and
  // is out at 90 ms.
  const std::uint64_t ms = 1'000'000;
  std::vector<Racer> racers{{1024, kOneCpu, 20 * ms, 100 * ms, 0, 0},
                            {1024, kOneCpu, 35 * ms, 100 * ms, 0, 0},
                            {1024, kOneCpu, 0, 0, 0, 0}};
  BOOST_TEST_REQUIRE(race_for_pools(kOneCpu, racers));
  const auto near = [](std::uint64_t value, std::uint64_t wanted) {
    return value < wanted + 1000 && value + 1000 > wanted;
  };
  BOOST_TEST(near(racers[0].stands, 400'000'000));
  BOOST_TEST(near(racers[1].stands, 100'000'000));
  // Filled at 60 ms, when A has run out, B's pool empties faster.
  racers[1].phase = 60 * ms;
  BOOST_TEST_REQUIRE(race_for_pools(kOneCpu, racers));
  BOOST_TEST(racers[1].stands > 100'000'000U);
}

BOOST_AUTO_TEST_CASE(periods_begin_at_random_so_their_mean_counts) {
  // A real kernel gave 0.46 and 0.17, different in every run; together they would be 0.40 and 0.10.
  CpuTree tree(1);
  const auto a = tree.add_group(kRootCpuGroup), b = tree.add_group(kRootCpuGroup);
  const auto c = tree.add_group(kRootCpuGroup);
  tree.set_quota(a, CpuQuota{milliseconds(20), milliseconds(100)});
  tree.set_quota(b, CpuQuota{milliseconds(35), milliseconds(100)});
  for (auto group : {a, b, c}) tree.add_task(group, endless());
  tree.advance(at(seconds(1)));
  BOOST_TEST_MESSAGE(tree.sample(a).throttled.count() << " " << tree.sample(b).throttled.count());
  BOOST_TEST(tree.sample(a).throttled.count() > 400'000'000);
  BOOST_TEST(tree.sample(a).throttled.count() < 530'000'000);
  BOOST_TEST(tree.sample(b).throttled.count() > 100'000'000);
  BOOST_TEST(tree.sample(b).throttled.count() < 240'000'000);
  BOOST_TEST(tree.sample(c).usage.count() == 450'000'000);
}

BOOST_AUTO_TEST_CASE(members_that_owe_share_a_pool_by_weight) {
  // Two of 40 % under a limit of 20 %: both are late, so both always wait for more, and weights count.
  CpuTree tree(1);
  const auto a = tree.add_group(kRootCpuGroup);
  const auto x = tree.add_group(a), y = tree.add_group(a);
  tree.set_quota(a, CpuQuota{milliseconds(20), milliseconds(100)});
  tree.set_weight(x, 512);
  tree.set_weight(y, 2048);
  for (auto group : {x, y}) tree.add_task(group, {1, {kOneCpu * 2 / 5}, {}});
  BOOST_TEST(tree.rate_of(a).value == kOneCpu / 5);
  BOOST_TEST(tree.rate_of(x).value == kOneCpu / 25);
  BOOST_TEST(tree.rate_of(y).value == kOneCpu * 4 / 25);
  BOOST_TEST(tree.check().has_value());
}

BOOST_AUTO_TEST_CASE(who_wants_less_than_a_limited_group_gives_him_has_it) {
  // x catches up with what it could not have while the group stood still, however small its weight.
  CpuTree tree(1);
  const auto a = tree.add_group(kRootCpuGroup);
  const auto x = tree.add_group(a), y = tree.add_group(a);
  tree.set_quota(a, CpuQuota{milliseconds(20), milliseconds(100)});
  tree.set_weight(y, 3072);
  tree.add_task(x, {1, {kOneCpu * 3 / 100}, {}});
  tree.add_task(y, endless());
  BOOST_TEST(tree.rate_of(x).value == kOneCpu * 3 / 100);
  BOOST_TEST(tree.rate_of(y).value == kOneCpu * 17 / 100);
  BOOST_TEST(tree.check().has_value());
}

BOOST_AUTO_TEST_CASE(who_wants_more_than_its_limit_is_always_late) {
  // A real kernel gave 0.2000 CPUs and 0.77 of the time throttled, with a queue of a second's demand.
  CpuTree tree(1);
  const auto a = tree.add_group(kRootCpuGroup);
  tree.set_quota(a, CpuQuota{milliseconds(20), milliseconds(100)});
  tree.add_task(a, {1, {kOneCpu * 2 / 5}, {}});
  tree.advance(at(seconds(1)));
  BOOST_TEST(tree.sample(a).usage.count() == 200'000'000);
  BOOST_TEST(tree.sample(a).throttled.count() == 800'000'000);
}

BOOST_AUTO_TEST_CASE(a_queue_stands_still_on_each_cpu_where_a_thread_waits) {
  // Two threads at half a CPU each: one CPU of speed, and yet two queues.
  CpuTree tree(2);
  const auto a = tree.add_group(kRootCpuGroup), b = tree.add_group(kRootCpuGroup);
  tree.set_quota(a, CpuQuota{milliseconds(50), milliseconds(100)});
  tree.add_task(a, endless(2));
  tree.add_task(b, endless(2));
  tree.advance(at(seconds(1)));
  BOOST_TEST(tree.sample(a).usage.count() == 500'000'000);
  BOOST_TEST(tree.sample(a).throttled.count() > 2 * 495'000'000);
  BOOST_TEST(tree.sample(a).throttled.count() < 2 * 505'000'000);
}

BOOST_AUTO_TEST_CASE(a_quota_above_the_demand_never_throttles) {
  CpuTree tree(4);
  const auto a = tree.add_group(kRootCpuGroup);
  tree.set_quota(a, CpuQuota{milliseconds(50), milliseconds(100)});
  tree.add_task(a, {1, {kOneCpu / 4}, {}});
  tree.advance(at(seconds(1)));
  BOOST_TEST(tree.sample(a).usage.count() == 250'000'000);
  BOOST_TEST(tree.sample(a).periods == 10U);
  BOOST_TEST(tree.sample(a).throttled_periods == 0U);
}

BOOST_AUTO_TEST_CASE(frozen_groups_stand_still) {
  CpuTree tree(1);
  const auto a = tree.add_group(kRootCpuGroup);
  tree.add_task(a, {1, {kOneCpu}, seconds(2)});
  tree.advance(at(seconds(1)));
  tree.set_frozen(a, true);
  BOOST_TEST(!tree.next_done().has_value());
  tree.advance(at(seconds(5)));
  BOOST_TEST(tree.sample(a).usage.count() == 1'000'000'000);
  tree.set_frozen(a, false);
  BOOST_TEST(tree.next_done().value().time_since_epoch().count() == 6'000'000'000);
}

BOOST_AUTO_TEST_CASE(pinned_groups_do_not_gain_from_other_cpus) {
  CpuTree tree(4);
  const auto a = tree.add_group(kRootCpuGroup), b = tree.add_group(kRootCpuGroup);
  const auto c = tree.add_group(kRootCpuGroup);
  tree.set_allowed(a, mask_of({0}));
  tree.set_allowed(b, mask_of({0}));
  tree.set_weight(a, 3072);
  tree.add_task(a, endless(4));
  tree.add_task(b, endless(4));
  tree.add_task(c, endless(8));
  BOOST_TEST(tree.rate_of(a).value == kOneCpu * 3 / 4);
  BOOST_TEST(tree.rate_of(b).value == kOneCpu / 4);
  BOOST_TEST(tree.rate_of(c).value == 3 * kOneCpu);
  BOOST_TEST(tree.check().has_value());
}

BOOST_AUTO_TEST_CASE(overlapping_sets_find_every_bottleneck) {
  // CPUs 0,1: A may use 0, B may use 0 and 1, C may use 1. All want everything: 2 CPUs for three,
  // each 2/3 fits (A 2/3 on 0, C 2/3 on 1, B the rest of both).
  std::vector<AffinityShare> takers{{{1, 2 * kOneCpu, 0}, mask_of({0}), {}},
                                    {{1, 2 * kOneCpu, 0}, mask_of({0, 1}), {}},
                                    {{1, 2 * kOneCpu, 0}, mask_of({1}), {}}};
  const auto left = affinity_fill({kOneCpu, kOneCpu}, takers);
  BOOST_TEST(left[0] + left[1] == 0U);
  for (const auto& taker : takers) {
    BOOST_TEST(taker.share.given >= 666'666'666U);
    BOOST_TEST(taker.share.given <= 666'666'667U);
  }
}

BOOST_AUTO_TEST_CASE(random_masks_waste_nothing) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 500; ++round) {
    const auto cpus = static_cast<std::uint32_t>(1 + random() % 6);
    std::vector<AffinityShare> takers(1 + random() % 6);
    for (auto& taker : takers) {
      taker.share = {1 + random() % 100, random() % (cpus * kOneCpu), 0};
      while (taker.allowed.empty()) {
        for (std::uint32_t c = 0; c < cpus; ++c) {
          if (random() % 2) taker.allowed.add(c);
        }
      }
    }
    const auto left = affinity_fill(std::vector<std::uint64_t>(cpus, kOneCpu), takers);
    std::uint64_t free = 0, given = 0;
    for (auto f : left) free += f;
    for (const auto& t : takers) {
      given += t.share.given;
      BOOST_REQUIRE(t.share.given <= t.share.bound);
    }
    BOOST_REQUIRE(free + given == cpus * kOneCpu);
    // Every set of CPUs must hold those confined to it.
    for (std::uint32_t set = 1; set < (1U << cpus); ++set) {
      CpuMask mask;
      for (std::uint32_t c = 0; c < cpus; ++c) {
        if (set >> c & 1U) mask.add(c);
      }
      std::uint64_t inside = 0;
      for (const auto& t : takers) {
        if (t.allowed.inside(mask)) inside += t.share.given;
      }
      BOOST_REQUIRE(inside <= mask.count() * kOneCpu);
    }
    // Who wants more sits in a full set.
    for (const auto& t : takers) {
      if (t.share.given == t.share.bound) continue;
      for (std::uint32_t c = 0; c < cpus; ++c) {
        if (t.allowed.has(c)) BOOST_REQUIRE(left[c] == 0);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(halving_the_step_changes_nothing) {
  std::vector<std::int64_t> usages;
  for (int step : {1000, 500, 7}) {
    CpuTree tree(3);
    const auto a = tree.add_group(kRootCpuGroup), b = tree.add_group(kRootCpuGroup);
    tree.set_weight(a, 777);
    tree.set_quota(b, CpuQuota{milliseconds(33), milliseconds(70)});
    tree.add_task(a, endless(3));
    tree.add_task(b, endless(2));
    for (int t = 0; t < 10'000; t += step) {
      tree.advance(at(milliseconds(t)));
      tree.sample(a);
    }
    tree.advance(at(seconds(10)));
    usages.push_back(tree.sample(a).usage.count());
    usages.push_back(tree.sample(b).throttled.count());
  }
  BOOST_TEST(usages[0] == usages[2]);
  BOOST_TEST(usages[0] == usages[4]);
  BOOST_TEST(usages[1] == usages[3]);
  BOOST_TEST(usages[1] == usages[5]);
}

BOOST_AUTO_TEST_CASE(random_trees_keep_the_invariants) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 200; ++round) {
    CpuTree tree(static_cast<std::uint32_t>(1 + random() % 8));
    std::vector<CpuGroupId> groups{kRootCpuGroup};
    std::vector<CpuTaskId> tasks;
    std::int64_t now = 0;
    for (int step = 0; step < 60; ++step) {
      const CpuGroupId group = groups[random() % groups.size()];
      switch (random() % 7) {
        case 0: groups.push_back(tree.add_group(group)); break;
        case 1: tree.set_weight(group, 2 + random() % 5000); break;
        case 2:
          if (group != kRootCpuGroup) {
            tree.set_quota(group, CpuQuota{milliseconds(1 + random() % 400), milliseconds(100)});
          }
          break;
        case 3:
        case 4:
          tasks.push_back(tree.add_task(group, {static_cast<std::uint32_t>(1 + random() % 4),
                                                {random() % kOneCpu},
                                                milliseconds(random() % 5000)}));
          break;
        case 5: tree.set_frozen(group, random() % 2 != 0); break;
        default: break;
      }
      now += static_cast<std::int64_t>(random() % 100'000'000);
      while (auto next = tree.next_done()) {
        if (next->time_since_epoch().count() > now) break;
        tree.advance(*next);
        tree.take_done();
      }
      tree.advance(at(Duration(now)));
      const Status good = tree.check();
      BOOST_REQUIRE_MESSAGE(good.has_value(), (good ? "" : good.error().message()));
    }
    for (CpuTaskId task : tasks) {
      if (!tree.work_left(task)) continue;
      BOOST_REQUIRE(tree.work_left(task)->count() >= 0);
    }
  }
}

BOOST_AUTO_TEST_CASE(random_trees_with_cpu_sets_leave_no_cpu_idle) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 100; ++round) {
    const auto cpus = static_cast<std::uint32_t>(2 + random() % 5);
    CpuTree tree(cpus);
    std::vector<CpuGroupId> groups{kRootCpuGroup};
    for (int step = 0; step < 40; ++step) {
      const CpuGroupId group = groups[random() % groups.size()];
      switch (random() % 6) {
        case 0: groups.push_back(tree.add_group(group)); break;
        case 1: tree.set_weight(group, 2 + random() % 5000); break;
        case 2:
          if (group != kRootCpuGroup && random() % 3 == 0)
            tree.set_quota(group, CpuQuota{milliseconds(1 + random() % 400), milliseconds(100)});
          break;
        case 3: {
          CpuMask mask;
          while (mask.empty()) {
            for (std::uint32_t cpu = 0; cpu < cpus; ++cpu)
              if (tree.allowed(group).has(cpu) && random() % 2) mask.add(cpu);
          }
          // Sets of the groups inside must lie inside.
          bool inside = group != kRootCpuGroup;
          for (CpuGroupId other : groups)
            if (other != group && tree.own_allowed(other) && !tree.own_allowed(other)->inside(mask)) inside = false;
          if (inside) tree.set_allowed(group, mask);
          break;
        }
        default:
          tree.add_task(group, {static_cast<std::uint32_t>(1 + random() % 4), {random() % kOneCpu}, {}});
      }
      tree.advance(at(milliseconds(37 * (step + 1))));
      const Status good = tree.check();
      BOOST_REQUIRE_MESSAGE(good.has_value(), "round " << round << ", step " << step << ": "
                                                       << (good ? "" : good.error().message()));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_small_pool_is_shared_by_ticks) {
  // Ten ticks, from no debts: y x y y, y x y y, y x.
  BOOST_TEST((share_by_ticks(40'000'000, {1024, 3072}) == std::vector<std::uint64_t>{12'000'000, 28'000'000}));
  BOOST_TEST((share_by_ticks(3'000'001, {1024, 3072}) == std::vector<std::uint64_t>{1'500'000, 1'500'001}));
  BOOST_TEST((share_by_ticks(28'000'000, {1024, 1024}) == std::vector<std::uint64_t>{14'000'000, 14'000'000}));
  const std::vector<std::uint64_t> many = share_by_ticks(4'000'000'000, {1024, 2048, 1024});
  BOOST_TEST((many == std::vector<std::uint64_t>{1'000'000'000, 2'000'000'000, 1'000'000'000}));

  CpuTree tree(1);
  const CpuGroupId outer = tree.add_group(kRootCpuGroup);
  const CpuGroupId x = tree.add_group(outer), y = tree.add_group(outer);
  tree.set_quota(outer, CpuQuota{milliseconds(40), milliseconds(100)});
  tree.set_weight(y, 3072);
  tree.add_task(x, endless());
  tree.add_task(y, endless());
  BOOST_TEST(tree.rate_of(x).value == kOneCpu * 12 / 100);
  BOOST_TEST(tree.rate_of(y).value == kOneCpu * 28 / 100);
  BOOST_TEST(tree.check().has_value());
}

/// The same changes to two trees, of which one forgets after each what it kept.
class Twins {
 public:
  explicit Twins(std::uint32_t cpus) : kept_(cpus), whole_(cpus) {}
  void step(std::mt19937_64& random, bool masks) {
    const CpuGroupId group = groups_[random() % groups_.size()];
    const bool below = group != kRootCpuGroup;
    const std::uint64_t number = random();
    switch (random() % 12) {
      case 0:
      case 1: both([&](CpuTree& tree) { return tree.add_group(group); }); groups_.push_back(++last_); break;
      case 2: both([&](CpuTree& tree) { tree.set_weight(group, 2 + number % 5000); }); break;
      case 3:
        if (!below) break;
        both([&](CpuTree& tree) {
          tree.set_quota(group, number % 3 == 0 ? std::nullopt
                                                : std::optional(CpuQuota{milliseconds(1 + number % 300),
                                                                         milliseconds(100)}));
        });
        break;
      case 4:
        if (below) both([&](CpuTree& tree) { tree.set_frozen(group, number % 2 == 0); });
        break;
      case 5:
        if (tasks_.empty()) break;
        both([&](CpuTree& tree) { tree.set_stopped(tasks_[number % tasks_.size()], number % 7 < 3); });
        break;
      case 6: {
        if (tasks_.empty()) break;
        const std::size_t at = number % tasks_.size();
        both([&](CpuTree& tree) { tree.remove_task(tasks_[at]); });
        tasks_.erase(tasks_.begin() + static_cast<std::ptrdiff_t>(at));
        break;
      }
      case 7:
        if (tasks_.empty()) break;
        both([&](CpuTree& tree) {
          tree.set_demand(tasks_[number % tasks_.size()],
                          {static_cast<std::uint32_t>(1 + number % 3), {number % kOneCpu}, {}});
        });
        break;
      case 8:
        if (masks && below)
          both([&](CpuTree& tree) {
            tree.set_allowed(group, number % 2 == 0 ? std::nullopt : std::optional(mask_of({0})));
          });
        break;
      default:
        both([&](CpuTree& tree) {
          tree.add_task(group, {static_cast<std::uint32_t>(1 + number % 4), {number % kOneCpu},
                                number % 5 == 0 ? std::optional<Duration>(milliseconds(200)) : std::nullopt});
        });
        tasks_.push_back(++last_task_);
    }
    now_ += milliseconds(static_cast<std::int64_t>(number % 90));
    both([&](CpuTree& tree) {
      for (auto next = tree.next_done(); next && *next <= at(now_); next = tree.next_done()) {
        tree.advance(*next);
        tree.take_done();
      }
      tree.advance(at(now_));
    });
    whole_.forget();
  }
  void compare(const std::string& where) {
    for (CpuGroupId group : groups_) {
      BOOST_REQUIRE_MESSAGE(kept_.rate_of(group) == whole_.rate_of(group), where << ", group " << group);
      const CpuSample a = kept_.sample(group), b = whole_.sample(group);
      BOOST_REQUIRE_MESSAGE(a.usage == b.usage && a.periods == b.periods && a.throttled == b.throttled &&
                                a.throttled_periods == b.throttled_periods,
                            where << ", account of group " << group);
    }
    for (CpuTaskId task : tasks_)
      BOOST_REQUIRE_MESSAGE(kept_.task_rate(task) == whole_.task_rate(task), where << ", task " << task);
    for (CpuTree* tree : {&kept_, &whole_}) {
      const Status good = tree->check();
      BOOST_REQUIRE_MESSAGE(good.has_value(), where << (tree == &kept_ ? ", kept: " : ", whole: ")
                                                    << (good ? "" : good.error().message()));
    }
  }

 private:
  template <typename Change>
  void both(const Change& change) {
    change(kept_);
    change(whole_);
  }
  CpuTree kept_, whole_;
  Duration now_{0};
  std::vector<CpuGroupId> groups_{kRootCpuGroup};
  std::vector<CpuTaskId> tasks_;
  CpuGroupId last_ = 0;
  CpuTaskId last_task_ = 0;
};

BOOST_AUTO_TEST_CASE(what_is_kept_between_solves_changes_no_result) {
  std::mt19937_64 random(23);
  for (int round = 0; round < 150; ++round) {
    // Many CPUs: mostly room for all; few: mostly none.
    Twins twins(round % 3 == 0 ? 2 : 64);
    for (int step = 0; step < 120; ++step) {
      twins.step(random, round % 5 == 0);
      twins.compare("round " + std::to_string(round) + ", step " + std::to_string(step));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::sim
