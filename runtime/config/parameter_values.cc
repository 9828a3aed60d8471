#include "runtime/config/parameter_values.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/config/beancounters.h"
#include "runtime/config/container_index.h"
#include "runtime/config/setting_values.h"

namespace twinhull::parameter_values {
namespace {

Error bad(const Parameter& self, std::string_view value, std::string_view why, int code = 21) {
  return fail(ErrorCode::invalid_argument, "parameter.value",
              fmt::format("--{} \"{}\"", self.option, value), why)
      .with_exit_code(code)
      .with_hint(fmt::format("accepted: {}", self.syntax));
}

/// Keeps the value parser's reason under the option's name.
Error bad(const Parameter& self, std::string_view value, const Error& error) {
  return bad(self, value, error.detail, error.exit_code == 0 ? 21 : error.exit_code);
}

Changes one(const Parameter& self, std::string value) {
  return std::vector{KeyChange{std::string(self.key), std::move(value)}};
}

Changes removed(const Parameter& self) {
  return std::vector{KeyChange{std::string(self.key), std::nullopt}};
}

Changes number(const Parameter& self, const std::string& value, std::uint64_t least,
               std::uint64_t most) {
  const auto parsed = parse_number(value, least, most);
  if (!parsed) return bad(self, value, parsed.error());
  return one(self, std::to_string(*parsed));
}

/// All words of all values, in order.
std::vector<std::string> all_words(Values values, bool commas) {
  std::vector<std::string> words;
  for (const std::string& value : values) {
    for (std::string& word : split_words(value, commas)) words.push_back(std::move(word));
  }
  return words;
}

std::string pair_text(const BarrierLimit& pair) {
  return pair.barrier == pair.limit ? quantity_text(pair.limit) : barrier_limit_text(pair);
}

Result<BarrierLimit> limits(const Parameter& self, const std::string& value, QuantityUnit unit,
                            std::uint64_t least) {
  const auto pair = parse_barrier_limit(value, unit);
  if (!pair) return bad(self, value, pair.error());
  if (pair->barrier > pair->limit) {
    return bad(self, value, "the first number (barrier, soft) is above the second (limit, hard)");
  }
  if (pair->limit < least) {
    return bad(self, value, fmt::format("too small: the least is {}", least));
  }
  return *pair;
}

std::string addresses_text(const std::vector<IpPrefix>& addresses) {
  std::string text;
  for (const IpPrefix& address : addresses) {
    if (!text.empty()) text += ' ';
    text += address_text(address);
  }
  return text;
}

}  // namespace

Changes cpuunits(const Parameter& self, Values values, const ParameterContext&) {
  return number(self, values[0], 8, 500000);
}

Changes cpulimit(const Parameter& self, Values values, const ParameterContext&) {
  const auto limit = parse_cpu_limit(values[0]);
  if (!limit) return bad(self, values[0], limit.error());
  // One of the two keys at a time: the other would go on to count.
  std::vector<KeyChange> changes;
  const bool mhz = *limit && (*limit)->unit == CpuLimitSetting::Unit::megahertz;
  const std::string text = std::to_string(*limit ? (*limit)->value : 0);
  if (mhz) {
    changes.push_back({"CPULIMIT", std::nullopt});
    changes.push_back({"CPULIMIT_MHZ", text});
  } else {
    changes.push_back({"CPULIMIT", text});
    changes.push_back({"CPULIMIT_MHZ", std::nullopt});
  }
  return changes;
}

Changes burst_average(const Parameter& self, Values values, const ParameterContext&) {
  return number(self, values[0], 0, kMostBurstAverage);
}

Changes burst_cpulimit(const Parameter& self, Values values, const ParameterContext&) {
  return number(self, values[0], 0, kMostCpuPercent);
}

Changes cpus(const Parameter& self, Values values, const ParameterContext& context) {
  const std::uint64_t most = context.host ? context.host->online_cpus.cpus.size() : 8192;
  const auto parsed = parse_number(values[0], 0, most);
  if (!parsed) {
    return bad(self, values[0],
               context.host ? fmt::format("this node has {} CPUs", most) : parsed.error().detail);
  }
  return *parsed == 0 ? removed(self) : one(self, std::to_string(*parsed));
}

Changes cpumask(const Parameter& self, Values values, const ParameterContext& context) {
  const auto mask = parse_cpu_mask(values[0]);
  if (!mask) return bad(self, values[0], mask.error());
  if (*mask && !(*mask)->automatic && context.host) {
    const auto& online = context.host->online_cpus.cpus;
    for (const std::uint32_t cpu : (*mask)->cpus.cpus) {
      if (!std::binary_search(online.begin(), online.end(), cpu)) {
        return bad(self, values[0],
                   fmt::format("CPU {} does not exist here; this node has {}", cpu,
                               context.host->online_cpus.text()),
                   146);
      }
    }
  }
  return one(self, cpu_mask_text(*mask));
}

Changes nodemask(const Parameter& self, Values values, const ParameterContext& context) {
  const auto mask = parse_cpu_mask(values[0]);
  if (!mask || (*mask && (*mask)->automatic)) {
    return bad(self, values[0], "not a list of memory nodes", 149);
  }
  if (*mask && context.host) {
    CpuSet here;
    for (const MemoryNode& node : context.host->memory_nodes) here.cpus.push_back(node.number);
    for (const std::uint32_t number : (*mask)->cpus.cpus) {
      if (std::binary_search(here.cpus.begin(), here.cpus.end(), number)) continue;
      return bad(self, values[0],
                 fmt::format("memory node {} does not exist here; this node has {}", number,
                             here.text()),
                 149);
    }
  }
  return one(self, cpu_mask_text(*mask));
}

Changes ram(const Parameter& self, Values values, const ParameterContext&) {
  // 1 MiB: less holds no init; it also catches a bare number that was meant as megabytes.
  TH_ASSIGN(const BarrierLimit pair, limits(self, values[0], QuantityUnit::pages, 256));
  return one(self, barrier_limit_text(pair));
}

Changes swap(const Parameter& self, Values values, const ParameterContext&) {
  TH_ASSIGN(const BarrierLimit pair, limits(self, values[0], QuantityUnit::pages, 0));
  return one(self, pair_text(pair));
}

Changes numproc(const Parameter& self, Values values, const ParameterContext&) {
  TH_ASSIGN(const BarrierLimit pair, limits(self, values[0], QuantityUnit::count, 1));
  return one(self, pair_text(pair));
}

Changes beancounter(const Parameter& self, Values values, const ParameterContext&) {
  const Beancounter* counter = find_beancounter(self.option);
  const QuantityUnit unit = counter == nullptr ? QuantityUnit::count : counter->unit;
  TH_ASSIGN(const BarrierLimit pair, limits(self, values[0], unit, 0));
  return one(self, pair_text(pair));
}

Changes vm_overcommit(const Parameter& self, Values values, const ParameterContext&) {
  const std::string& text = values[0];
  const std::size_t point = text.find('.');
  const auto whole = parse_number(text.substr(0, point), 0, 1000000);
  bool valid = whole.has_value();
  if (valid && point != std::string::npos) {
    const std::string decimals = text.substr(point + 1);
    valid = decimals.size() <= 3 && parse_number(decimals, 0, 999).has_value();
  }
  if (!valid) return bad(self, text, "not a factor");
  return one(self, text);
}

Changes diskspace(const Parameter& self, Values values, const ParameterContext&) {
  TH_ASSIGN(const BarrierLimit pair, limits(self, values[0], QuantityUnit::kibibytes, 1));
  return one(self, barrier_limit_text(pair));
}

Changes diskinodes(const Parameter& self, Values values, const ParameterContext&) {
  // Inodes are no num* key: K, M and G multiply them as they do bytes.
  TH_ASSIGN(const BarrierLimit pair, limits(self, values[0], QuantityUnit::bytes, 1));
  return one(self, barrier_limit_text(pair));
}

Changes ioprio(const Parameter& self, Values values, const ParameterContext&) {
  return number(self, values[0], 0, 7);
}

Changes iolimit(const Parameter& self, Values values, const ParameterContext&) {
  const auto wish = parse_quantity(values[0], QuantityUnit::bytes);
  if (!wish) return bad(self, values[0], wish.error());
  // Spec F4.28: saved in bytes, 0 = none, larger values are cut (parameter_notes says so).
  return one(self, std::to_string(*wish == kUnlimited ? 0 : std::min(*wish, kMostIoLimit)));
}

Changes iopslimit(const Parameter& self, Values values, const ParameterContext&) {
  constexpr std::uint64_t kMost = 4294967294;  // the kernel counts in 32 bits
  const auto wish = parse_quantity(values[0], QuantityUnit::count);
  if (!wish) return bad(self, values[0], wish.error());
  if (*wish == kUnlimited) return one(self, "0");
  if (*wish > kMost) return bad(self, values[0], fmt::format("more than {}", kMost));
  return one(self, std::to_string(*wish));
}

Changes ipadd(const Parameter& self, Values values, const ParameterContext& context) {
  std::vector<IpPrefix> addresses = context.current.addresses;
  const auto words = all_words(values, true);
  if (words.empty()) return bad(self, "", "no address is given", 71);
  for (const std::string& word : words) {
    auto address = parse_address(word);
    if (!address) return bad(self, word, address.error());
    if (address->address.family == IpAddress::Family::v6 && !context.node.ipv6) {
      return bad(self, word, "IPv6 is switched off on this node (IPV6=no in vz.conf)", 71);
    }
    if (!context.node.use_venet_mask) address = IpPrefix::host(address->address);
    const auto same = [&](const IpPrefix& other) { return other.address == address->address; };
    const auto there = std::find_if(addresses.begin(), addresses.end(), same);
    if (there == addresses.end())
      addresses.push_back(*address);
    else
      *there = *address;
  }
  return one(self, addresses_text(addresses));
}

Changes ipdel(const Parameter& self, Values values, const ParameterContext& context) {
  std::vector<IpPrefix> addresses = context.current.addresses;
  const auto words = all_words(values, true);
  if (words.empty()) return bad(self, "", "no address is given", 71);
  for (const std::string& word : words) {
    if (lower_case(word) == "all") {
      addresses.clear();
      continue;
    }
    const auto address = parse_address(word);
    if (!address) return bad(self, word, address.error());
    const auto same = [&](const IpPrefix& other) { return other.address == address->address; };
    if (std::erase_if(addresses, same) == 0) {
      return bad(self, word,
                 fmt::format("CT {} does not have this address", context.current.id.text()), 71);
    }
  }
  return one(self, addresses_text(addresses));
}

Changes hostname(const Parameter& self, Values values, const ParameterContext&) {
  if (!valid_hostname(values[0])) return bad(self, values[0], "not a host name", 70);
  return one(self, values[0]);
}

Changes nameserver(const Parameter& self, Values values, const ParameterContext&) {
  const auto words = all_words(values, true);
  for (const std::string& word : words) {
    if (word == "inherit" && words.size() == 1) break;
    if (!IpAddress::parse(word)) return bad(self, word, "not the address of a name server", 72);
  }
  return words.empty() ? removed(self) : one(self, join_words(words));
}

Changes searchdomain(const Parameter& self, Values values, const ParameterContext&) {
  const auto words = all_words(values, true);
  for (const std::string& word : words) {
    if (word == "inherit" && words.size() == 1) break;
    if (!valid_hostname(word)) return bad(self, word, "not a domain name", 73);
  }
  return words.empty() ? removed(self) : one(self, join_words(words));
}

Changes name(const Parameter& self, Values values, const ParameterContext&) {
  if (values[0].empty()) return removed(self);
  if (const auto valid = check_name(values[0]); !valid) {
    return bad(self, values[0], valid.error().detail, 137);
  }
  return one(self, values[0]);
}

Changes description(const Parameter& self, Values values, const ParameterContext&) {
  const std::string& text = values[0];
  if (text.size() > 4096) return bad(self, text.substr(0, 20) + "...", "longer than 4096 bytes");
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) return bad(self, "...", "it holds a control character");
  }
  return text.empty() ? removed(self) : one(self, text);
}

