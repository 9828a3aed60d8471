#include "runtime/config/ct_settings.h"

#include <fmt/format.h>

#include <array>

#include "runtime/config/atomic_write.h"
#include "runtime/config/beancounters.h"
#include "runtime/config/setting_values.h"
#include "runtime/kernel/files.h"

namespace twinhull {
namespace {

constexpr std::array<Beancounter, 22> kBeancounters{{
    {"kmemsize", "KMEMSIZE", QuantityUnit::bytes, {}},
    {"lockedpages", "LOCKEDPAGES", QuantityUnit::pages, {}},
    {"privvmpages", "PRIVVMPAGES", QuantityUnit::pages, {"TOTVMPAGES", ""}},
    {"shmpages", "SHMPAGES", QuantityUnit::pages, {"IPCSHMPAGES", "ANONSHPAGES"}},
    {"numproc", "NUMPROC", QuantityUnit::count, {}},
    {"physpages", "PHYSPAGES", QuantityUnit::pages, {}},
    {"vmguarpages", "VMGUARPAGES", QuantityUnit::pages, {}},
    {"oomguarpages", "OOMGUARPAGES", QuantityUnit::pages, {"OOMGUAR", ""}},
    {"numtcpsock", "NUMTCPSOCK", QuantityUnit::count, {"NUMSOCK", ""}},
    {"numflock", "NUMFLOCK", QuantityUnit::count, {}},
    {"numpty", "NUMPTY", QuantityUnit::count, {}},
    {"numsiginfo", "NUMSIGINFO", QuantityUnit::count, {}},
    {"tcpsndbuf", "TCPSNDBUF", QuantityUnit::bytes, {"TCPSENDBUF", ""}},
    {"tcprcvbuf", "TCPRCVBUF", QuantityUnit::bytes, {}},
    {"othersockbuf", "OTHERSOCKBUF", QuantityUnit::bytes, {"UNIXSOCKBUF", ""}},
    {"dgramrcvbuf", "DGRAMRCVBUF", QuantityUnit::bytes, {"SOCKRCVBUF", ""}},
    {"numothersock", "NUMOTHERSOCK", QuantityUnit::count, {"NUMUNIXSOCK", ""}},
    {"dcachesize", "DCACHESIZE", QuantityUnit::bytes, {}},
    {"numfile", "NUMFILE", QuantityUnit::count, {}},
    {"numiptent", "NUMIPTENT", QuantityUnit::count, {"IPTENTRIES", ""}},
    {"swappages", "SWAPPAGES", QuantityUnit::pages, {}},
    {"avnumproc", "AVNUMPROC", QuantityUnit::count, {}},
}};

void read_identity(SettingReader& read, CtSettings& settings) {
  const auto take = [&](std::string_view key, std::string& target) {
    if (auto value = read.text(key)) target = std::move(*value);
  };
  take("NAME", settings.name);
  take("DESCRIPTION", settings.description);
  take("UUID", settings.uuid);
  take("VE_TYPE", settings.type);
  take("OSTEMPLATE", settings.ostemplate);
  settings.ostemplate = without_leading_dot(settings.ostemplate);
  take("DISTRIBUTION", settings.distribution);
  take("ORIGIN_SAMPLE", settings.origin_sample);
  take("HOSTNAME", settings.hostname);
  read.yes_no("CONFIG_CUSTOMIZED", settings.config_customized);
  read.words("TEMPLATES", settings.templates);
  for (std::string& name : settings.templates) name = without_leading_dot(name);
}

void read_life(SettingReader& read, CtSettings& settings) {
  // "auto" of later products means: as it was before the reboot, which is what unset means.
  if (read.text("ONBOOT") != "auto") read.yes_no("ONBOOT", settings.onboot);
  read.number("BOOTORDER", settings.bootorder, 0, 2147483647);
  read.yes_no("DISABLED", settings.disabled);
  auto stop = read.text("AUTOSTOP");
  if (!stop) stop = read.text("AUTOSTOPSTOP");
  if (stop && !stop->empty()) {
    if (*stop != "stop" && *stop != "suspend") {
      read.refuse("AUTOSTOP", *stop, "accepted: stop, suspend");
    }
    settings.autostop = *stop;
  }
  std::uint64_t timeout = 120;
  read.number("STOP_TIMEOUT", timeout, 1, 86400);
  settings.stop_timeout = seconds(timeout);
  std::vector<std::string> words;
  read.words("VE_ENVIRONMENT", words);
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
      read.refuse("VE_ENVIRONMENT", word, "accepted: NAME=VALUE, separated by blanks");
      return;
    }
    settings.environment.push_back({word.substr(0, equals), word.substr(equals + 1)});
  }
}

