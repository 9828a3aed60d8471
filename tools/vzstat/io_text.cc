#include "tools/vzstat/io_text.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace twinhull::tools::stat {
namespace {

std::string per_cent(std::uint64_t hundredths) {
  return fmt::format("{}.{:02}", hundredths / 100, hundredths % 100);
}

std::string or_dash(std::uint64_t limit) {
  return limit == 0 ? std::string("-") : std::to_string(limit);
}

}  // namespace

std::string io_table(const std::vector<IoFigures>& figures) {
  std::string text =
      fmt::format("{:>10} {:>12} {:>12} {:>8} {:>10} {:>11} {:>10} {:>6} {:>7}\n", "CTID", "READ/s",
                  "WRITE/s", "OPS/s", "THROTTLED%", "IOLIMIT", "IOPSLIMIT", "IOPRIO", "SHARE%");
  for (const IoFigures& one : figures) {
    text += fmt::format("{:>10} {:>12} {:>12} {:>8} {:>10} {:>11} {:>10} {:>6} {:>7}\n",
                        one.id.text(), one.read, one.written, one.operations,
                        one.throttled ? per_cent(*one.throttled) : "-", or_dash(one.iolimit),
                        or_dash(one.iopslimit), one.ioprio, per_cent(one.share));
  }
  return text + find_bottleneck(figures).text + "\n";
}

std::string io_json(const std::vector<IoFigures>& figures, Duration length) {
  using Json = nlohmann::ordered_json;
  const auto part = [](std::uint64_t hundredths) { return static_cast<double>(hundredths) / 100; };
  const auto limit = [](std::uint64_t value) { return value == 0 ? Json() : Json(value); };
  Json containers = Json::array();
  for (const IoFigures& one : figures) {
    containers.push_back({{"ctid", one.id.value},
                          {"name", one.name.empty() ? Json() : Json(one.name)},
                          {"read", one.read},
                          {"written", one.written},
                          {"operations", one.operations},
                          {"throttled", one.throttled ? Json(part(*one.throttled)) : Json()},
                          {"iolimit", limit(one.iolimit)},
                          {"iopslimit", limit(one.iopslimit)},
                          {"ioprio", one.ioprio},
                          {"share", part(one.share)}});
  }
  const Bottleneck bottleneck = find_bottleneck(figures);
  const Json whole = {{"seconds", static_cast<double>(length / milliseconds(1)) / 1000},
                      {"containers", std::move(containers)},
                      {"bottleneck", bottleneck.id ? Json(bottleneck.id->value) : Json()},
                      {"advice", bottleneck.text}};
  return whole.dump() + "\n";
}

}  // namespace twinhull::tools::stat
