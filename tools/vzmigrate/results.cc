#include "tools/vzmigrate/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "runtime/migrate/exit_codes.h"

namespace twinhull::tools::move {

bool Outcome::failed() const {
  return exit_code != 0 && exit_code != migrate::to_int(migrate::MigrateExit::dry_run);
}

Outcome not_begun(const std::string& container) {
  return {.container = container,
          .there = {},
          .exit_code = migrate::to_int(migrate::MigrateExit::terminated),
          .moved = std::nullopt,
          .error = "was not begun"};
}

std::string batch_line(const Outcome& outcome) {
  if (!outcome.failed())
    return fmt::format("{} {}\n", outcome.container, outcome.exit_code == 0 ? "moved" : "passed");
  return fmt::format("{} failed {}\n", outcome.container, outcome.exit_code);
}

std::string results_json(const std::vector<Outcome>& outcomes, const std::string& destination) {
  auto list = nlohmann::json::array();
  for (const Outcome& outcome : outcomes) {
    nlohmann::json one;
    one["container"] = outcome.container;
    one["container_there"] = outcome.there.empty() ? outcome.container : outcome.there;
    one["destination"] = destination;
    one["exit_code"] = outcome.exit_code;
    one["moved"] = outcome.moved.has_value();
    one["error"] = outcome.error.empty() ? nlohmann::json() : nlohmann::json(outcome.error);
    if (outcome.moved) {
      one["online"] = outcome.moved->online;
      one["down_ms"] = outcome.moved->down / milliseconds(1);
      one["total_ms"] = outcome.moved->total / milliseconds(1);
      one["sent_bytes"] = outcome.moved->sent.value;
      one["rounds"] = outcome.moved->rounds;
      one["followed_bytes"] = outcome.moved->followed.value;
    }
    list.push_back(std::move(one));
  }
  return list.dump(2) + "\n";
}

std::vector<std::string> results_table(const std::vector<Outcome>& outcomes) {
  constexpr auto kLine = "{:<16} {:<10} {:>12} {:>12} {:>12} {:>14}";
  std::vector<std::string> lines{
      fmt::format(kLine, "CONTAINER", "RESULT", "DOWN", "IN TOTAL", "SENT", "A SECOND")};
  for (const Outcome& outcome : outcomes) {
    if (!outcome.moved) {
      lines.push_back(fmt::format(kLine, outcome.container,
                                  fmt::format("exit {}", outcome.exit_code), "-", "-", "-", "-"));
      continue;
    }
    const Report& moved = *outcome.moved;
    const auto length = static_cast<std::uint64_t>(
        std::max<Duration>(moved.total, milliseconds(1)) / milliseconds(1));
    lines.push_back(fmt::format(kLine, outcome.container, moved.online ? "online" : "moved",
                                moved.down > Duration{0} ? seconds_text(moved.down) : "-",
                                seconds_text(moved.total), bytes_text(moved.sent),
                                bytes_text({moved.sent.value / length * 1000 +
                                            moved.sent.value % length * 1000 / length})));
  }
  return lines;
}

std::string failures_text(const std::vector<Outcome>& outcomes) {
  std::string names;
  std::size_t count = 0;
  for (const Outcome& outcome : outcomes) {
    if (!outcome.failed()) continue;
    names += fmt::format("{}{} (exit {})", count++ == 0 ? "" : ", ", outcome.container,
                         outcome.exit_code);
  }
  if (count == 0) return {};
  return fmt::format("{} of {} containers failed: {}", count, outcomes.size(), names);
}

std::string bytes_text(Bytes bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::uint64_t tenths = std::min(bytes.value, ~std::uint64_t{0} / 10) * 10;
  std::size_t unit = 0;
  for (; tenths >= 10240 && unit + 1 < kUnits.size(); ++unit) tenths /= 1024;
  if (unit == 0) return fmt::format("{} B", bytes.value);
  return fmt::format("{}.{} {}", tenths / 10, tenths % 10, kUnits[unit]);
}

std::string seconds_text(Duration length) {
  return fmt::format("{}.{:03} s", length / seconds(1), length % seconds(1) / milliseconds(1));
}

}  // namespace twinhull::tools::move