void read_cpu(SettingReader& read, CtSettings& settings) {
  read.number("CPUUNITS", settings.cpuunits.value, 8, 500000);
  for (const std::string_view key : {"CPULIMIT", "CPULIMIT_MHZ"}) {
    auto value = read.text(key);
    if (!value || value->empty()) continue;
    const bool bare = value->back() >= '0' && value->back() <= '9';
    const auto limit = parse_cpu_limit(key == "CPULIMIT_MHZ" && bare ? *value + "m" : *value);
    if (!limit) {
      read.refuse(key, *value, limit.error());
    } else if (*limit) {
      settings.cpulimit = *limit;  // MHz last: it is what the operator chose later or by hand
    }
  }
  std::optional<std::uint64_t> number;
  read.number("CPUS", number, 0, 8192);
  if (number && *number != 0) settings.cpus = static_cast<std::uint32_t>(*number);
  for (const auto& [key, target] :
       {std::pair{"CPUMASK", &settings.cpumask}, std::pair{"NODEMASK", &settings.nodemask}}) {
    const auto value = read.text(key);
    if (!value || value->empty()) continue;
    const auto mask = parse_cpu_mask(*value);
    if (!mask)
      read.refuse(key, *value, mask.error());
    else
      *target = *mask;
  }
  read.number("BURST_CPU_AVG_USAGE", settings.burst_average, 0, kMostBurstAverage);
  read.number("BURST_CPULIMIT", settings.burst_cpulimit, 0, kMostCpuPercent);
}

/// From the file alone: vz.conf has no such key. A text that is none of ours imposes nothing.
std::optional<BurstImposed> read_burst_imposed(const ConfigFile& file) {
  const auto value = file.get(kBurstImposedKey);
  if (!value) return std::nullopt;
  const std::vector<std::string> words = split_words(*value);
  if (words.size() != 2) return std::nullopt;
  const auto average = parse_number(words[0], 0, 1'000'000);
  const auto window = parse_number(words[1], 0, 86400);
  if (!average || !window) return std::nullopt;
  return BurstImposed{*average, seconds(*window)};
}

void read_memory(SettingReader& read, CtSettings& settings) {
  for (const Beancounter& counter : kBeancounters) {
    std::optional<BarrierLimit> value;
    for (const std::string_view legacy : counter.legacy_keys) {
      if (!legacy.empty()) read.pair(legacy, value, counter.unit);
    }
    read.pair(counter.key, value, counter.unit);
    if (!value) continue;
    if (counter.name == "physpages")
      settings.physpages = value;
    else if (counter.name == "swappages")
      settings.swappages = value;
    else
      settings.beancounters.emplace(counter.name, *value);
  }
  const auto overcommit = read.text("VM_OVERCOMMIT");
  if (overcommit && !overcommit->empty()) {
    // A decimal factor, kept in thousandths: "1.5" = 1500.
    const std::size_t point = overcommit->find('.');
    std::string fraction = point == std::string::npos ? "" : overcommit->substr(point + 1);
    const bool too_long = fraction.size() > 3;
    fraction.resize(3, '0');
    const auto whole = parse_number(overcommit->substr(0, point), 0, 1000000);
    const auto part = parse_number(fraction, 0, 999);
    if (!whole || !part || too_long || overcommit->back() == '.') {
      read.refuse("VM_OVERCOMMIT", *overcommit, "accepted: a factor such as 1.5");
    } else {
      settings.vm_overcommit_thousandths = *whole * 1000 + *part;
    }
  }
}

