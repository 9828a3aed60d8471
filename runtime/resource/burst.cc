#include "runtime/resource/burst.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "runtime/config/setting_values.h"
#include "runtime/resource/resources.h"

namespace twinhull::resource {
namespace {

constexpr std::string_view kHeader = "twinhull-burst 1";
/// Readings nearer to each other than this part of the window say nothing new.
constexpr int kSlots = 64;
/// Below these tenths of the threshold the own limit returns.
constexpr std::uint64_t kReleaseTenths = 9;

template <typename Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<CpuReading> parse_reading(std::string_view word) {
  const std::size_t colon = word.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto at = number<std::int64_t>(word.substr(0, colon));
  const auto usage = number<std::int64_t>(word.substr(colon + 1));
  if (!at || !usage || *at < 0 || *usage < 0) return std::nullopt;
  return CpuReading{Instant(nanoseconds(*at)), nanoseconds(*usage)};
}

/// "101 PID GENERATION AT:USAGE …", all times in nanoseconds.
bool parse_record(const std::vector<std::string>& words, BurstState& state) {
  if (words.size() < 3) return false;
  const auto id = number<std::uint32_t>(words[0]);
  const auto pid = number<std::int32_t>(words[1]);
  const auto generation = number<std::uint64_t>(words[2]);
  if (!id || !pid || !generation) return false;
  BurstRecord record;
  record.init = {*pid, *generation};
  for (std::size_t i = 3; i < words.size(); ++i) {
    const auto reading = parse_reading(words[i]);
    if (!reading) return false;
    // Averages divide by the time between: it must go on.
    if (!record.readings.empty() &&
        (reading->at <= record.readings.back().at || reading->usage < record.readings.back().usage))
      return false;
    record.readings.push_back(*reading);
  }
  return state.records.emplace(CtId{*id}, std::move(record)).second;
}

}  // namespace

void take_reading(BurstRecord& record, ProcessRef init, CpuReading reading, Duration window) {
  std::vector<CpuReading>& kept = record.readings;
  const bool another = record.init != init;
  const bool back =
      !kept.empty() && (reading.at < kept.back().at || reading.usage < kept.back().usage);
  if (another || back) kept.clear();
  record.init = init;
  const bool crowded = kept.size() >= 2 && reading.at - kept[kept.size() - 2].at < window / kSlots;
  const bool same_time = !kept.empty() && kept.back().at == reading.at;
  if (crowded || same_time)
    kept.back() = reading;
  else
    kept.push_back(reading);
  // The newest that is a whole window old is where the average begins.
  const auto younger = std::find_if(kept.begin(), kept.end(), [&](const CpuReading& one) {
    return one.at > reading.at - window;
  });
  if (younger - kept.begin() > 1) kept.erase(kept.begin(), younger - 1);
}

std::optional<std::uint64_t> average_use(const BurstRecord& record, Duration window) {
  if (record.readings.size() < 2) return std::nullopt;
  const CpuReading& first = record.readings.front();
  const CpuReading& last = record.readings.back();
  const Duration length = last.at - first.at;
  if (length < window || length < seconds(1)) return std::nullopt;
  // usage / length x 100 % x 100, without leaving 64 bits in 200 years of 64 CPUs.
  return static_cast<std::uint64_t>((last.usage - first.usage) / (length / 10000));
}

Result<std::uint64_t> burst_reference(const CtSettings& settings, const HostInfo& host) {
  TH_ASSIGN(const std::optional<std::uint64_t> limit, cpu_limit_percent(settings, host));
  const std::uint64_t node = std::max<std::uint64_t>(1, host.online_cpus.cpus.size()) * 100;
  return std::max<std::uint64_t>(1, std::min(limit.value_or(node), node));
}

BurstDecision decide_burst(const CtSettings& settings,
                           std::optional<std::uint64_t> average_hundredths) {
  const bool imposed = settings.burst_imposed.has_value();
  if (!settings.burst_controlled()) return imposed ? BurstDecision::release : BurstDecision::keep;
  if (!average_hundredths) return BurstDecision::keep;
  const std::uint64_t threshold = settings.burst_average * 100;
  if (!imposed && *average_hundredths > threshold) return BurstDecision::impose;
  if (imposed && *average_hundredths * 10 < threshold * kReleaseTenths)
    return BurstDecision::release;
  return BurstDecision::keep;
}

std::string burst_state_text(const BurstState& state) {
  std::string text = fmt::format("{}\nboot {}\n", kHeader, state.boot);
  for (const auto& [id, record] : state.records) {
    text += fmt::format("{} {} {}", id.value, record.init.pid, record.init.generation);
    for (const CpuReading& reading : record.readings)
      text += fmt::format(" {}:{}", reading.at.time_since_epoch().count(), reading.usage.count());
    text += '\n';
  }
  return text;
}

std::optional<BurstState> parse_burst_state(std::string_view text) {
  BurstState state;
  // A text that was cut off ends without its last line end.
  if (!text.ends_with('\n')) return std::nullopt;
  for (std::size_t line = 0; !text.empty(); ++line) {
    const std::size_t end = text.find('\n');
    const std::string_view content = text.substr(0, end);
    text.remove_prefix(end + 1);
    const std::vector<std::string> words = split_words(content);
    if (line == 0) {
      if (content != kHeader) return std::nullopt;
    } else if (line == 1) {
      if (words.size() != 2 || words[0] != "boot") return std::nullopt;
      state.boot = words[1];
    } else if (!parse_record(words, state)) {
      return std::nullopt;
    }
  }
  if (state.boot.empty()) return std::nullopt;
  return state;
}

}  // namespace twinhull::resource
