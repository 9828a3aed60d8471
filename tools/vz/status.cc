#include "tools/vz/status.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace twinhull::tools::vz_service {
namespace {

using service::Prospect;

std::string word_of(const std::optional<bool>& value) {
  if (!value) return "-";
  return *value ? "yes" : "no";
}

}  // namespace

std::string status_text(const ServiceStatus& status) {
  std::string text = fmt::format("vz is {}{}\n", status.started ? "started" : "stopped",
                                 status.enabled ? "" : " (VIRTUOZZO is not \"yes\")");
  if (status.containers.empty()) return text;
  text += fmt::format("{:>10} {:<10} {:<6} {:>10} {:<10} {:<9} {:<9} {}\n", "CTID", "STATUS",
                      "ONBOOT", "BOOTORDER", "COMES_BACK", "AT_START", "AT_STOP", "NAME");
  for (const Prospect& one : status.containers) {
    text += fmt::format("{:>10} {:<10} {:<6} {:>10} {:<10} {:<9} {:<9} {}\n", one.id.text(),
                        one.status, word_of(one.onboot),
                        one.bootorder ? std::to_string(*one.bootorder) : "-",
                        one.comes_back ? "yes" : "no",
                        one.trouble ? "trouble" : service::to_string(one.at_start),
                        service::to_string(one.at_stop), one.name.empty() ? "-" : one.name);
  }
  for (const Prospect& one : status.containers)
    if (one.trouble) text += fmt::format("CT {}: {}\n", one.id.text(), one.trouble->message());
  return text;
}

std::string status_json(const ServiceStatus& status) {
  using Json = nlohmann::ordered_json;
  const auto action = [](std::string_view word) { return word == "-" ? Json() : Json(word); };
  Json containers = Json::array();
  for (const Prospect& one : status.containers) {
    containers.push_back(
        {{"ctid", one.id.value},
         {"name", one.name.empty() ? Json() : Json(one.name)},
         {"status", one.status},
         {"onboot", one.onboot ? Json(*one.onboot) : Json()},
         {"bootorder", one.bootorder ? Json(*one.bootorder) : Json()},
         {"autostop", one.autostop ? Json(*one.autostop) : Json()},
         {"disabled", one.disabled},
         {"comes_back", one.comes_back},
         {"at_start", action(service::to_string(one.at_start))},
         {"at_stop", action(service::to_string(one.at_stop))},
         {"trouble", one.trouble ? Json(one.trouble->message()) : Json()}});
  }
  const Json all = {
      {"started", status.started}, {"enabled", status.enabled}, {"containers", containers}};
  return all.dump(2) + "\n";
}

}  // namespace twinhull::tools::vz_service