void read_disk(SettingReader& read, CtSettings& settings) {
  read.yes_no("DISK_QUOTA", settings.disk_quota);
  read.pair("DISKSPACE", settings.diskspace, QuantityUnit::kibibytes);
  read.pair("DISKINODES", settings.diskinodes, QuantityUnit::bytes);  // K and M multiply
  for (const auto& [key, pair] : {std::pair{"DISKSPACE", &settings.diskspace},
                                  std::pair{"DISKINODES", &settings.diskinodes}}) {
    if (*pair && (*pair)->barrier > (*pair)->limit) {
      read.refuse(key, barrier_limit_text(**pair), "the soft limit is above the hard limit");
    }
  }
  read.number("QUOTATIME", settings.quotatime, 0, 4294967295);
  read.number("QUOTAUGIDLIMIT", settings.quotaugidlimit, 0, 2147483647);
  std::optional<std::uint64_t> priority;
  read.number("IOPRIO", priority, 0, 7);
  if (priority) settings.ioprio = static_cast<std::uint32_t>(*priority);
  const auto limit = [&](std::string_view key, std::optional<std::uint64_t>& target,
                         QuantityUnit unit) {
    const auto value = read.text(key);
    if (!value || value->empty()) return;
    const auto parsed = parse_quantity(*value, unit);
    if (!parsed)
      read.refuse(key, *value, parsed.error());
    else
      target = *parsed;
  };
  limit("IOLIMIT", settings.iolimit, QuantityUnit::bytes);
  limit("IOPSLIMIT", settings.iopslimit, QuantityUnit::count);
}

void read_network(SettingReader& read, CtSettings& settings) {
  std::vector<std::string> addresses;
  read.words("IP_ADDRESS", addresses);
  for (const std::string& text : addresses) {
    if (text == "0.0.0.0") continue;  // what the samples write for "none"
    const auto address = parse_address(text);
    if (!address)
      read.refuse("IP_ADDRESS", text, address.error());
    else
      settings.addresses.push_back(*address);
  }
  read.words("NAMESERVER", settings.nameservers);
  read.words("SEARCHDOMAIN", settings.searchdomains);
}

void read_privileges(SettingReader& read, CtSettings& settings) {
  if (const auto value = read.text("CAPABILITY")) {
    auto parsed = parse_switches(*value, capability_names());
    if (!parsed)
      read.refuse("CAPABILITY", *value, parsed.error());
    else
      settings.capabilities = std::move(*parsed);
  }
  if (const auto value = read.text("FEATURES")) {
    auto parsed = parse_switches(*value, {});
    if (!parsed)
      read.refuse("FEATURES", *value, parsed.error());
    else
      settings.features = std::move(*parsed);
  }
}

std::optional<Pages> limit_of(const std::optional<BarrierLimit>& value) {
  if (!value || value->limit == kUnlimited) return std::nullopt;
  return Pages{value->limit};
}

}  // namespace

std::string burst_imposed_text(const BurstImposed& imposed) {
  return fmt::format("{} {}", imposed.average_hundredths, imposed.window / seconds(1));
}

std::span<const Beancounter> beancounters() {
  return kBeancounters;
}

const Beancounter* find_beancounter(std::string_view name) {
  for (const Beancounter& counter : kBeancounters) {
    if (counter.name == name) return &counter;
  }
  return nullptr;
}

std::optional<Pages> CtSettings::ram() const {
  return limit_of(physpages);
}
std::optional<Pages> CtSettings::swap() const {
  return limit_of(swappages);
}

