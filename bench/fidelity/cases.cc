#include "bench/fidelity/cases.h"

#include <algorithm>
#include <random>

namespace twinhull::fidelity {
namespace {

CpuQuota quota_of(int quota_ms, int period_ms) {
  return {milliseconds(quota_ms), milliseconds(period_ms)};
}

GroupPlan busy(std::string path, std::uint64_t shares, unsigned threads = 1) {
  return {std::move(path), shares, {}, {}, {{threads, 100}}};
}

Case weights(std::string name, std::vector<std::uint32_t> cpus, std::vector<GroupPlan> groups) {
  return {std::move(name), Family::weights, std::move(cpus), std::move(groups), {}, {}, {}};
}

Case limits(std::string name, std::vector<std::uint32_t> cpus, std::vector<GroupPlan> groups) {
  return {std::move(name), Family::limits, std::move(cpus), std::move(groups), {}, {}, {}};
}

std::vector<GroupPlan> equal(unsigned count, unsigned threads) {
  std::vector<GroupPlan> groups;
  for (unsigned i = 0; i < count; ++i) groups.push_back(busy("g" + std::to_string(i), 1024, threads));
  return groups;
}

GroupPlan limited(std::string path, CpuQuota quota, unsigned threads = 1, unsigned percent = 100,
                  std::uint64_t shares = 1024) {
  return {std::move(path), shares, quota, {}, {{threads, percent}}};
}

GroupPlan pinned(GroupPlan group, std::vector<std::uint32_t> cpus) {
  group.cpus = std::move(cpus);
  return group;
}

GroupPlan around(std::string path, std::uint64_t shares, std::optional<CpuQuota> quota = {}) {
  return {std::move(path), shares, quota, {}, {}};
}

MemoryStep grow(std::string label, std::string bytes, Duration then) {
  return {std::move(label), {"memory", "--grow", std::move(bytes), "--hold", "100000"}, then};
}

}  // namespace

std::vector<Case> chosen_cpu_cases() {
  const std::vector<std::uint32_t> one{1}, two{0, 1};
  std::vector<Case> cases;
  cases.push_back(weights("1:4 on one CPU", one, {busy("a", 512), busy("b", 2048)}));
  cases.push_back(weights("1:1 on one CPU", one, {busy("a", 1024), busy("b", 1024)}));
  cases.push_back(weights("1:2:4:8 on one CPU", one,
                          {busy("a", 512), busy("b", 1024), busy("c", 2048), busy("d", 4096)}));
  cases.push_back(weights("threads do not add weight", one, {busy("a", 1024, 1), busy("b", 1024, 8)}));
  cases.push_back(weights("16 equal groups on one CPU", one, equal(16, 1)));
  cases.push_back(weights("nested levels", one,
                          {around("a", 1024), busy("a/x", 4096), busy("a/y", 1024), busy("b", 2048)}));
  cases.push_back(weights("groups beside threads of their parent", one,
                          {busy("a", 1024, 1), busy("a/x", 2048), busy("b", 1024)}));
  cases.push_back(weights("1:3 on two CPUs", two, {busy("a", 1024, 2), busy("b", 3072, 2)}));
  cases.push_back(weights("1:2:3 on two CPUs", two,
                          {busy("a", 1024, 2), busy("b", 2048, 2), busy("c", 3072, 4)}));
  cases.push_back(weights("one thread never exceeds one CPU", two,
                          {busy("a", 4096, 1), busy("b", 1024, 4)}));
  cases.push_back(weights("8 equal groups on two CPUs", two, equal(8, 2)));

  const auto p100 = 100;
  cases.push_back(limits("20 ms of 100 ms", one, {limited("a", quota_of(20, p100))}));
  cases.push_back(limits("50 ms of 100 ms, two threads, two CPUs", two,
                         {limited("a", quota_of(50, p100), 2)}));
  cases.push_back(limits("four threads of one group, one CPU", one,
                         {limited("a", quota_of(30, p100), 4)}));
  cases.push_back(limits("100 ms of 500 ms", one, {limited("a", quota_of(100, 500))}));
  cases.push_back(limits("5 ms of 20 ms", one, {limited("a", quota_of(5, 20))}));
  cases.push_back(limits("4 ms of 10 ms, two threads, two CPUs", two, {limited("a", quota_of(4, 10), 2)}));
  cases.push_back(limits("a limit above the demand", one, {limited("a", quota_of(60, p100), 1, 30)}));
  cases.push_back(limits("a sleeper above its limit", one, {limited("a", quota_of(20, p100), 1, 40)}));
  cases.push_back(limits("a sleeper and a busy group", one,
                         {{"a", 1024, {}, {}, {{1, 30}}}, busy("b", 1024)}));
  cases.push_back(limits("a limited and a busy group", one,
                         {limited("a", quota_of(20, p100)), busy("b", 1024)}));
  cases.push_back(limits("a limit above the share", one,
                         {limited("a", quota_of(60, p100)), busy("b", 1024)}));
  cases.push_back(limits("two limits and a busy group", one,
                         {limited("a", quota_of(20, p100)), limited("b", quota_of(35, p100)),
                          busy("c", 1024)}));
  cases.push_back(limits("four limits that leave CPU over", one,
                         {limited("a", quota_of(10, p100)), limited("b", quota_of(20, p100)),
                          limited("c", quota_of(20, p100)), limited("d", quota_of(30, p100))}));
  cases.push_back(limits("limits with different periods", one,
                         {limited("a", quota_of(15, 50)), limited("b", quota_of(60, 200)),
                          busy("c", 1024)}));
  cases.push_back(limits("a limit around two groups", one,
                         {around("a", 1024, quota_of(40, p100)), busy("a/x", 1024), busy("a/y", 3072),
                          busy("b", 1024)}));
  cases.push_back(limits("a limit inside a limit", two,
                         {around("a", 1024, quota_of(60, p100)), limited("a/x", quota_of(20, p100)),
                          busy("a/y", 1024), busy("b", 1024, 2)}));
  cases.push_back(limits("two groups on one CPU, one on the other", two,
                         {pinned(busy("a", 3072, 2), {0}), pinned(busy("b", 1024, 2), {0}),
                          pinned(busy("c", 1024, 1), {1})}));
  cases.push_back(limits("overlapping CPU sets", two,
                         {pinned(busy("a", 1024, 2), {0}), busy("b", 1024, 2),
                          pinned(busy("c", 1024, 2), {1})}));
  cases.push_back(limits("a pinned group beside a free one", two,
                         {pinned(busy("a", 1024, 1), {0}), busy("b", 1024, 2)}));
  cases.push_back(limits("a pinned limited group beside a free one", two,
                         {pinned(limited("a", quota_of(30, p100), 2), {0}), busy("b", 1024, 2)}));
  cases.push_back(limits("more than one CPU of limit", two,
                         {limited("a", quota_of(150, p100), 2)}));
  cases.push_back(limits("as many CPUs of limit as there are", two,
                         {limited("a", quota_of(200, p100), 2)}));
  return cases;
}

std::vector<Case> chosen_memory_cases() {
  using namespace literals;
  const auto memory = [](std::string name, Bytes limit, std::vector<MemoryStep> steps, bool search) {
    return Case{std::move(name), Family::memory, {}, {}, {limit, std::move(steps), search}, {}, {}};
  };
  const auto soon = milliseconds(400);
  std::vector<Case> cases;
  for (const unsigned mebibytes : {48U, 64U, 128U, 256U, 512U})
    cases.push_back(memory("growth to " + std::to_string(mebibytes) + " MiB",
                           Bytes{std::uint64_t{mebibytes} << 20}, {}, true));
  cases.push_back(memory("growth beside 30 MiB of another process", 128_MiB,
                         {grow("held", "30M", soon)}, true));
  cases.push_back(memory("growth where page cache was", 128_MiB,
                         {{"file", {"write", "/cache", "--bytes", "60M", "--sync"}, seconds(1)}},
                         true));
  cases.push_back(memory("the largest of three dies", 128_MiB,
                         {grow("large", "70M", soon), grow("small", "20M", soon),
                          grow("last", "60M", soon)}, false));
  cases.push_back(memory("the growing one is the largest", 128_MiB,
                         {grow("a", "30M", soon), grow("b", "20M", soon), grow("last", "200M", soon)},
                         false));
  cases.push_back(memory("two die one after the other", 128_MiB,
                         {grow("a", "60M", soon), grow("b", "40M", soon), grow("c", "110M", soon)},
                         false));
  cases.push_back(memory("cache goes before anybody dies", 128_MiB,
                         {{"file", {"write", "/cache", "--bytes", "80M", "--sync"}, seconds(1)},
                          grow("a", "50M", soon), grow("b", "60M", soon)}, false));
  cases.push_back(memory("five processes, the second largest grows last", 192_MiB,
                         {grow("a", "20M", soon), grow("b", "80M", soon), grow("c", "10M", soon),
                          grow("d", "30M", soon), grow("e", "65M", soon)}, false));
  return cases;
}

Case generated_cpu_case(std::uint64_t seed, unsigned number) {
  std::mt19937_64 random(seed * 1'000'003 + number);
  const auto pick = [&](std::uint64_t from, std::uint64_t to) {
    return from + random() % (to - from + 1);
  };
  const auto shares = [&] {  // even in the exponent: 256…4096
    return (std::uint64_t{256} << pick(0, 3)) + random() % 257;
  };
  const bool plain = number % 3 == 0;
  const bool both = pick(0, 1) == 1;
  Case made;
  made.name = "generated " + std::to_string(seed) + "/" + std::to_string(number);
  made.family = plain ? Family::weights : Family::limits;
  made.cpus = both ? std::vector<std::uint32_t>{0, 1} : std::vector<std::uint32_t>{1};
  const std::uint64_t count = plain ? pick(2, both ? 6 : 16) : pick(2, 6);
  for (std::uint64_t i = 0; i < count; ++i) {
    GroupPlan group;
    group.path = "g" + std::to_string(i);
    group.shares = shares();
    const bool nested = pick(0, 4) == 0;
    LoadPlan load;
    load.threads = static_cast<unsigned>(both ? pick(2, 4) : pick(1, 3));
    if (!plain) {
      if (pick(0, 1) == 0) {
        const std::uint64_t period = std::vector<std::uint64_t>{10, 50, 100, 100, 250, 500}[pick(0, 5)];
        const std::uint64_t part = pick(8, 60);  // percent of one CPU
        group.quota = CpuQuota{microseconds(std::max<std::uint64_t>(1000, period * 10 * part)),
                               milliseconds(static_cast<std::int64_t>(period))};
      }
      if (pick(0, 3) == 0) load = {1, static_cast<unsigned>(pick(10, 60))};
      if (both && pick(0, 3) == 0) group.cpus = {static_cast<std::uint32_t>(pick(0, 1))};
    }
    if (!nested) group.loads = {load};
    made.groups.push_back(group);
    for (std::uint64_t k = 0; nested && k < 2; ++k) {
      GroupPlan inner = busy(group.path + "/" + std::string(1, static_cast<char>('x' + k)), shares(),
                             load.threads);
      inner.loads[0].percent = load.percent;
      made.groups.push_back(std::move(inner));
    }
  }
  return made;
}

}  // namespace twinhull::fidelity
