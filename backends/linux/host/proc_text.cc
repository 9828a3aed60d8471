#include "backends/linux/host/proc_text.h"

#include <algorithm>
#include <charconv>
#include <sstream>

namespace twinhull::linux_backend {
namespace {

/// Reads "12.34" as 1234 and moves past it; more digits than two are cut off.
std::optional<std::uint64_t> take_hundredths(std::string_view& text) {
  std::uint64_t whole = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (error != std::errc{} || whole > 1'000'000'000) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  std::uint64_t value = whole * 100;
  if (text.empty() || text.front() != '.') return value;
  text.remove_prefix(1);
  for (std::uint64_t weight = 10; !text.empty() && text.front() >= '0' && text.front() <= '9';
       weight /= 10) {
    value += static_cast<std::uint64_t>(text.front() - '0') * weight;
    text.remove_prefix(1);
  }
  return value;
}

}  // namespace

std::uint64_t parse_cpu_mhz(std::string_view cpuinfo) {
  const auto at = cpuinfo.find("cpu MHz");
  if (at == std::string_view::npos) return 0;
  cpuinfo.remove_prefix(at);
  const auto colon = cpuinfo.find(": ");
  if (colon == std::string_view::npos) return 0;
  cpuinfo.remove_prefix(colon + 2);
  return (take_hundredths(cpuinfo).value_or(0) + 50) / 100;
}

std::vector<std::string> parse_cpu_features(std::string_view cpuinfo) {
  std::vector<std::string> features;
  std::istringstream lines{std::string(cpuinfo)};
  for (std::string line; features.empty() && std::getline(lines, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos || !(line.starts_with("flags") || line.starts_with("Features")))
      continue;
    std::istringstream words(line.substr(colon + 1));
    for (std::string word; words >> word;) features.push_back(word);
  }
  std::ranges::sort(features);
  const auto twice = std::ranges::unique(features);
  features.erase(twice.begin(), twice.end());
  return features;
}

std::optional<Bytes> parse_meminfo(std::string_view meminfo, std::string_view field) {
  std::istringstream lines{std::string(meminfo)};
  const std::string name = std::string(field) + ":";
  for (std::string word; lines >> word;) {
    std::uint64_t kib = 0;
    if (word == name && lines >> kib && lines >> word && word == "kB") return Bytes{kib * 1024};
    if (word == name) return std::nullopt;
  }
  return std::nullopt;
}

std::optional<Duration> parse_cpu_time(std::string_view stat, std::uint64_t ticks_per_second) {
  std::istringstream words{std::string(stat)};
  std::string name;
  if (!(words >> name) || name != "cpu" || ticks_per_second == 0) return std::nullopt;
  // user, nice, system, idle, iowait, irq, softirq, steal (proc(5)); guests are in user.
  constexpr int kIdle = 3, kWaiting = 4, kSteal = 7;
  std::uint64_t ticks = 0;
  for (int field = 0; field <= kSteal; ++field) {
    std::uint64_t value = 0;
    if (!(words >> value)) return std::nullopt;
    if (field != kIdle && field != kWaiting) ticks += value;
  }
  const std::uint64_t rest = ticks % ticks_per_second;
  return seconds(ticks / ticks_per_second) +
         nanoseconds(rest * std::uint64_t{1'000'000'000} / ticks_per_second);
}

std::optional<std::uint64_t> parse_threads(std::string_view loadavg) {
  const auto slash = loadavg.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view text = loadavg.substr(slash + 1);
  std::uint64_t threads = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), threads);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  return threads;
}

std::optional<LoadAverage> parse_load(std::string_view loadavg) {
  LoadAverage load;
  for (std::uint64_t& value : load.hundredths) {
    const auto number = take_hundredths(loadavg);
    if (!number || loadavg.empty() || loadavg.front() != ' ') return std::nullopt;
    value = *number;
    loadavg.remove_prefix(1);
  }
  return load;
}

}  // namespace twinhull::linux_backend
