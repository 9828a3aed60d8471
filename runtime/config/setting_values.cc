#include "runtime/config/setting_values.h"

#include <fmt/format.h>

#include <algorithm>

namespace twinhull {

void SettingReader::refuse(std::string_view key, std::string_view value, std::string_view why,
                           int exit_code) {
  if (error_) return;
  const std::size_t line = file_.line_of(key);
  const std::string where = line != 0 ? fmt::format("{}:{}", path_, line) : "vz.conf";
  error_ =
      fail(ErrorCode::corrupt, "config.value", fmt::format("{}: {}=\"{}\"", where, key, value), why)
          .with_exit_code(exit_code)
          .with_hint("mend the value with an editor");
}

void SettingReader::refuse(std::string_view key, std::string_view value, const Error& error) {
  refuse(key, value, error.detail);
}

std::optional<std::string> SettingReader::text(std::string_view key) const {
  auto value = file_.get(key);
  if (!value && fallback_ != nullptr) value = fallback_->get(key);
  return value;
}

void SettingReader::directory(std::string_view key, std::string& target, int exit_code) {
  const auto value = text(key);
  if (!value) return;
  const auto has_dotdot = [&] {
    return *value == "/.." || value->ends_with("/..") || value->find("/../") != std::string::npos;
  };
  if (value->empty()) return refuse(key, *value, "an absolute path is needed", exit_code);
  if (value->front() != '/') return refuse(key, *value, "the path must start with /", exit_code);
  if (has_dotdot()) return refuse(key, *value, "the path must not hold ..", exit_code);
  target = *value;
  while (target.size() > 1 && target.back() == '/') target.pop_back();
}

void SettingReader::yes_no(std::string_view key, bool& target) {
  std::optional<bool> value;
  yes_no(key, value);
  if (value) target = *value;
}

void SettingReader::yes_no(std::string_view key, std::optional<bool>& target) {
  const auto value = text(key);
  if (!value || value->empty()) return;
  const auto parsed = parse_yes_no(*value);
  if (!parsed) return refuse(key, *value, parsed.error());
  target = *parsed;
}

void SettingReader::number(std::string_view key, std::uint64_t& target, std::uint64_t least,
                           std::uint64_t most) {
  std::optional<std::uint64_t> value;
  number(key, value, least, most);
  if (value) target = *value;
}

void SettingReader::number(std::string_view key, std::optional<std::uint64_t>& target,
                           std::uint64_t least, std::uint64_t most) {
  const auto value = text(key);
  if (!value || value->empty()) return;
  const auto parsed = parse_number(*value, least, most);
  if (!parsed) return refuse(key, *value, parsed.error());
  target = *parsed;
}

void SettingReader::pair(std::string_view key, std::optional<BarrierLimit>& target,
                         QuantityUnit unit) {
  const auto value = text(key);
  if (!value || value->empty()) return;
  const auto parsed = parse_barrier_limit(*value, unit);
  if (!parsed) return refuse(key, *value, parsed.error());
  target = *parsed;
}

void SettingReader::words(std::string_view key, std::vector<std::string>& target) {
  if (const auto value = text(key)) target = split_words(*value);
}

std::vector<std::string> split_words(std::string_view text, bool commas) {
  const std::string_view separators = commas ? " \t,\r\n" : " \t\r\n";
  std::vector<std::string> words;
  while (true) {
    const std::size_t start = text.find_first_not_of(separators);
    if (start == std::string_view::npos) return words;
    text.remove_prefix(start);
    const std::size_t end = std::min(text.find_first_of(separators), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

std::string join_words(const std::vector<std::string>& words, std::string_view between) {
  return fmt::format("{}", fmt::join(words, between));
}

std::string without_leading_dot(std::string_view name) {
  return std::string(name.starts_with('.') ? name.substr(1) : name);
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

Result<std::optional<CpuMaskSetting>> parse_cpu_mask(std::string_view text) {
  const std::string word = lower_case(text);
  if (word == "all") return std::optional<CpuMaskSetting>{};
  CpuMaskSetting mask;
  if (word == "auto") {
    mask.automatic = true;
    return std::optional(mask);
  }
  const auto cpus = CpuSet::parse(word);
  if (!cpus || cpus->cpus.empty()) {
    return fail(ErrorCode::invalid_argument, "config.cpumask", fmt::format("\"{}\"", text),
                "not a list of CPUs; accepted: \"all\", \"auto\" or numbers and ranges as 0,2,4-6")
        .with_exit_code(146);
  }
  mask.cpus = *cpus;
  return std::optional(mask);
}

std::string cpu_mask_text(const std::optional<CpuMaskSetting>& mask) {
  if (!mask) return "all";
  return mask->automatic ? "auto" : mask->cpus.text();
}

Result<std::optional<CpuLimitSetting>> parse_cpu_limit(std::string_view text) {
  CpuLimitSetting limit;
  std::string_view number = text;
  if (number.ends_with('m') || number.ends_with('M')) {
    limit.unit = CpuLimitSetting::Unit::megahertz;
    number.remove_suffix(1);
  } else if (number.ends_with('%')) {
    number.remove_suffix(1);
  }
  // 8192 CPUs of 100 % each, or of 10 GHz each: nothing real is refused.
  const std::uint64_t most =
      limit.unit == CpuLimitSetting::Unit::percent ? kMostCpuPercent : 81920000;
  const auto value = parse_number(number, 0, most);
  if (!value) {
    return fail(ErrorCode::invalid_argument, "config.cpulimit", fmt::format("\"{}\"", text),
                "not a CPU limit; accepted: per cent of one CPU as 0 to 819200, or MHz as "
                "0m to 81920000m; 0 = no limit")
        .with_exit_code(21);
  }
  if (*value == 0) return std::optional<CpuLimitSetting>{};
  limit.value = *value;
  return std::optional(limit);
}

const std::vector<std::string_view>& capability_names() {
  static const std::vector<std::string_view> names = {"chown",
                                                      "dac_override",
                                                      "dac_read_search",
                                                      "fowner",
                                                      "fsetid",
                                                      "kill",
                                                      "setgid",
                                                      "setuid",
                                                      "setpcap",
                                                      "linux_immutable",
                                                      "net_bind_service",
                                                      "net_broadcast",
                                                      "net_admin",
                                                      "net_raw",
                                                      "ipc_lock",
                                                      "ipc_owner",
                                                      "sys_module",
                                                      "sys_rawio",
                                                      "sys_chroot",
                                                      "sys_ptrace",
                                                      "sys_pacct",
                                                      "sys_admin",
                                                      "sys_boot",
                                                      "sys_nice",
                                                      "sys_resource",
                                                      "sys_time",
                                                      "sys_tty_config",
                                                      "mknod",
                                                      "lease",
                                                      "ve_admin",
                                                      "setfcap",
                                                      "audit_write"};
  return names;
}

Result<std::vector<Switch>> parse_switches(std::string_view text,
                                           const std::vector<std::string_view>& known) {
  std::vector<Switch> result;
  for (const std::string& word : split_words(text, true)) {
    const auto refuse = [&](std::string why) {
      return fail(ErrorCode::invalid_argument, "config.switch", fmt::format("\"{}\"", word), why)
          .with_exit_code(21);
    };
    const std::size_t colon = word.find(':');
    if (colon == std::string::npos) return refuse("accepted: NAME:on or NAME:off");
    Switch entry;
    entry.name = lower_case(std::string_view(word).substr(0, colon));
    if (entry.name.starts_with("cap_")) entry.name.erase(0, 4);
    const std::string state = lower_case(std::string_view(word).substr(colon + 1));
    if (state != "on" && state != "off") return refuse("accepted after the colon: on, off");
    entry.on = state == "on";
    if (!known.empty() && std::find(known.begin(), known.end(), entry.name) == known.end()) {
      return refuse(fmt::format("unknown name; known: {}", fmt::join(known, ", ")));
    }
    // The last word about a name counts.
    std::erase_if(result, [&](const Switch& earlier) { return earlier.name == entry.name; });
    result.push_back(std::move(entry));
  }
  return result;
}

std::string switches_text(const std::vector<Switch>& switches) {
  std::string text;
  for (const Switch& entry : switches) {
    if (!text.empty()) text += ' ';
    text += entry.name;
    text += entry.on ? ":on" : ":off";
  }
  return text;
}

Result<IpPrefix> parse_address(std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorCode::invalid_argument, "config.address", fmt::format("\"{}\"", text), why)
        .with_exit_code(71);
  };
  constexpr std::string_view kAccepted =
      "not an IP address; accepted: A.B.C.D or an IPv6 address, with /LENGTH or /MASK if wished";
  auto prefix = IpPrefix::parse(text);
  const std::size_t slash = text.find('/');
  if (!prefix && slash != std::string_view::npos) {
    const auto address = IpAddress::parse(text.substr(0, slash));
    const auto mask = IpAddress::parse(text.substr(slash + 1));
    if (!address || !mask || address->family != IpAddress::Family::v4 ||
        mask->family != IpAddress::Family::v4) {
      return refuse(kAccepted);
    }
    std::uint32_t bits = 0;
    for (int i = 0; i < 4; ++i) bits = (bits << 8) | mask->bytes[i];
    std::uint8_t length = 0;
    while (length < 32 && (bits & (std::uint32_t{1} << (31 - length))) != 0) ++length;
    const std::uint32_t expected = length == 0 ? 0 : ~std::uint32_t{0} << (32 - length);
    if (bits != expected) return refuse("the mask has a hole");
    prefix = IpPrefix{*address, length};
  }
  if (!prefix) return refuse(kAccepted);
  const bool none = std::all_of(std::begin(prefix->address.bytes), std::end(prefix->address.bytes),
                                [](std::uint8_t byte) { return byte == 0; });
  const bool multicast = prefix->address.family == IpAddress::Family::v4
                             ? prefix->address.bytes[0] >= 224
                             : prefix->address.bytes[0] == 0xFF;
  if (none || multicast) return refuse("no address that a container can have");
  return *prefix;
}

std::string address_text(const IpPrefix& address) {
  return address.length == address.address.bit_length() ? address.address.text() : address.text();
}

bool valid_hostname(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  if (text.ends_with('.')) text.remove_suffix(1);
  while (true) {
    const std::size_t dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') {
      return false;
    }
    for (const char c : label) {
      if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '_')) {
        return false;
      }
    }
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

}  // namespace twinhull
