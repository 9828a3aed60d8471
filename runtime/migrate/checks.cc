#include "runtime/migrate/checks.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/config/container_index.h"
#include "runtime/config/setting_values.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/network/venet.h"

namespace twinhull::migrate {
namespace {

class Checker {
 public:
  Checker(container::Context& context, const Arrival& arrival)
      : context_(context), arrival_(arrival) {}

  Result<ArrivalChecks> run() {
    TH_TRY(check_identity());
    TH_TRY(check_other_containers());
    TH_TRY(check_addresses());
    TH_TRY(check_host());
    TH_TRY(check_template());
    TH_TRY(check_disk());
    return std::move(result_);
  }

 private:
  void problem(MigrateExit code, std::string text) {
    result_.problems.push_back({to_int(code), std::move(text)});
  }
  Files& files() { return context_.kernel().files(); }

  Status check_identity() {
    TH_ASSIGN(const auto config, files().stat(context_.layout().container_config(arrival_.id)));
    if (config) {
      problem(MigrateExit::exists,
              fmt::format("CT {} exists at the destination; name a free number with --new-id",
                          arrival_.id.text()));
    }
    const std::string area = substitute_veid(context_.node.private_pattern, arrival_.id);
    TH_ASSIGN(const auto there, files().stat(area));
    if (there && !config) {
      problem(
          MigrateExit::exists,
          fmt::format("{} exists at the destination; move it away, or choose another place with "
                      "--new-private",
                      area));
    }
    if (arrival_.name.empty()) return {};
    TH_ASSIGN(const std::optional<CtId> owner,
              find_name(context_.kernel(), context_.layout(), arrival_.name));
    if (owner) {
      problem(MigrateExit::name_used,
              fmt::format("the name \"{}\" belongs to CT {} there; choose another with --new-name",
                          arrival_.name, owner->text()));
    }
    return {};
  }

  /// A stopped container's address is in use too: it would collide at its next start.
  Status check_other_containers() {
    TH_ASSIGN(const auto ids, list_containers(context_.kernel(), context_.layout()));
    for (const CtId id : ids) {
      if (id == arrival_.id) continue;
      const auto other = load_ct_settings(context_.kernel(), context_.layout(), context_.node, id);
      if (!other) {
        // A broken neighbour is no reason to keep others away; its owner hears of it elsewhere.
        if (other.error().code == ErrorCode::corrupt || other.error().code == ErrorCode::not_found)
          continue;
        return other.error();
      }
      if (!arrival_.uuid.empty() && other->uuid == arrival_.uuid) {
        problem(MigrateExit::uuid_collision,
                fmt::format("CT {} there has the same UUID {}", id.text(), other->uuid));
      }
      for (const IpPrefix& wanted : arrival_.addresses) {
        for (const IpPrefix& used : other->addresses) {
          if (used.address != wanted.address) continue;
          problem(MigrateExit::address_in_use,
                  fmt::format("{} belongs to CT {} there", used.address.text(), id.text()));
        }
      }
    }
    return {};
  }

  Status check_addresses() {
    const Status free = network::check_free(context_.kernel(), arrival_.id, arrival_.addresses);
    if (free) return {};
    if (free.error().code != ErrorCode::exists) return free;
    problem(MigrateExit::address_in_use, free.error().message());
    return {};
  }

  Status check_host() {
    TH_ASSIGN(const HostInfo host, context_.kernel().host().info());
    if (host.architecture != arrival_.architecture) {
      problem(MigrateExit::technologies,
              fmt::format("the destination is {}, the container comes from {}", host.architecture,
                          arrival_.architecture));
    }
    for (const Feature feature : {Feature::containers, Feature::overlay}) {
      TH_ASSIGN(const Support support, context_.kernel().host().supports(feature));
      if (support.available) continue;
      problem(MigrateExit::technologies,
              fmt::format("the destination lacks {}: {}", to_string(feature), support.reason));
    }
    if (!arrival_.online) return {};
    TH_ASSIGN(const Support restores, context_.kernel().host().supports(Feature::checkpoint));
    result_.pace = restores.pace;
    if (!restores.available) {
      problem(MigrateExit::live_engine, "the destination cannot restore processes: " +
                                            restores.reason + "; move it without --online");
    }
    TH_ASSIGN(const Support lazy, context_.kernel().host().supports(Feature::lazy_pages));
    if (!lazy.available) result_.no_lazy_pages = lazy.reason;
    // Programs look once, at their start, what the CPU can, and go on using it.
    std::vector<std::string> missing;
    if (!host.cpu_features.empty())
      std::ranges::set_difference(arrival_.cpu_features, host.cpu_features,
                                  std::back_inserter(missing));
    if (!missing.empty()) {
      problem(
          MigrateExit::cpu_features,
          fmt::format("the destination's CPU lacks {} that programs may use by now: {}; skip this "
                      "check with -f=cpu_check if they do not",
                      missing.size() == 1 ? "a feature" : "features", join_words(missing)));
    }
    return {};
  }

