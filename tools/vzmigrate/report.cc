#include "tools/vzmigrate/report.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace twinhull::tools::move {
namespace {

using migrate::MoveStage;

/// ASCII's unit separator: messages are text.
constexpr std::string_view kMark = "\x1f";
constexpr std::string_view kStage = "stage";
constexpr std::string_view kMoved = "moved";

}  // namespace

std::string report_line(const Report& report) {
  if (report.stage) {
    return fmt::format("{}{} {} {}\n", kMark, kStage, static_cast<unsigned>(*report.stage),
                       report.expected.value);
  }
  return fmt::format("{}{} {} {} {} {} {} {}\n", kMark, kMoved, report.online ? 1 : 0,
                     report.down.count(), report.total.count(), report.sent.value, report.rounds,
                     report.followed.value);
}

std::optional<Report> parse_report(std::string_view line) {
  if (!line.starts_with(kMark)) return std::nullopt;
  line.remove_prefix(kMark.size());
  const bool stage = line.starts_with(kStage);
  if (!stage && !line.starts_with(kMoved)) return std::nullopt;
  line.remove_prefix(stage ? kStage.size() : kMoved.size());
  std::array<std::uint64_t, 6> numbers{};
  const std::size_t count = stage ? 2 : numbers.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (!line.starts_with(' ')) return std::nullopt;
    line.remove_prefix(1);
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), numbers[i]);
    if (error != std::errc{}) return std::nullopt;
    line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  }
  if (!line.empty() && line != "\n") return std::nullopt;
  Report report;
  if (stage) {
    if (numbers[0] > static_cast<std::uint64_t>(MoveStage::pages)) return std::nullopt;
    report.stage = static_cast<MoveStage>(numbers[0]);
    report.expected = {numbers[1]};
    return report;
  }
  report.online = numbers[0] != 0;
  report.down = Duration(static_cast<Duration::rep>(numbers[1]));
  report.total = Duration(static_cast<Duration::rep>(numbers[2]));
  report.sent = {numbers[3]};
  report.rounds = static_cast<std::uint32_t>(numbers[4]);
  report.followed = {numbers[5]};
  return report;
}

Report report_of(const migrate::Timing& timing, bool online) {
  return {.stage = std::nullopt,
          .expected = {},
          .online = online,
          .down = timing.down,
          .total = timing.total,
          .sent = timing.wire,
          .rounds = timing.round_count,
          .followed = to_bytes(timing.followed)};
}

}  // namespace twinhull::tools::move
