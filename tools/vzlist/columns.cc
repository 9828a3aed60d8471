#include "tools/vzlist/columns.h"

#include <fmt/format.h>

#include "runtime/config/beancounters.h"
#include "runtime/config/setting_values.h"
#include "runtime/config/suggest.h"

namespace twinhull::tools::list {
namespace {

constexpr Needs kNothing{};
constexpr Needs kConfig{.config = true};
constexpr Needs kStatus{.config = true, .status = true};
constexpr Needs kCounter{.config = true, .cgroup = true};
constexpr Needs kDisk{.config = true, .quota = true};
constexpr Needs kUptime{.uptime = true};
constexpr Needs kNetwork{.network = true};
constexpr Needs kAddresses{.config = true, .network = true};

Value text_or_none(const std::string& text) {
  return text.empty() ? Value{} : Value{text};
}

/// A column whose value is read from the settings.
template <auto Get>
Value from_settings(const Column&, const Row& row) {
  if (!row.settings) return {};
  return Get(*row.settings);
}

constexpr auto kHostname = [](const CtSettings& s) { return text_or_none(s.hostname); };
constexpr auto kName = [](const CtSettings& s) { return text_or_none(s.name); };
constexpr auto kDescription = [](const CtSettings& s) { return text_or_none(s.description); };
constexpr auto kUuid = [](const CtSettings& s) { return text_or_none(s.uuid); };
constexpr auto kPrivate = [](const CtSettings& s) { return text_or_none(s.private_area); };
constexpr auto kRoot = [](const CtSettings& s) { return text_or_none(s.root); };
constexpr auto kSample = [](const CtSettings& s) { return text_or_none(s.origin_sample); };
constexpr auto kTemplate = [](const CtSettings& s) { return text_or_none(s.ostemplate); };
constexpr auto kDistribution = [](const CtSettings& s) { return text_or_none(s.distribution); };
constexpr auto kType = [](const CtSettings& s) { return text_or_none(s.type); };
constexpr auto kNameservers = [](const CtSettings& s) {
  return s.nameservers.empty() ? Value{} : Value{s.nameservers};
};
constexpr auto kSearchdomains = [](const CtSettings& s) {
  return s.searchdomains.empty() ? Value{} : Value{s.searchdomains};
};
constexpr auto kConfiguredIps = [](const CtSettings& s) {
  if (s.addresses.empty()) return Value{};
  std::vector<std::string> list;
  for (const IpPrefix& address : s.addresses) list.push_back(address_text(address));
  return Value{std::move(list)};
};
constexpr auto kCpuunits = [](const CtSettings& s) { return Value{s.cpuunits.value}; };
constexpr auto kCpus = [](const CtSettings& s) {
  return s.cpus ? Value{std::uint64_t{*s.cpus}} : Value{};
};
constexpr auto kCpumask = [](const CtSettings& s) {
  return s.cpumask ? Value{cpu_mask_text(s.cpumask)} : Value{};
};
constexpr auto kNodemask = [](const CtSettings& s) {
  return s.nodemask ? Value{cpu_mask_text(s.nodemask)} : Value{};
};
constexpr auto kOnboot = [](const CtSettings& s) { return s.onboot ? Value{*s.onboot} : Value{}; };
constexpr auto kBootorder = [](const CtSettings& s) {
  return s.bootorder ? Value{*s.bootorder} : Value{};
};
constexpr auto kDisabled = [](const CtSettings& s) { return Value{s.disabled}; };
constexpr auto kAutostop = [](const CtSettings& s) {
  return s.autostop ? Value{*s.autostop} : Value{};
};
constexpr auto kIoprio = [](const CtSettings& s) {
  return s.ioprio ? Value{std::uint64_t{*s.ioprio}} : Value{};
};
constexpr auto kIolimit = [](const CtSettings& s) {
  return s.iolimit ? Value{*s.iolimit} : Value{};
};
constexpr auto kIopslimit = [](const CtSettings& s) {
  return s.iopslimit ? Value{*s.iopslimit} : Value{};
};
constexpr auto kFeatures = [](const CtSettings& s) {
  return text_or_none(switches_text(s.features));
};
constexpr auto kCapability = [](const CtSettings& s) {
  return text_or_none(switches_text(s.capabilities));
};
constexpr auto kVswap = [](const CtSettings& s) { return Value{s.vswap()}; };
constexpr auto kOvercommit = [](const CtSettings& s) {
  if (!s.vm_overcommit_thousandths) return Value{};
  const std::uint64_t factor = *s.vm_overcommit_thousandths;
  return Value{fmt::format("{}.{:03}", factor / 1000, factor % 1000)};
};

Value ctid(const Column&, const Row& row) {
  return std::uint64_t{row.id.value};
}

Value smart_name(const Column&, const Row& row) {
  if (row.settings && !row.settings->name.empty()) return row.settings->name;
  return row.id.text();
}

Value status(const Column&, const Row& row) {
  switch (row.status) {
    case Status::stopped: return std::string("stopped");
    case Status::suspended: return std::string("suspended");
    case Status::mounted: return std::string("mounted");
    case Status::paused: return std::string("paused");
    case Status::running: return std::string("running");
  }
  return {};
}

/// Addresses as they act now; of a container that does not run, as they are configured.
Value addresses(const Column& self, const Row& row) {
  if (!row.running()) return from_settings<kConfiguredIps>(self, row);
  return row.addresses.empty() ? Value{} : Value{row.addresses};
}

Value template_type(const Column&, const Row& row) {
  if (!row.settings || row.settings->ostemplate.empty()) return {};
  return std::string(row.ez_template ? "EZ" : "ST");
}

Value uptime(const Column&, const Row& row) {
  return row.uptime ? Value{UptimeValue{*row.uptime}} : Value{};
}

Value cpu_limit(const Column&, const Row& row) {
  return row.cpu_limit_percent ? Value{*row.cpu_limit_percent} : Value{};
}

Value host_device(const Column&, const Row& row) {
  return text_or_none(row.device);
}
Value host_mac(const Column&, const Row& row) {
  return text_or_none(row.device_mac);
}
Value inner_device(const Column&, const Row& row) {
  return row.device.empty() ? Value{} : Value{std::string("venet0")};
}

/// Fields of mechanisms that do not exist here yet.
Value none(const Column&, const Row&) {
  return {};
}
/// Service Level Management is a scheme of the past: VSwap containers have none.
Value not_applicable(const Column&, const Row&) {
  return std::string("n/a");
}

Value counter(const Column& self, const Row& row) {
  CounterValue value;
  value.running = row.running();
  if (row.settings) {
    std::optional<BarrierLimit> pair;
    if (self.name == "physpages") {
      pair = row.settings->physpages;
    } else if (self.name == "swappages") {
      pair = row.settings->swappages;
    } else if (const auto found = row.settings->beancounters.find(self.name);
               found != row.settings->beancounters.end()) {
      pair = found->second;
    }
    if (pair) {
      value.barrier = pair->barrier;
      value.limit = pair->limit;
    }
  }
  if (!row.sample) return value;
  const CgroupSample& sample = *row.sample;
  if (self.name == "numproc") {
    value.held = sample.pids;
    value.failcnt = sample.pids_limit_hits;
  } else if (self.name == "physpages") {
    value.held = to_pages(sample.memory.usage).value;
    value.maxheld = to_pages(sample.memory.peak).value;
    value.failcnt = sample.memory.limit_hits;
  } else if (self.name == "swappages") {
    value.held = to_pages(sample.memory.swap).value;
  }
  return value;
}

/// Disk I/O of a running container since it was started.
template <auto Get>
Value from_io(const Column&, const Row& row) {
  return row.sample ? Value{Get(row.sample->io)} : Value{};
}
constexpr auto kIoRead = [](const IoSample& io) { return io.read.value; };
constexpr auto kIoWritten = [](const IoSample& io) { return io.written.value; };
constexpr auto kIoReads = [](const IoSample& io) { return io.reads; };
constexpr auto kIoWrites = [](const IoSample& io) { return io.writes; };

Value disk_figures(const Row& row, const std::optional<BarrierLimit>& pair,
                   std::optional<std::uint64_t> usage) {
  DiskValue value;
  if (row.settings && row.settings->disk_quota && pair) {
    value.soft = pair->barrier;
    value.hard = pair->limit;
  }
  value.usage = usage;
  return value;
}

Value diskspace(const Column&, const Row& row) {
  if (!row.settings) return {};
  std::optional<std::uint64_t> usage;
  if (row.usage) usage = (row.usage->bytes.value + 1023) / 1024;
  return disk_figures(row, row.settings->diskspace, usage);
}

Value diskinodes(const Column&, const Row& row) {
  if (!row.settings) return {};
  std::optional<std::uint64_t> usage;
  if (row.usage) usage = row.usage->inodes.value;
  return disk_figures(row, row.settings->diskinodes, usage);
}

std::string_view counter_header(std::string_view name) {
  constexpr std::pair<std::string_view, std::string_view> kHeaders[] = {
      {"lockedpages", "LOCKEDP"},   {"privvmpages", "PRIVVMP"},   {"shmpages", "SHMP"},
      {"numproc", "NPROC"},         {"physpages", "PHYSP"},       {"vmguarpages", "VMGUARP"},
      {"oomguarpages", "OOMGUARP"}, {"numtcpsock", "NTCPSOCK"},   {"numflock", "NFLOCK"},
      {"numpty", "NPTY"},           {"numsiginfo", "NSIGINFO"},   {"tcpsndbuf", "TCPSNDB"},
      {"tcprcvbuf", "TCPRCVB"},     {"othersockbuf", "OTHSOCKB"}, {"dgramrcvbuf", "DGRAMRB"},
      {"numothersock", "NOTHSOCK"}, {"dcachesize", "DCACHESZ"},   {"numfile", "NFILE"},
      {"numiptent", "NIPTENT"},     {"swappages", "SWAPP"},       {"kmemsize", "KMEMSIZE"}};
  for (const auto& [known, header] : kHeaders) {
    if (known == name) return header;
  }
  return name;
}

std::vector<Column> make_columns() {
  std::vector<Column> list = {
      {"ctid", "CTID", 10, true, kNothing, ctid, {}, {"veid", "vpsid"}},
      {"uuid", "UUID", 36, false, kConfig, from_settings<kUuid>},
      {"private", "PRIVATE", 32, false, kConfig, from_settings<kPrivate>},
      {"root", "ROOT", 32, false, kConfig, from_settings<kRoot>},
      {"mount_opts", "MOUNT_OPTS", 16, false, kNothing, none},
      {"origin_sample", "ORIGIN_SAMPLE", 32, false, kConfig, from_settings<kSample>},
      {"hostname", "HOSTNAME", 32, false, kConfig, from_settings<kHostname>},
      {"name", "NAME", 32, false, kConfig, from_settings<kName>},
      {"smart_name", "SMARTNAME", 10, false, kConfig, smart_name},
      {"description", "DESCRIPTION", 32, false, kConfig, from_settings<kDescription>},
      {"ostemplate", "OSTEMPLATE", 24, false, kConfig, from_settings<kTemplate>},
      {"distribution", "DISTRIBUTION", 15, false, kConfig, from_settings<kDistribution>},
      {"tm", "TM", 2, false, kConfig, template_type},
      {"ip", "IP_ADDR", 15, false, kAddresses, addresses},
      {"configured_ip", "CFG_IP_ADDR", 15, false, kConfig, from_settings<kConfiguredIps>},
      {"nameserver", "NAMESERVER", 15, false, kConfig, from_settings<kNameservers>},
      {"searchdomain", "SEARCHDOMAIN", 15, false, kConfig, from_settings<kSearchdomains>},
      {"status", "STATUS", 9, false, kStatus, status}};
  for (const Beancounter& row : beancounters()) {
    if (row.name == "avnumproc") continue;  // configuration only, no field of spec R6
    list.push_back({row.name, counter_header(row.name), 10, true, kCounter, counter, "mblf"});
  }
  const std::vector<Column> rest = {
      {"diskspace", "DQBLOCKS", 10, true, kDisk, diskspace, "sh"},
      {"diskinodes", "DQINODES", 10, true, kDisk, diskinodes, "sh"},
      {"laverage", "LAVERAGE", 14, true, kNothing, none},
      {"uptime", "UPTIME", 15, true, kUptime, uptime},
      {"cpulimit", "CPULIM", 7, true, kConfig, cpu_limit},
      {"cpuunits", "CPUUNI", 7, true, kConfig, from_settings<kCpuunits>},
      {"cpus", "CPUS", 5, true, kConfig, from_settings<kCpus>},
      {"cpumask", "CPUMASK", 16, false, kConfig, from_settings<kCpumask>},
      {"nodemask", "NODEMASK", 16, false, kConfig, from_settings<kNodemask>},
      {"slmmode", "SLMMODE", 7, false, kNothing, not_applicable},
      {"slminst", "SLMINST", 10, true, kNothing, not_applicable, "l"},
      {"slmlowinst", "SLMLOW", 10, true, kNothing, not_applicable, "l"},
      {"slmoomlimit", "SLMOOM", 10, true, kNothing, not_applicable},
      {"slmavg", "SLMAVG", 10, true, kNothing, not_applicable},
      {"slmquality", "SLMQUAL", 7, true, kNothing, not_applicable},
      {"host_ifname", "HOST_IFNAME", 16, false, kNetwork, host_device},
      {"mac", "MAC", 17, false, kNothing, none},
      {"host_mac", "HOST_MAC", 17, false, kNetwork, host_mac},
      {"gw", "GATEWAY", 15, false, kNothing, none},
      {"network", "NETWORK", 32, false, kNothing, none},
      {"ifname", "IFNAME", 8, false, kNetwork, inner_device},
      {"netif", "NET_INTERFACES", 32, false, kNetwork, inner_device},
      {"onboot", "ONBOOT", 6, false, kConfig, from_settings<kOnboot>},
      {"bootorder", "BOOTORDER", 10, true, kConfig, from_settings<kBootorder>},
      {"disabled", "DISABL", 6, false, kConfig, from_settings<kDisabled>},
      {"autostop", "AUTOSTOP", 8, false, kConfig, from_settings<kAutostop>},
      {"ioprio", "IOPRIO", 6, true, kConfig, from_settings<kIoprio>},
      {"iolimit", "IOLIMIT", 10, true, kConfig, from_settings<kIolimit>},
      {"iopslimit", "IOPSLIMIT", 10, true, kConfig, from_settings<kIopslimit>},
      {"io_read", "IO_RBYTES", 12, true, kCounter, from_io<kIoRead>},
      {"io_written", "IO_WBYTES", 12, true, kCounter, from_io<kIoWritten>},
      {"io_reads", "IO_RCOUNT", 10, true, kCounter, from_io<kIoReads>},
      {"io_writes", "IO_WCOUNT", 10, true, kCounter, from_io<kIoWrites>},
      {"features", "FEATURES", 15, false, kConfig, from_settings<kFeatures>},
      {"layout", "LAYOUT", 6, false, kNothing, none},
      {"type", "TYPE", 10, false, kConfig, from_settings<kType>},
      {"device", "DEVICE", 16, false, kNothing, none},
      {"devnodes", "DEVNODES", 16, false, kNothing, none},
      {"vswap", "VSWAP", 5, false, kConfig, from_settings<kVswap>},
      {"vm_overcommit", "VM_OVC", 6, true, kConfig, from_settings<kOvercommit>},
      {"netfilter", "NETFILTER", 10, false, kNothing, none},
      {"capability", "CAPABILITY", 32, false, kConfig, from_settings<kCapability>}};
  list.insert(list.end(), rest.begin(), rest.end());
  return list;
}

}  // namespace

std::span<const Column> columns() {
  static const std::vector<Column> list = make_columns();
  return list;
}

std::string Selected::header() const {
  std::string text(column->header);
  if (suffix != 0) {
    text += '.';
    text += static_cast<char>(suffix - 'a' + 'A');
  }
  return text;
}

Result<Selected> find_column(std::string_view field) {
  const auto refuse = [&](std::string_view why, std::string hint) -> Error {
    return fail(ErrorCode::invalid_argument, "vzlist.field", fmt::format("\"{}\"", field), why)
        .with_exit_code(20)
        .with_hint(std::move(hint));
  };
  std::string_view name = field;
  std::string_view suffix;
  if (const std::size_t dot = field.find('.'); dot != std::string_view::npos) {
    name = field.substr(0, dot);
    suffix = field.substr(dot + 1);
  }
  std::vector<std::string_view> known;
  for (const Column& column : columns()) {
    bool same = column.name == name;
    for (const std::string_view alias : column.aliases) same = same || alias == name;
    known.push_back(column.name);
    if (!same) continue;
    Selected selected{&column, 0};
    if (name.size() == field.size()) return selected;
    if (suffix.size() != 1 || column.suffixes.find(suffix[0]) == std::string_view::npos) {
      return refuse("the field has no such part",
                    column.suffixes.empty() ? fmt::format("write {}", column.name)
                                            : fmt::format("parts of {}: .{}", column.name,
                                                          fmt::join(column.suffixes, ", .")));
    }
    selected.suffix = suffix[0];
    return selected;
  }
  return refuse("unknown field", suggestion(name, known, "vzlist -L shows all fields"));
}

Value pick(const Value& value, char suffix) {
  const auto number = [](const std::optional<std::uint64_t>& part) {
    return part ? Value{*part} : Value{};
  };
  if (const auto* counter_value = std::get_if<CounterValue>(&value)) {
    switch (suffix) {
      case 'b': return number(counter_value->barrier);
      case 'l': return number(counter_value->limit);
      case 'm': return number(counter_value->maxheld);
      case 'f': return number(counter_value->failcnt);
      default: return number(counter_value->held);
    }
  }
  if (const auto* disk = std::get_if<DiskValue>(&value)) {
    switch (suffix) {
      case 's': return number(disk->soft);
      case 'h': return number(disk->hard);
      default: return number(disk->usage);
    }
  }
  return value;
}

std::vector<std::string> texts(const Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return {*flag ? "yes" : "no"};
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return {quantity_text(*number)};
  if (const auto* text = std::get_if<std::string>(&value)) return {*text};
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) return *list;
  if (const auto* time = std::get_if<UptimeValue>(&value)) {
    const auto total = static_cast<std::uint64_t>(time->length / seconds(1));
    return {fmt::format("{:03}d{:02}h:{:02}m:{:02}s", total / 86400, total / 3600 % 24,
                        total / 60 % 60, total % 60)};
  }
  return {};
}

bool less(const Value& a, const Value& b) {
  const auto* number_a = std::get_if<std::uint64_t>(&a);
  const auto* number_b = std::get_if<std::uint64_t>(&b);
  if (number_a != nullptr && number_b != nullptr) return *number_a < *number_b;
  const auto* time_a = std::get_if<UptimeValue>(&a);
  const auto* time_b = std::get_if<UptimeValue>(&b);
  if (time_a != nullptr && time_b != nullptr) return time_a->length < time_b->length;
  return texts(a) < texts(b);
}

}  // namespace twinhull::tools::list
