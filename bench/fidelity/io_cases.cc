// Disk and slow-down cases: chosen ones and a generator.
#include <random>

#include "bench/fidelity/cases.h"

namespace twinhull::fidelity {
namespace {

constexpr std::uint64_t kMega = 1 << 20;

IoLimit bytes(std::uint64_t mebibytes) { return {{mebibytes * kMega}, kUnlimited}; }
IoLimit operations(std::uint64_t each_second) { return {{kUnlimited}, each_second}; }

IoLoadPlan reader(std::string group, std::string block) { return {std::move(group), true, std::move(block)}; }
IoLoadPlan writer(std::string group, std::string block) { return {std::move(group), false, std::move(block)}; }

Case limited(std::string name, IoPlan io) {
  return {std::move(name), Family::io_limits, {}, {}, {}, std::move(io), {}};
}

/// Groups with these weights and as much demand as keeps the disk busy.
Case shared(std::string name, const std::vector<std::uint64_t>& weights) {
  IoPlan io;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const std::string group(1, static_cast<char>('a' + i));
    io.groups.push_back({group, {}, IoWeight{weights[i]}});
    for (int k = 0; k < 4; ++k) io.loads.push_back(reader(group, "64K"));
  }
  return {std::move(name), Family::io_shares, {}, {}, {}, std::move(io), {}};
}

}  // namespace

std::vector<Case> chosen_io_cases() {
  std::vector<Case> cases;
  cases.push_back(limited("8 MiB/s, direct writes", {{{"a", bytes(8), {}}}, {writer("a", "256K")}}));
  cases.push_back(limited("8 MiB/s, reads", {{{"a", bytes(8), {}}}, {reader("a", "256K")}}));
  cases.push_back(limited("2 MiB/s in blocks of 4 KiB", {{{"a", bytes(2), {}}}, {writer("a", "4K")}}));
  cases.push_back(limited("32 MiB/s, reads", {{{"a", bytes(32), {}}}, {reader("a", "64K")}}));
  cases.push_back(limited("8 MiB/s each direction",
                          {{{"a", bytes(8), {}}}, {reader("a", "64K"), writer("a", "64K")}}));
  cases.push_back(limited("three writers below one limit",
                          {{{"a", bytes(12), {}}},
                           {writer("a", "64K"), writer("a", "64K"), writer("a", "64K")}}));
  cases.push_back(limited("4 and 12 MiB/s side by side",
                          {{{"a", bytes(4), {}}, {"b", bytes(12), {}}},
                           {writer("a", "64K"), writer("b", "64K")}}));
  cases.push_back(limited("100 writes a second", {{{"a", operations(100), {}}}, {writer("a", "4K")}}));
  cases.push_back(limited("400 reads a second", {{{"a", operations(400), {}}}, {reader("a", "4K")}}));
  // The kernel counts whole operations in slices of 100 ms: what is over is lost. Below 10 it
  // strays to both sides (6 a second come to 4, 9 to 15), which is not modelled.
  for (const unsigned few : {15U, 26U})
    cases.push_back(limited(std::to_string(few) + " writes a second",
                            {{{"a", operations(few), {}}}, {writer("a", "4K")}}));
  cases.push_back(limited("50 and 200 operations a second side by side",
                          {{{"a", operations(50), {}}, {"b", operations(200), {}}},
                           {reader("a", "4K"), writer("b", "4K")}}));
  cases.push_back(limited("100 operations a second before 64 MiB/s",
                          {{{"a", IoLimit{{64 * kMega}, 100}, {}}}, {writer("a", "16K")}}));
  cases.push_back(limited("8 MiB/s before 100,000 operations a second",
                          {{{"a", IoLimit{{8 * kMega}, 100'000}, {}}}, {writer("a", "16K")}}));
  cases.push_back(shared("disk weights 100:100", {100, 100}));
  cases.push_back(shared("disk weights 100:200", {100, 200}));
  cases.push_back(shared("disk weights 100:400", {100, 400}));
  cases.push_back(shared("disk weights 100:200:400", {100, 200, 400}));
  return cases;
}

Case generated_io_case(std::uint64_t seed, unsigned number) {
  std::mt19937_64 random(seed * 1'000'003 + number);
  const auto pick = [&](std::uint64_t from, std::uint64_t to) {
    return from + random() % (to - from + 1);
  };
  IoPlan io;
  const std::uint64_t count = pick(2, 4);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string group = "g" + std::to_string(i);
    IoLimit limit;
    const std::uint64_t kind = pick(0, 2);
    if (kind != 0) limit.bandwidth.value = pick(1, 16) * kMega;
    if (kind != 1) limit.operations = pick(40, 600);
    io.groups.push_back({group, limit, {}});
    const std::string block = std::vector<std::string>{"4K", "16K", "64K", "256K"}[pick(0, 3)];
    const bool reads = pick(0, 1) == 1;
    for (std::uint64_t k = pick(1, 2); k > 0; --k) io.loads.push_back({group, reads, block});
  }
  return limited("generated disk " + std::to_string(seed) + "/" + std::to_string(number), std::move(io));
}

std::vector<Case> chosen_slow_down_cases() {
  using namespace literals;
  const auto slow = [](Bytes high, Bytes bytes) {
    return Case{"growth to " + std::to_string(bytes.value / kMega) + " MiB above a soft bound of " +
                    std::to_string(high.value / kMega) + " MiB",
                Family::slow_down, {}, {}, {}, {}, {high, bytes}};
  };
  return {slow(64_MiB, 68_MiB), slow(64_MiB, 70_MiB), slow(64_MiB, 74_MiB), slow(32_MiB, 36_MiB),
          slow(128_MiB, 134_MiB), slow(256_MiB, 270_MiB)};
}

}  // namespace twinhull::fidelity