  Status check_template() {
    TH_ASSIGN(result_.template_present, template_present(context_, arrival_.ostemplate));
    if (!result_.template_present && arrival_.template_size.value == 0) {
      problem(MigrateExit::missing_template,
              fmt::format("neither node has the template \"{}\"; install it on one of them",
                          arrival_.ostemplate));
    }
    return {};
  }

  Status check_disk() {
    const std::string area = substitute_veid(context_.node.private_pattern, arrival_.id);
    TH_ASSIGN(const DiskInfo disk, context_.kernel().host().disk(area));
    Bytes needed = arrival_.area;
    if (!result_.template_present) needed += arrival_.template_size;
    if (needed > disk.available) {
      problem(
          MigrateExit::no_disk_space,
          fmt::format(
              "not enough disk space: {} MiB needed, {} MiB available at {}; make room there, or "
              "skip this check with -f=disk_space",
              needed.value >> 20, disk.available.value >> 20, area));
    }
    return {};
  }

  container::Context& context_;
  const Arrival& arrival_;
  ArrivalChecks result_;
};

}  // namespace

std::map<std::string, std::string> pace_fields(const EnginePace& pace) {
  const auto us = [](Duration length) { return std::to_string(length / microseconds(1)); };
  std::map<std::string, std::string> fields = {{"look_us", us(pace.look)}};
  for (const auto& [name, run] : {std::pair("dump", pace.dump), std::pair("restore", pace.restore)}) {
    fields[fmt::format("{}_us", name)] = us(run.took);
    fields[fmt::format("{}_tasks", name)] = std::to_string(run.tasks);
    fields[fmt::format("{}_pages", name)] = std::to_string(run.pages.value);
  }
  return fields;
}

Result<EnginePace> parse_pace_fields(const Message& message) {
  constexpr std::uint64_t kDay = 86'400'000'000, kMostTasks = 1 << 22, kMostPages = 1ULL << 40;
  const auto time = [&](const std::string& name) -> Result<Duration> {
    TH_ASSIGN(const std::uint64_t value, message.number(name, kDay));
    return microseconds(static_cast<std::int64_t>(value));
  };
  EnginePace pace;
  TH_ASSIGN(pace.look, time("look_us"));
  for (const auto& [name, run] : {std::pair("dump", &pace.dump), std::pair("restore", &pace.restore)}) {
    const std::string prefix = name;
    TH_ASSIGN(run->took, time(prefix + "_us"));
    TH_ASSIGN(const std::uint64_t tasks, message.number(prefix + "_tasks", kMostTasks));
    run->tasks = static_cast<std::uint32_t>(tasks);
    TH_ASSIGN(run->pages.value, message.number(prefix + "_pages", kMostPages));
  }
  return pace;
}

bool plain_template_name(std::string_view name) {
  return !name.empty() && name.size() <= 128 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.' || c == '+';
         });
}

Message arrival_message(const Arrival& arrival) {
  std::vector<std::string> addresses;
  for (const IpPrefix& address : arrival.addresses) addresses.push_back(address.text());
  Message message;
  message.type = "check";
  message.fields = {{"ctid", arrival.id.text()},
                    {"name", arrival.name},
                    {"uuid", arrival.uuid},
                    {"architecture", arrival.architecture},
                    {"addresses", join_words(addresses)},
                    {"template", arrival.ostemplate},
                    {"bytes", std::to_string(arrival.area.value)},
                    {"template_bytes", std::to_string(arrival.template_size.value)},
                    {"online", arrival.online ? "yes" : "no"},
                    {"cpu_features", join_words(arrival.cpu_features)}};
  return message;
}

Result<Arrival> parse_arrival(const Message& message) {
  Arrival arrival;
  TH_ASSIGN(arrival.id, parse_ctid(message.text("ctid")));
  arrival.name = message.text("name");
  if (!arrival.name.empty()) TH_TRY(check_name(arrival.name));
  arrival.uuid = message.text("uuid");
  arrival.architecture = message.text("architecture");
  for (const std::string& word : split_words(message.text("addresses"))) {
    TH_ASSIGN(const IpPrefix address, parse_address(word));
    arrival.addresses.push_back(address);
  }
  arrival.ostemplate = message.text("template");
  if (!plain_template_name(arrival.ostemplate)) {
    return fail(ErrorCode::protocol, "migrate.check", arrival.ostemplate, "no name of a template")
        .with_exit_code(to_int(MigrateExit::protocol));
  }
  constexpr std::uint64_t kMost = std::uint64_t{1} << 60;
  TH_ASSIGN(arrival.area.value, message.number("bytes", kMost));
  TH_ASSIGN(arrival.template_size.value, message.number("template_bytes", kMost));
  arrival.online = message.says_yes("online");
  for (const std::string& word : split_words(message.text("cpu_features")))
    arrival.cpu_features.emplace_back(word);
  return arrival;
}

Result<bool> template_present(container::Context& context, const std::string& ostemplate) {
  const auto entries = context.kernel().files().list(context.node.template_cache(ostemplate));
  if (entries) return !entries->empty();
  if (entries.error().code == ErrorCode::not_found) return false;
  return entries.error();
}

Result<ArrivalChecks> check_arrival(container::Context& context, const Arrival& arrival) {
  return Checker(context, arrival).run();
}

}  // namespace twinhull::migrate
