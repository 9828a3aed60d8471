#include "backends/sim/cpu/scheduler_rules.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace twinhull::sim {
namespace {

using Version = std::pair<unsigned, unsigned>;

std::optional<Version> version_of(std::string_view release) {
  Version version;
  const char* const end = release.data() + release.size();
  const auto major = std::from_chars(release.data(), end, version.first);
  if (major.ec != std::errc() || major.ptr == end || *major.ptr != '.') return std::nullopt;
  if (std::from_chars(major.ptr + 1, end, version.second).ec != std::errc()) return std::nullopt;
  return version;
}

}  // namespace

bool is_release(std::string_view text) {
  constexpr std::size_t kLongest = 64;
  constexpr std::string_view kSigns = ".-+_~";
  return text.size() <= kLongest && (text.starts_with("sim-") || version_of(text)) &&
         std::ranges::all_of(text, [&](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || kSigns.contains(c);
         });
}

SchedulerRules rules_of(std::string_view release) {
  const std::optional<Version> version = version_of(release);
  if (!version || *version >= Version(6, 18)) return SchedulerRules::task_throttle;
  if (*version >= Version(6, 12)) return SchedulerRules::delayed;
  if (*version >= Version(6, 6)) return SchedulerRules::eevdf;
  return *version >= Version(6, 4) ? SchedulerRules::interleaved : SchedulerRules::cfs;
}

}  // namespace twinhull::sim