Changes onboot(const Parameter& self, Values values, const ParameterContext& context) {
  if (lower_case(values[0]) == "auto") return one(self, "auto");
  return yes_no(self, values, context);
}

Changes bootorder(const Parameter& self, Values values, const ParameterContext&) {
  return number(self, values[0], 0, 2147483647);
}

Changes autostop(const Parameter& self, Values values, const ParameterContext&) {
  const std::string mode = lower_case(values[0]);
  if (mode.empty()) return removed(self);
  if (mode != "stop" && mode != "suspend") return bad(self, values[0], "accepted: stop, suspend");
  return one(self, mode);
}

Changes yes_no(const Parameter& self, Values values, const ParameterContext&) {
  const auto value = parse_yes_no(values[0]);
  if (!value) return bad(self, values[0], value.error());
  return one(self, *value ? "yes" : "no");
}

Changes stop_timeout(const Parameter& self, Values values, const ParameterContext&) {
  return number(self, values[0], 1, 86400);
}

Changes template_name(const Parameter& self, Values values, const ParameterContext&) {
  const std::string_view text = values[0];
  const std::string_view body = text.starts_with('.') ? text.substr(1) : text;
  const bool valid = !body.empty() && body.size() <= 128 && body.front() != '.' &&
                     std::all_of(body.begin(), body.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
                              c == '+';
                     });
  if (!valid) return bad(self, text, "not a template's or distribution's name");
  return one(self, values[0]);
}

