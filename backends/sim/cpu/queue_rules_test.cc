// What differs between the rules of older kernels and newer ones, where queues are played.
#include <boost/test/unit_test.hpp>
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <ostream>

#include "backends/sim/cpu/cpu_tree.h"
#include "backends/sim/cpu/play_testing.h"
#include "backends/sim/cpu/queue_play.h"
#include "backends/sim/cpu/run_queue.h"

namespace twinhull::sim {

// For Boost.Test.
std::ostream& operator<<(std::ostream& out, SchedulerRules rules) {
  return out << static_cast<int>(rules);
}

namespace {

constexpr SchedulerRules kAll[] = {SchedulerRules::cfs, SchedulerRules::interleaved, SchedulerRules::eevdf,
                                   SchedulerRules::delayed, SchedulerRules::task_throttle};

/// One busy thread in each group that is not another one's parent.
PlayPlan plan_of(SchedulerRules rules, std::uint32_t cpus, std::initializer_list<PlayGroup> groups) {
  PlayPlan plan{cpus, {PlayGroup{}}, {}, rules};
  plan.groups.insert(plan.groups.end(), groups);
  for (std::uint32_t group = 1; group < plan.groups.size(); ++group)
    if (std::ranges::none_of(plan.groups, [&](const PlayGroup& other) { return other.parent == group; }))
      plan.threads.push_back({group, kOneCpu, ~std::uint64_t{0}, 0});
  return plan;
}

BOOST_AUTO_TEST_SUITE(queue_rules)

BOOST_AUTO_TEST_CASE(a_release_tells_its_rules) {
  BOOST_TEST(rules_of("6.1.0-56-cloud-amd64") == SchedulerRules::cfs);
  BOOST_TEST(rules_of("5.10") == SchedulerRules::cfs);
  BOOST_TEST(rules_of("6.3.9") == SchedulerRules::cfs);
  BOOST_TEST(rules_of("6.5.13") == SchedulerRules::interleaved);
  BOOST_TEST(rules_of("6.6") == SchedulerRules::eevdf);
  BOOST_TEST(rules_of("6.8.0-31-generic") == SchedulerRules::eevdf);
  BOOST_TEST(rules_of("6.12.48+deb13-amd64") == SchedulerRules::delayed);
  BOOST_TEST(rules_of("6.17.9") == SchedulerRules::delayed);
  BOOST_TEST(rules_of("6.18") == SchedulerRules::task_throttle);
  BOOST_TEST(rules_of("7.0-rc1") == SchedulerRules::task_throttle);
  BOOST_TEST(rules_of("sim-1") == kNewestRules);
  for (const char* right : {"6.1", "sim-1", "6.12.48+deb13-amd64"}) BOOST_TEST(is_release(right));
  for (const char* wrong : {"", "6", "six.one", "6.", "6.1 or so", "6.1\n"}) BOOST_TEST(!is_release(wrong));
}

BOOST_AUTO_TEST_CASE(weights_share_one_cpu_by_all_rules) {
  for (const SchedulerRules rules : kAll) {
    PlayPlan plan = plan_of(rules, 1, {{0, 512}, {0, 1024}, {0, 2048}, {0, 4096}});
    play_queues(plan, kLength);
    for (std::uint32_t group = 1; group <= 4; ++group)
      BOOST_TEST(around(rate_of(plan, group), (1U << (group - 1)) / 15.0, 3), rules << ", group " << group);
  }
}

BOOST_AUTO_TEST_CASE(a_group_alone_stands_still_when_its_pool_is_empty) {
  for (const SchedulerRules rules : kAll) {
    PlayPlan plan = plan_of(rules, 1, {{0, 1024, 20 * kMs, 100 * kMs}});
    play_queues(plan, kLength);
    BOOST_TEST(around(rate_of(plan, 1), 0.2, 1), rules);
    BOOST_TEST(around(plan.groups[1].stands, 0.8, 1), rules);
    BOOST_TEST(plan.groups[1].throttled_periods == kOneCpu, rules);
  }
}

BOOST_AUTO_TEST_CASE(a_whole_queue_stands_still_at_once) {
  // 1.2 ms of 10 beside many: where threads leave by themselves what was run beyond the pool is paid back
  // before their turn comes again. A queue that leaves at once stands still in every period that counts.
  for (const SchedulerRules rules : kAll) {
    PlayPlan plan =
        plan_of(rules, 1, {{0, 322, 1200'000, 10 * kMs}, {0, 2258}, {0, 1170}, {0, 1066}, {0, 331}});
    play_queues(plan, kLength);
    BOOST_TEST(plan.groups[1].throttled_periods > kOneCpu / 4, rules);
    if (rules == SchedulerRules::task_throttle) {
      BOOST_TEST(plan.groups[1].stands < kOneCpu / 50);
    } else {
      BOOST_TEST(plan.groups[1].stands > kOneCpu / 10, rules);
    }
  }
}

BOOST_AUTO_TEST_CASE(members_of_a_whole_queue_keep_what_they_owe_each_other) {
  // 40 ms of 100 around x and y, 1 : 3, beside a busy group. Threads that left come back owing nothing; a
  // queue that left comes back as it was, so that they share as their weights say.
  for (const SchedulerRules rules : kAll) {
    PlayPlan plan = plan_of(
        rules, 1, {{0, 1024, 40 * kMs, 100 * kMs}, {0, 1024}, {1, 1024}, {1, 3072}});
    play_queues(plan, kLength);
    const bool keeps = rules != SchedulerRules::task_throttle;
    BOOST_TEST(around(rate_of(plan, 3), keeps ? 0.1 : 0.12, 2), rules);
    BOOST_TEST(around(rate_of(plan, 4), keeps ? 0.3 : 0.28, 2), rules);
  }
}

BOOST_AUTO_TEST_CASE(periods_begin_together_before_they_were_interleaved) {
  // 10 ms of 100 each, nobody else: who begins together is in each other's way, so that neither has its pool
  // used up after 10 ms. At random offsets one mostly runs alone, and stands still for nearly all the rest.
  const auto stands_by = [](SchedulerRules rules) {
    PlayPlan plan = plan_of(rules, 1, {{0, 1024, 10 * kMs, 100 * kMs}, {0, 1024, 10 * kMs, 100 * kMs}});
    play_queues(plan, kLength);
    BOOST_TEST(around(rate_of(plan, 1), 0.1, 2), rules);
    return plan.groups[1].stands + plan.groups[2].stands;
  };
  BOOST_TEST(stands_by(SchedulerRules::cfs) <= kOneCpu * 165 / 100);
  for (const SchedulerRules rules : kAll)
    if (rules != SchedulerRules::cfs) BOOST_TEST(stands_by(rules) > kOneCpu * 170 / 100, rules);
}

BOOST_AUTO_TEST_CASE(larger_nodes_know_that_periods_begin_together) {
  // Too many threads for a play: constant rates between the ends of pools. Two pools of 20 ms that begin
  // together beside a busy group last 60 ms both.
  CpuTree tree(1, SchedulerRules::cfs);
  CpuGroupId made[3];
  for (CpuGroupId& group : made) group = tree.add_group(kRootCpuGroup);
  for (const CpuGroupId group : {made[0], made[1]}) {
    tree.set_quota(group, CpuQuota{milliseconds(20), milliseconds(100)});
    tree.add_task(group, {1, {kOneCpu}, {}});
  }
  tree.add_task(made[2], {40, {kOneCpu}, {}});
  tree.advance(Instant(seconds(10)));
  for (const CpuGroupId group : {made[0], made[1]})
    BOOST_TEST(around(static_cast<std::uint64_t>(tree.sample(group).throttled.count()) / 10, 0.4, 2));
}

BOOST_AUTO_TEST_CASE(a_sleeper_has_half_a_period_of_credit_at_most) {
  play::RunQueue queue;
  queue.least = 100;
  play::Entity member;
  const auto placed = [&](play::Time had) {
    member.vruntime = had;
    queue.place_after_sleep(member, 30);
    return member.vruntime;
  };
  BOOST_TEST(placed(0) == 70);      // slept long
  BOOST_TEST(placed(90) == 90);     // slept shortly
  BOOST_TEST(placed(120) == 120);   // had more than its share
}

BOOST_AUTO_TEST_CASE(least_time_divides_by_weight_exactly) {
  // Weights 1 and 2, turns of one tick: 300 ticks are 100 and 200, and nobody is ahead by more than a tick.
  play::RunQueue queue;
  play::Entity one, two;
  one.on = two.on = &queue;
  two.weight = 2 * play::kNice0;
  queue.insert(one, 0);
  queue.insert(two, 0);
  int had[2] = {0, 0};
  for (int tick = 0; tick < 300; ++tick) {
    play::Entity* next = queue.pick_least(0);
    next->vruntime += play::virtual_time(play::kTick, next->weight);
    queue.put_back(*next);
    queue.follow();
    ++had[next == &two ? 1 : 0];
    BOOST_REQUIRE(one.vruntime - queue.least <= play::kTick);
    BOOST_REQUIRE(two.vruntime - queue.least <= play::kTick);
  }
  BOOST_TEST(had[0] == 100);
  BOOST_TEST(had[1] == 200);
}

BOOST_AUTO_TEST_CASE(who_woke_goes_before_one_who_is_not_far_behind) {
  play::RunQueue queue;
  play::Entity first, woken;
  for (play::Entity* member : {&first, &woken}) {
    member->on = &queue;
    queue.insert(*member, 0);
  }
  woken.vruntime = 5;
  BOOST_TEST(queue.pick_least(10) == &first);
  queue.next = &woken;
  BOOST_TEST(queue.pick_least(10) == &woken);
  BOOST_TEST(queue.pick_least(4) == &first);
  queue.erase(woken, 0);
  BOOST_TEST(queue.next == nullptr);
}

BOOST_AUTO_TEST_CASE(a_slice_guards_who_was_picked_for_it_and_no_longer) {
  play::RunQueue queue;
  play::Entity runs, woken;
  for (play::Entity* member : {&runs, &woken}) {
    member->on = &queue;
    queue.insert(*member, 0);
  }
  queue.running = &runs;
  runs.deadline = runs.guarded = 20;
  woken.deadline = 10;
  BOOST_TEST(queue.pick() == &runs);
  // It was alone when that slice ended, and got another one without being picked.
  runs.vruntime = woken.vruntime = 20;
  runs.deadline = 40;
  woken.deadline = 30;
  BOOST_TEST(queue.pick() == &woken);
  runs.guarded = 40;
  BOOST_TEST(queue.pick() == &runs);
}

BOOST_AUTO_TEST_CASE(by_cfs_weights_change_without_moving_anybody) {
  play::RunQueue queue;
  play::Entity member;
  member.on = &queue;
  member.vruntime = 1000;
  queue.insert(member, 0);
  queue.reweigh(member, 2 * play::kNice0, false);
  BOOST_TEST(member.vruntime == 1000);
  BOOST_TEST(queue.weight == 2 * play::kNice0 / play::kUnit);
}

BOOST_AUTO_TEST_CASE(a_tree_plays_by_the_rules_of_its_kernel) {
  const auto rate_by = [](SchedulerRules rules) {
    CpuTree tree(1, rules);
    const CpuGroupId limited = tree.add_group(kRootCpuGroup), x = tree.add_group(limited),
                     y = tree.add_group(limited), busy = tree.add_group(kRootCpuGroup);
    tree.set_quota(limited, CpuQuota{milliseconds(40), milliseconds(100)});
    tree.set_weight(y, 3072);
    for (const CpuGroupId group : {x, y, busy}) tree.add_task(group, {1, {kOneCpu}, {}});
    tree.advance(Instant(seconds(1)));
    CpuTree other = tree;  // keeps its rules
    other.forget();
    const std::uint64_t rate = tree.rate_of(x).value;
    BOOST_TEST(other.rate_of(x).value == rate);
    BOOST_TEST(tree.check().has_value());
    return rate;
  };
  BOOST_TEST(around(rate_by(SchedulerRules::cfs), 0.1, 2));
  BOOST_TEST(around(rate_by(SchedulerRules::task_throttle), 0.12, 2));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::sim