std::optional<std::uint64_t> CtSettings::numproc() const {
  const auto found = beancounters.find("numproc");
  if (found == beancounters.end() || found->second.limit == kUnlimited) return std::nullopt;
  return found->second.limit;
}

Result<CtSettings> interpret_ct_settings(const ConfigFile& file, const NodeConfig& node, CtId id,
                                         std::string_view path) {
  SettingReader read(file, path, &node.file);
  CtSettings settings;
  settings.id = id;
  settings.disk_quota = node.disk_quota;
  read_identity(read, settings);
  read_life(read, settings);
  read_cpu(read, settings);
  settings.burst_imposed = read_burst_imposed(file);
  read_memory(read, settings);
  read_disk(read, settings);
  read_network(read, settings);
  read_privileges(read, settings);
  std::string root = node.root_pattern;
  std::string area = node.private_pattern;
  read.directory("VE_ROOT", root, 22);
  read.directory("VE_PRIVATE", area, 23);
  settings.root = substitute_veid(root, id);
  settings.private_area = substitute_veid(area, id);
  if (read.error()) return *read.error();
  return settings;
}

Result<ContainerConfig> load_container_config(Kernel& kernel, const Layout& layout,
                                              const NodeConfig& node, CtId id) {
  const std::string path = layout.container_config(id);
  auto text = kernel.files().read(path);
  if (!text) {
    if (text.error().code != ErrorCode::not_found) return std::move(text).error();
    return fail(ErrorCode::not_found, "config.load", fmt::format("CT {}", id.text()),
                fmt::format("no such container: {} does not exist", path))
        .with_exit_code(14)
        .with_hint("vzlist -a shows all containers");
  }
  ContainerConfig config;
  TH_ASSIGN(config.file, ConfigFile::parse(*text, path));
  TH_ASSIGN(config.settings, interpret_ct_settings(config.file, node, id, path));
  return config;
}

Result<CtSettings> load_ct_settings(Kernel& kernel, const Layout& layout, const NodeConfig& node,
                                    CtId id) {
  TH_ASSIGN(ContainerConfig config, load_container_config(kernel, layout, node, id));
  return std::move(config.settings);
}

Status save_container_config(Kernel& kernel, const Layout& layout, CtId id,
                             const ConfigFile& file) {
  auto saved = write_atomically(kernel.files(), layout.container_config(id), file.text());
  if (saved) return {};
  return fail(saved.error().code, "config.save", fmt::format("CT {}", id.text()),
              "the configuration cannot be saved")
      .with_exit_code(139)
      .caused_by(std::move(saved).error());
}

Result<ConfigFile> load_sample(Kernel& kernel, const Layout& layout, const std::string& name) {
  constexpr std::string_view kPrefix = "ve-";
  constexpr std::string_view kSuffix = ".conf-sample";
  if (!name.empty() && name.find('/') == std::string::npos) {
    const std::string path = layout.sample_config(name);
    auto text = kernel.files().read(path);
    if (text) return ConfigFile::parse(*text, path);
    if (text.error().code != ErrorCode::not_found) return std::move(text).error();
  }
  std::vector<std::string> names;
  const auto entries = kernel.files().list(layout.config_directory());
  if (entries) {
    for (const DirectoryEntry& entry : *entries) {
      std::string_view file = entry.name;
      if (!file.starts_with(kPrefix) || !file.ends_with(kSuffix) ||
          file.size() <= kPrefix.size() + kSuffix.size()) {
        continue;
      }
      file.remove_prefix(kPrefix.size());
      file.remove_suffix(kSuffix.size());
      names.emplace_back(file);
    }
  }
  return fail(ErrorCode::not_found, "config.sample", fmt::format("\"{}\"", name),
              fmt::format("no such sample configuration in {}", layout.config_directory()))
      .with_exit_code(82)
      .with_hint(names.empty() ? std::string("there is none at all: install the samples")
                               : fmt::format("there are: {}", fmt::join(names, ", ")));
}

}  // namespace twinhull