Changes capability(const Parameter& self, Values values, const ParameterContext& context) {
  std::vector<Switch> merged = context.current.capabilities;
  for (const std::string& value : values) {
    auto parsed = parse_switches(value, capability_names());
    if (!parsed) return bad(self, value, parsed.error());
    if (parsed->empty()) return bad(self, value, "no capability is named");
    for (Switch& entry : *parsed) {
      const auto same = [&](const Switch& other) { return other.name == entry.name; };
      const auto there = std::find_if(merged.begin(), merged.end(), same);
      if (there == merged.end())
        merged.push_back(std::move(entry));
      else
        there->on = entry.on;
    }
  }
  return one(self, switches_text(merged));
}

Changes userpasswd(const Parameter& self, Values values, const ParameterContext&) {
  // The password never stands in a message, a log or the configuration.
  for (const std::string& value : values) {
    const std::size_t colon = value.find(':');
    const std::string user = value.substr(0, colon);
    const bool valid_user = !user.empty() && user.size() <= 32 && user.front() != '-' &&
                            std::all_of(user.begin(), user.end(), [](char c) {
                              return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                     (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
                            });
    if (colon == std::string::npos || !valid_user || colon + 1 == value.size() ||
        value.find_first_of(std::string_view("\n\r\0", 3)) != std::string::npos) {
      return bad(self, "...", "not a user and a password");
    }
  }
  return std::vector<KeyChange>{};
}

}  // namespace twinhull::parameter_values
