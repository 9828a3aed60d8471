#include "backends/sim/memory/memory_tree.h"

#include <boost/test/unit_test.hpp>
#include <random>

namespace twinhull::sim {
namespace {

using namespace twinhull::literals;
constexpr Bytes kNone{0};

BOOST_AUTO_TEST_SUITE(memory_model)

BOOST_AUTO_TEST_CASE(cache_goes_before_processes) {
  MemoryTree tree(1_GiB, kNone);
  const auto group = tree.add_group(kRootMemoryGroup);
  BOOST_TEST(tree.set_limit(group, {64_MiB, kNone}).has_value());
  tree.add_cache(group, 200_MiB);
  BOOST_TEST(tree.sample(group).cache.value == (64_MiB).value);
  const auto account = tree.add_account(group);
  BOOST_TEST(!tree.charge(account, 48_MiB).has_value());
  BOOST_TEST(tree.sample(group).cache.value == (16_MiB).value);
  BOOST_TEST(tree.sample(group).anonymous.value == (48_MiB).value);
  BOOST_TEST(tree.sample(group).oom_kills == 0U);
  BOOST_TEST(tree.check().has_value());
}

BOOST_AUTO_TEST_CASE(the_largest_dies_inside_the_group_only) {
  MemoryTree tree(1_GiB, kNone);
  const auto group = tree.add_group(kRootMemoryGroup), other = tree.add_group(kRootMemoryGroup);
  BOOST_TEST(tree.set_limit(group, {64_MiB, kNone}).has_value());
  const auto outside = tree.add_account(other);
  BOOST_TEST(!tree.charge(outside, 500_MiB).has_value());
  const auto small = tree.add_account(group), large = tree.add_account(group);
  BOOST_TEST(!tree.charge(small, 10_MiB).has_value());
  BOOST_TEST(!tree.charge(large, 50_MiB).has_value());
  const auto victim = tree.charge(small, 8_MiB);
  BOOST_REQUIRE(victim.has_value());
  BOOST_TEST(*victim == large);
  tree.note_oom_kill(large);
  tree.remove_account(large);
  BOOST_TEST(!tree.charge(small, 8_MiB).has_value());
  BOOST_TEST(tree.sample(group).oom_kills == 1U);
  BOOST_TEST(tree.sample(group).limit_hits == 1U);
  BOOST_TEST(tree.sample(group).peak.value == (60_MiB).value);
}

BOOST_AUTO_TEST_CASE(the_high_delay_is_the_kernels) {
  // The table in mm/memcontrol.c: the higher above the bound, the longer each batch of 64 pages.
  struct Row {
    std::uint64_t percent, milliseconds;
  };
  for (const Row row : {Row{100, 0}, Row{105, 159}, Row{110, 639}, Row{115, 1440}, Row{118, 2000},
                        Row{150, 2000}, Row{5000, 2000}}) {
    MemoryTree tree(64_GiB, kNone);
    const auto group = tree.add_group(kRootMemoryGroup);
    const auto account = tree.add_account(group);
    BOOST_TEST(tree.set_high(group, 100_MiB).value == (100_MiB).value);
    BOOST_TEST(!tree.charge(account, {row.percent << 20}).has_value());
    const std::uint64_t got =
        static_cast<std::uint64_t>(tree.high_delay(group, {64 * kPageSize}) / milliseconds(1));
    BOOST_TEST((got + 1 >= row.milliseconds && got <= row.milliseconds + 1),
               row.percent << " %: " << got << " ms");
    // Half a batch, half the time; what takes less than 10 ms is not slept.
    if (row.percent == 110) {
      BOOST_TEST((tree.high_delay(group, {32 * kPageSize}) / milliseconds(1)) / 2 == 159);
      BOOST_TEST(tree.high_delay(group, {kPageSize}).count() == 0);
    }
    BOOST_TEST(tree.check().has_value());
  }
}

BOOST_AUTO_TEST_CASE(a_soft_bound_reclaims_and_refuses_nothing) {
  MemoryTree tree(1_GiB, kNone);
  const auto outer = tree.add_group(kRootMemoryGroup), group = tree.add_group(outer);
  tree.set_high(outer, 64_MiB);
  tree.add_cache(group, 60_MiB);
  const auto account = tree.add_account(group);
  BOOST_TEST(tree.room_below_high(group) == (4_MiB).value);
  BOOST_TEST(!tree.charge(account, 40_MiB).has_value());
  BOOST_TEST(tree.sample(group).cache.value == (24_MiB).value);
  BOOST_TEST(!tree.charge(account, 100_MiB).has_value());
  BOOST_TEST(tree.sample(group).cache.value == 0U);
  BOOST_TEST(tree.room_below_high(group) == 0U);
  BOOST_TEST(*tree.sample(outer).high_hits == 2U);
  BOOST_TEST(*tree.sample(group).high_hits == 0U);
  BOOST_TEST(tree.effective_limit(group).value == (64_MiB).value);
  tree.set_high(outer, {kUnlimited});
  BOOST_TEST(tree.room_below_high(group) == kUnlimited);
  BOOST_TEST(tree.high_delay(group, 1_MiB).count() == 0);
}

BOOST_AUTO_TEST_CASE(oom_adjust_counts_in_thousandths_of_the_limit) {
  MemoryTree tree(1_GiB, kNone);
  const auto group = tree.add_group(kRootMemoryGroup);
  BOOST_TEST(tree.set_limit(group, {100_MiB, kNone}).has_value());
  const auto small = tree.add_account(group), large = tree.add_account(group);
  const auto third = tree.add_account(group);
  BOOST_TEST(!tree.charge(small, 20_MiB).has_value());
  BOOST_TEST(!tree.charge(large, 60_MiB).has_value());
  BOOST_TEST(*tree.charge(third, 40_MiB) == large);
  tree.set_oom_adjust(small, 350);  // 20 + 35 of the limit's 100
  BOOST_TEST(*tree.charge(third, 40_MiB) == large);
  tree.set_oom_adjust(small, 450);
  BOOST_TEST(*tree.charge(third, 40_MiB) == small);
  tree.set_oom_adjust(small, -1000);
  tree.set_oom_adjust(large, -1000);
  BOOST_TEST(*tree.charge(third, 40_MiB) == third);
}

BOOST_AUTO_TEST_CASE(swap_is_used_up_before_a_kill) {
  MemoryTree tree(1_GiB, 1_GiB);
  const auto group = tree.add_group(kRootMemoryGroup);
  BOOST_TEST(tree.set_limit(group, {64_MiB, 32_MiB}).has_value());
  const auto account = tree.add_account(group);
  BOOST_TEST(!tree.charge(account, 64_MiB).has_value());
  BOOST_TEST(!tree.charge(account, 32_MiB).has_value());
  BOOST_TEST(tree.sample(group).swap.value == (32_MiB).value);
  BOOST_TEST(tree.charge(account, 4096_B).has_value());
  tree.release(account, 96_MiB);
  BOOST_TEST(tree.sample(group).usage.value == 0U);
  BOOST_TEST(tree.sample(kRootMemoryGroup).swap.value == 0U);
}

BOOST_AUTO_TEST_CASE(lowering_reclaims_or_is_busy) {
  MemoryTree tree(1_GiB, kNone);
  const auto group = tree.add_group(kRootMemoryGroup);
  const auto account = tree.add_account(group);
  BOOST_TEST(!tree.charge(account, 40_MiB).has_value());
  tree.add_cache(group, 40_MiB);
  BOOST_TEST(tree.set_limit(group, {{(50_MiB).value + 5}, kNone}).value().memory.value ==
             (50_MiB).value);
  BOOST_TEST(tree.sample(group).cache.value == (10_MiB).value);
  const auto refused = tree.set_limit(group, {30_MiB, kNone});
  BOOST_REQUIRE(!refused.has_value());
  BOOST_TEST((refused.error().code == ErrorCode::busy));
  BOOST_TEST(tree.limit(group).memory.value == (50_MiB).value);
}

BOOST_AUTO_TEST_CASE(the_node_itself_runs_out) {
  MemoryTree tree(100_MiB, kNone);
  const auto a = tree.add_group(kRootMemoryGroup), b = tree.add_group(kRootMemoryGroup);
  const auto in_a = tree.add_account(a), in_b = tree.add_account(b);
  BOOST_TEST(!tree.charge(in_a, 70_MiB).has_value());
  const auto victim = tree.charge(in_b, 40_MiB);
  BOOST_REQUIRE(victim.has_value());
  BOOST_TEST(*victim == in_a);
}

BOOST_AUTO_TEST_CASE(what_is_guaranteed_goes_last) {
  MemoryTree tree(100_MiB, kNone);
  const auto kept = tree.add_group(kRootMemoryGroup), other = tree.add_group(kRootMemoryGroup);
  BOOST_TEST(tree.set_low(kept, {(40_MiB).value + 5}).value == (40_MiB).value);
  tree.add_cache(kept, 60_MiB);
  tree.add_cache(other, 30_MiB);
  const auto account = tree.add_account(other);
  // Of both what is not guaranteed, from the larger such part first.
  BOOST_TEST(!tree.charge(account, 30_MiB).has_value());
  BOOST_TEST(tree.sample(kept).cache.value == (60_MiB).value);
  BOOST_TEST(tree.sample(other).cache.value == (10_MiB).value);
  BOOST_TEST(!tree.charge(account, 30_MiB).has_value());
  BOOST_TEST(tree.sample(kept).cache.value == (40_MiB).value);
  BOOST_TEST(tree.sample(other).cache.value == 0U);
  BOOST_TEST(*tree.sample(kept).low_hits == 0U);
  // Then there is nothing else.
  BOOST_TEST(!tree.charge(account, 10_MiB).has_value());
  BOOST_TEST(tree.sample(kept).cache.value == (30_MiB).value);
  BOOST_TEST(*tree.sample(kept).low_hits == 1U);
  BOOST_TEST(*tree.sample(other).low_hits == 0U);
  BOOST_TEST(tree.check().has_value());
}

BOOST_AUTO_TEST_CASE(anonymous_memory_of_others_is_swapped_before_guaranteed_cache_goes) {
  MemoryTree tree(100_MiB, 100_MiB);
  const auto kept = tree.add_group(kRootMemoryGroup), other = tree.add_group(kRootMemoryGroup);
  tree.set_low(kept, 50_MiB);
  tree.add_cache(kept, 50_MiB);
  const auto account = tree.add_account(other);
  BOOST_TEST(!tree.charge(account, 50_MiB).has_value());
  BOOST_TEST(!tree.charge(account, 20_MiB).has_value());
  BOOST_TEST(tree.sample(kept).cache.value == (50_MiB).value);
  BOOST_TEST(tree.sample(other).swap.value == (20_MiB).value);
}

BOOST_AUTO_TEST_CASE(guarantees_are_handed_down_in_proportion) {
  MemoryTree tree(1_GiB, kNone);
  const auto outer = tree.add_group(kRootMemoryGroup);
  const auto a = tree.add_group(outer), b = tree.add_group(outer), c = tree.add_group(outer);
  tree.set_low(outer, 60_MiB);
  tree.set_low(a, 80_MiB);
  tree.set_low(b, 80_MiB);
  tree.add_cache(a, 60_MiB);
  tree.add_cache(b, 30_MiB);
  tree.add_cache(c, 10_MiB);
  // Claims of 60 and 30 share 60; who claims nothing has nothing.
  auto kept = tree.protection(kRootMemoryGroup);
  BOOST_TEST(kept[outer] == (60_MiB).value);
  BOOST_TEST(kept[a] == (40_MiB).value);
  BOOST_TEST(kept[b] == (20_MiB).value);
  BOOST_TEST(!kept.contains(c));
  // Where the outer group itself is short, its own guarantee means nothing.
  kept = tree.protection(outer);
  BOOST_TEST(!kept.contains(outer));
  BOOST_TEST(kept[a] == (60_MiB).value);
  // Without one around them, guarantees do not reach the node's reclaim.
  tree.set_low(outer, {0});
  BOOST_TEST(tree.protection(kRootMemoryGroup).empty());
  // All = what is used.
  tree.set_low(outer, {kUnlimited});
  BOOST_TEST(tree.protection(kRootMemoryGroup)[outer] == (100_MiB).value);
  BOOST_TEST(tree.low(outer).value == kUnlimited);
}

BOOST_AUTO_TEST_CASE(a_guarantee_is_none_against_the_groups_own_limit) {
  MemoryTree tree(1_GiB, kNone);
  const auto group = tree.add_group(kRootMemoryGroup);
  tree.set_low(group, {kUnlimited});
  tree.add_cache(group, 50_MiB);
  BOOST_TEST(tree.set_limit(group, {20_MiB, kNone}).has_value());
  BOOST_TEST(tree.sample(group).cache.value == (20_MiB).value);
  BOOST_TEST(*tree.sample(group).low_hits == 0U);
}

BOOST_AUTO_TEST_CASE(an_adjusted_container_is_taken_last_on_a_full_node) {
  MemoryTree tree(1000_MiB, kNone);
  const auto a = tree.add_group(kRootMemoryGroup), b = tree.add_group(kRootMemoryGroup);
  const auto large = tree.add_account(a), small = tree.add_account(b),
             charging = tree.add_account(b);
  tree.set_oom_adjust(large, -600);  // guaranteed 600 MiB
  BOOST_TEST(!tree.charge(large, 590_MiB).has_value());
  BOOST_TEST(!tree.charge(small, 300_MiB).has_value());
  BOOST_TEST(!tree.charge(charging, 50_MiB).has_value());
  BOOST_TEST(*tree.charge(charging, 100_MiB) == small);
  tree.set_oom_adjust(large, -200);  // 390 over its guarantee
  BOOST_TEST(*tree.charge(charging, 100_MiB) == large);
}

BOOST_AUTO_TEST_CASE(a_shared_file_is_charged_to_its_first_reader) {
  MemoryTree tree(1_GiB, kNone);
  const auto a = tree.add_group(kRootMemoryGroup), b = tree.add_group(kRootMemoryGroup);
  tree.read_shared(a, 7, 10_MiB);
  tree.read_shared(b, 7, 30_MiB);  // 20 of it are new
  tree.read_shared(a, 7, 30_MiB);
  tree.read_shared(b, 8, 5_MiB);
  BOOST_TEST(tree.shared(a).value == (10_MiB).value);
  BOOST_TEST(tree.shared(b).value == (25_MiB).value);
  BOOST_TEST(tree.shared().value == (35_MiB).value);
  BOOST_TEST(tree.sample(kRootMemoryGroup).cache.value == (35_MiB).value);
  // Who goes leaves its charges to the group around it.
  tree.remove_group(b);
  BOOST_TEST(tree.shared(kRootMemoryGroup).value == (25_MiB).value);
  BOOST_TEST(tree.sample(kRootMemoryGroup).cache.value == (35_MiB).value);
  tree.read_shared(a, 8, 5_MiB);
  BOOST_TEST(tree.shared(a).value == (10_MiB).value);
  BOOST_TEST(tree.check().has_value());
  tree.forget_shared(7);
  BOOST_TEST(tree.shared().value == (5_MiB).value);
  BOOST_TEST(tree.sample(a).cache.value == 0U);
  BOOST_TEST(tree.check().has_value());
}

BOOST_AUTO_TEST_CASE(reclaimed_pages_are_charged_to_who_reads_them_again) {
  MemoryTree tree(1_GiB, kNone);
  const auto a = tree.add_group(kRootMemoryGroup), b = tree.add_group(kRootMemoryGroup);
  tree.read_shared(a, 7, 40_MiB);
  tree.add_cache(a, 10_MiB);
  BOOST_TEST(tree.set_limit(a, {42_MiB, kNone}).has_value());
  BOOST_TEST(tree.shared(a).value == (40_MiB).value);  // its own cache went first
  BOOST_TEST(tree.set_limit(a, {24_MiB, kNone}).has_value());
  BOOST_TEST(tree.shared(a).value == (24_MiB).value);
  tree.read_shared(b, 7, 40_MiB);
  BOOST_TEST(tree.shared(b).value == (16_MiB).value);
  BOOST_TEST(tree.shared().value == (40_MiB).value);
  // A group that is too small for a file keeps what fits.
  tree.read_shared(a, 9, 100_MiB);
  BOOST_TEST(tree.sample(a).usage.value == (24_MiB).value);
  BOOST_TEST(tree.check().has_value());
}

BOOST_AUTO_TEST_CASE(the_second_container_costs_what_it_does_not_share) {
  // Models 6.4: memory of the node = sum of the private + union of the shared.
  MemoryTree tree(1_GiB, kNone);
  for (std::uint64_t n = 1; n <= 5; ++n) {
    const auto group = tree.add_group(kRootMemoryGroup);
    for (SharedFileId file = 1; file <= 10; ++file) tree.read_shared(group, file, 1_MiB);
    tree.add_cache(group, 2_MiB);
    BOOST_TEST(tree.sample(kRootMemoryGroup).usage.value == (10 + 2 * n) << 20U);
  }
}

BOOST_AUTO_TEST_CASE(random_charges_add_up) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 50; ++round) {
    MemoryTree tree(Bytes{(1 + random() % 1000) << 20}, Bytes{(random() % 100) << 20});
    std::vector<MemoryGroupId> groups{kRootMemoryGroup};
    std::vector<MemoryAccountId> accounts;
    for (int step = 0; step < 300; ++step) {
      const auto group = groups[random() % groups.size()];
      const Bytes amount{random() % (20 << 20)};
      if (random() % 16 == 0) tree.set_low(group, amount);
      const auto file = static_cast<SharedFileId>(1 + random() % 5);
      if (random() % 8 == 0) tree.read_shared(group, file, amount);
      if (random() % 64 == 0) tree.forget_shared(file);
      switch (random() % 6) {
        case 0: groups.push_back(tree.add_group(group)); break;
        case 1: accounts.push_back(tree.add_account(group)); break;
        case 2: tree.add_cache(group, amount); break;
        case 3:
          if (group != kRootMemoryGroup) {
            if (tree.set_limit(group, {{amount.value * 8}, amount})) {
              BOOST_REQUIRE(tree.sample(group).usage.value <= amount.value * 8);
            }
          }
          break;
        default: {
          if (accounts.empty()) break;
          const std::size_t index = random() % accounts.size();
          if (random() % 4 == 0) {
            tree.release(accounts[index], amount);
          } else if (const auto victim = tree.charge(accounts[index], amount)) {
            tree.remove_account(*victim);
            std::erase(accounts, *victim);
          }
        }
      }
      const Status good = tree.check();
      BOOST_REQUIRE_MESSAGE(good.has_value(), (good ? "" : good.error().message()));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::sim
