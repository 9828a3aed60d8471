#include "tools/vzstat/io_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace twinhull::tools::stat {
namespace {

constexpr std::uint64_t kWhole = 10000;     ///< 100 % in 1/100 %
constexpr std::uint64_t kNearly = 95;       ///< % of a limit that count as being at it
constexpr std::uint64_t kStandsOut = 5000;  ///< half

std::uint64_t difference(std::uint64_t first, std::uint64_t last) {
  return last >= first ? last - first : last;
}

std::uint64_t a_second(std::uint64_t amount, Duration length) {
  const auto milliseconds_long =
      static_cast<std::uint64_t>(std::max<std::int64_t>(1, length / milliseconds(1)));
  constexpr std::uint64_t kMost = ~std::uint64_t{0} / 1000;
  return amount > kMost ? amount / milliseconds_long * 1000 : amount * 1000 / milliseconds_long;
}

bool nearly(std::uint64_t rate, std::uint64_t limit) {
  return limit != 0 && rate >= limit / 100 * kNearly + limit % 100 * kNearly / 100;
}

std::uint64_t part(std::uint64_t amount, std::uint64_t whole) {
  if (whole == 0) return 0;
  if (amount > ~std::uint64_t{0} / kWhole) return amount / (whole / kWhole + 1);
  return amount * kWhole / whole;
}

std::string label(const IoFigures& one) {
  return fmt::format("CT {}{}", one.id.text(), one.name.empty() ? "" : " (" + one.name + ")");
}

/// The limit that it is most likely at, as words and as the option that raises it.
std::pair<std::string, const char*> limit_of(const IoFigures& one) {
  const bool operations =
      one.iolimit == 0 || (one.iopslimit != 0 && nearly(one.operations, one.iopslimit));
  if (operations && one.iopslimit != 0)
    return {fmt::format("{} operations/s", one.iopslimit), "--iopslimit"};
  return {fmt::format("{} bytes/s", one.iolimit), "--iolimit"};
}

}  // namespace

std::vector<IoFigures> io_figures(const std::vector<IoSamples>& samples, Duration length) {
  std::vector<IoFigures> all;
  std::uint64_t total = 0;
  std::vector<std::uint64_t> moved;
  for (const IoSamples& one : samples) {
    const bool restarted = one.last.reads < one.first.reads || one.last.writes < one.first.writes ||
                           one.last.read < one.first.read || one.last.written < one.first.written;
    const IoSample before = restarted ? IoSample{} : one.first;
    IoFigures made;
    made.id = one.id;
    made.name = one.name;
    made.iolimit = one.iolimit == kUnlimited ? 0 : one.iolimit;
    made.iopslimit = one.iopslimit == kUnlimited ? 0 : one.iopslimit;
    made.ioprio = one.ioprio;
    const std::uint64_t read = difference(before.read.value, one.last.read.value);
    const std::uint64_t written = difference(before.written.value, one.last.written.value);
    const std::uint64_t reads = a_second(difference(before.reads, one.last.reads), length);
    const std::uint64_t writes = a_second(difference(before.writes, one.last.writes), length);
    made.read = a_second(read, length);
    made.written = a_second(written, length);
    made.operations = reads + writes;
    if (one.last.throttled) {
      const Duration waited = *one.last.throttled - before.throttled.value_or(Duration{0});
      const std::int64_t hundredths =
          waited / std::max(length / static_cast<std::int64_t>(kWhole), Duration{1});
      made.throttled = static_cast<std::uint64_t>(std::clamp<std::int64_t>(hundredths, 0, kWhole));
    }
    made.at_limit = made.throttled
                        ? *made.throttled >= kStandsOut
                        : nearly(made.read, made.iolimit) || nearly(made.written, made.iolimit) ||
                              nearly(reads, made.iopslimit) || nearly(writes, made.iopslimit);
    moved.push_back(read + written);
    total += read + written;
    all.push_back(std::move(made));
  }
  for (std::size_t i = 0; i < all.size(); ++i) all[i].share = part(moved[i], total);
  std::sort(all.begin(), all.end(), [](const IoFigures& a, const IoFigures& b) {
    const auto key = [](const IoFigures& one) {
      return std::tuple(one.at_limit, one.throttled.value_or(0), one.read + one.written,
                        one.operations);
    };
    if (key(a) != key(b)) return key(a) > key(b);
    return a.id < b.id;
  });
  return all;
}

Bottleneck find_bottleneck(const std::vector<IoFigures>& figures) {
  if (figures.empty()) return {{}, "No Container is running."};
  const IoFigures& first = figures.front();
  if (first.at_limit) {
    const auto [limit, option] = limit_of(first);
    const std::string how_long = first.throttled
                                     ? fmt::format("waits {} % of the time for its own limit of {}",
                                                   *first.throttled / 100, limit)
                                     : fmt::format("is at its own limit of {}", limit);
    return {first.id,
            fmt::format("Bottleneck: {} {}; the disk could do more for it: vzctl set {} {} "
                        "VALUE --save raises it.",
                        label(first), how_long, first.id.text(), option)};
  }
  const auto active = std::count_if(figures.begin(), figures.end(), [](const IoFigures& one) {
    return one.operations != 0 || one.share != 0;
  });
  const auto most =
      std::max_element(figures.begin(), figures.end(),
                       [](const IoFigures& a, const IoFigures& b) { return a.share < b.share; });
  if (active > 1 && most->share >= kStandsOut) {
    return {most->id, fmt::format("Bottleneck: {} moves {} % of what all Containers move; when the "
                                  "others wait: vzctl set {} --ioprio {} --save, or --iolimit.",
                                  label(*most), most->share / 100, most->id.text(),
                                  most->ioprio == 0 ? 0 : most->ioprio - 1)};
  }
  if (active == 0) return {{}, "No bottleneck: no Container uses the disk."};
  return {{}, "No bottleneck: no Container waits for its limits or crowds out the others."};
}

}  // namespace twinhull::tools::stat
