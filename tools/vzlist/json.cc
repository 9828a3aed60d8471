#include <limits>
#include <nlohmann/json.hpp>

#include "tools/vzlist/output.h"

namespace twinhull::tools::list {
namespace {

using Json = nlohmann::ordered_json;

/// Unlimited is LONG_MAX, as in the configuration.
Json number(std::uint64_t value) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  return std::min(value, kMost);
}

Json optional_number(const std::optional<std::uint64_t>& value) {
  return value ? number(*value) : Json(nullptr);
}

struct ToJson {
  Json operator()(std::monostate) const { return nullptr; }
  Json operator()(bool flag) const { return flag; }
  Json operator()(std::uint64_t value) const { return number(value); }
  Json operator()(const std::string& text) const { return text; }
  Json operator()(const std::vector<std::string>& list) const { return list; }
  Json operator()(const UptimeValue& time) const {
    // Whole milliseconds: three decimals in the text.
    return static_cast<double>(time.length / milliseconds(1)) / 1000.0;
  }
  Json operator()(const CounterValue& counter) const {
    const auto live = [&](const std::optional<std::uint64_t>& value) {
      return counter.running ? optional_number(value) : Json(0);
    };
    Json object;
    object["held"] = live(counter.held);
    object["maxheld"] = live(counter.maxheld);
    object["barrier"] = optional_number(counter.barrier);
    object["limit"] = optional_number(counter.limit);
    object["failcnt"] = live(counter.failcnt);
    return object;
  }
  Json operator()(const DiskValue& disk) const {
    Json object;
    object["usage"] = optional_number(disk.usage);
    object["softlimit"] = optional_number(disk.soft);
    object["hardlimit"] = optional_number(disk.hard);
    return object;
  }
};

}  // namespace

std::string json(std::span<const Row> rows, std::span<const Selected> selected) {
  Json array = Json::array();
  for (const Row& row : rows) {
    Json object = Json::object();
    for (const Selected& field : selected) {
      object[std::string(field.column->name)] =
          std::visit(ToJson{}, field.column->value(*field.column, row));
    }
    array.push_back(std::move(object));
  }
  // A configuration may hold bytes that are no UTF-8: they are replaced, not thrown about.
  return array.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace twinhull::tools::list
