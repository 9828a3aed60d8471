#include "runtime/config/parameter.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/config/parameter_values.h"
#include "runtime/config/setting_values.h"
#include "runtime/config/suggest.h"

namespace twinhull {
namespace {

namespace values = parameter_values;
using enum ParameterArea;

constexpr std::string_view kBytesSyntax =
    "N or BAR:LIM with N[T|G|M|K|P|B] (bytes without a suffix), or unlimited";
constexpr std::string_view kPagesSyntax =
    "N or BAR:LIM with N[T|G|M|K|P|B] (pages without a suffix), or unlimited";
constexpr std::string_view kCountSyntax = "N or BAR:LIM, or unlimited";

/// One row a parameter. A new one needs this row and, when its syntax is new, a value parser.
const std::vector<Parameter>& table() {
  static const std::vector<Parameter> rows = {
      {.option = "cpuunits",
       .key = "CPUUNITS",
       .syntax = "a weight from 8 to 500000",
       .area = cpu,
       .resource = true,
       .parse = values::cpuunits},
      {.option = "cpulimit",
       .key = "CPULIMIT",
       .syntax = "N per cent of one CPU or Nm in MHz; 0 = no limit",
       .area = cpu,
       .resource = true,
       .parse = values::cpulimit},
      {.option = "burst-cpu-avg-usage",
       .key = "BURST_CPU_AVG_USAGE",
       .syntax =
           "per cent of the CPU limit (or of the node) from 0 to 100: when the average use is "
           "above it, vzasysd imposes --burst_cpulimit; 0 = never",
       .area = cpu,
       .resource = true,
       .parse = values::burst_average},
      {.option = "burst-cpulimit",
       .key = "BURST_CPULIMIT",
       .syntax = "per cent of one CPU from 1 to 819200, imposed after long bursts; 0 = none",
       .area = cpu,
       .resource = true,
       .parse = values::burst_cpulimit},
      {.option = "cpus",
       .key = "CPUS",
       .syntax = "a number of this node's CPUs; 0 = all",
       .area = cpu,
       .resource = true,
       .parse = values::cpus},
      {.option = "cpumask",
       .key = "CPUMASK",
       .syntax = "CPUs as 0,2,4-6, or all, or auto",
       .area = cpu,
       .resource = true,
       .parse = values::cpumask},
      {.option = "nodemask",
       .key = "NODEMASK",
       .syntax = "memory nodes (NUMA) as 0,2, or all; only together with --cpumask",
       .area = cpu,
       .resource = true,
       .parse = values::nodemask},
      {.option = "ram",
       .aliases = {"physpages", "memory"},
       .key = "PHYSPAGES",
       .syntax = "a size of at least 1M: N[T|G|M|K|P|B] (pages without a suffix) or unlimited",
       .area = memory,
       .resource = true,
       .parse = values::ram},
      {.option = "swap",
       .aliases = {"swappages"},
       .key = "SWAPPAGES",
       .syntax = "a size: N[T|G|M|K|P|B] (pages without a suffix) or unlimited",
       .area = memory,
       .resource = true,
       .parse = values::swap},
      {.option = "numfile",
       .key = "NUMFILE",
       .syntax = "N or BAR:LIM open files of each process, at least 1, or unlimited",
       .area = memory,
       .live = false,
       .resource = true,
       .parse = values::numproc},
      {.option = "numproc",
       .key = "NUMPROC",
       .syntax = "N or BAR:LIM processes and threads, at least 1, or unlimited",
       .area = memory,
       .resource = true,
       .parse = values::numproc},
      {.option = "kmemsize",
       .key = "KMEMSIZE",
       .syntax = kBytesSyntax,
       .area = memory,
       .resource = true,
       .parse = values::beancounter},
      {.option = "lockedpages",
       .key = "LOCKEDPAGES",
       .syntax = kPagesSyntax,
       .area = memory,
       .resource = true,
       .parse = values::beancounter},
      {.option = "privvmpages",
       .key = "PRIVVMPAGES",
       .syntax = kPagesSyntax,
       .area = memory,
       .resource = true,
       .parse = values::beancounter},
      {.option = "shmpages",
       .key = "SHMPAGES",
       .syntax = kPagesSyntax,
       .area = memory,
       .resource = true,
       .parse = values::beancounter},
      {.option = "vmguarpages",
       .key = "VMGUARPAGES",
       .syntax = kPagesSyntax,
       .area = memory,
       .resource = true,
       .parse = values::beancounter},
      {.option = "oomguarpages",
       .key = "OOMGUARPAGES",
       .syntax = kPagesSyntax,
       .area = memory,
       .resource = true,
       .parse = values::beancounter},
      {.option = "numtcpsock",
       .key = "NUMTCPSOCK",
       .syntax = kCountSyntax,
       .area = memory,
       .resource = true,
       .parse = values::beancounter},
      {.option = "numflock",
       .key = "NUMFLOCK",
       .syntax = kCountSyntax,
       .area = memory,
       .resource = true,
       .parse = values::beancounter},
      {.option = "numpty",
       .key = "NUMPTY",
       .syntax = kCountSyntax,
       .area = memory,
       .resource = true,
       .parse = values::beancounter},
      {.option = "numsiginfo",
       .key = "NUMSIGINFO",
       .syntax = kCountSyntax,
       .area = memory,
       .resource = true,
       .parse = values::beancounter},
      {.option = "tcpsndbuf",
       .key = "TCPSNDBUF",
       .syntax = kBytesSyntax,
       .area = memory,
       .resource = true,
       .parse = values::beancounter},
      {.option = "tcprcvbuf",
       .key = "TCPRCVBUF",
       .syntax = kBytesSyntax,
       .area = memory,
       .resource = true,
       .parse = values::beancounter},
      {.option = "othersockbuf",
       .key = "OTHERSOCKBUF",
       .syntax = kBytesSyntax,
       .area = memory,
       .resource = true,
       .parse = values::beancounter},
      {.option = "dgramrcvbuf",
       .key = "DGRAMRCVBUF",
       .syntax = kBytesSyntax,
       .area = memory,
       .resource = true,
       .parse = values::beancounter},
      {.option = "numothersock",
       .key = "NUMOTHERSOCK",
       .syntax = kCountSyntax,
       .area = memory,
       .resource = true,
       .parse = values::beancounter},
      {.option = "dcachesize",
       .aliases = {"dcache"},
       .key = "DCACHESIZE",
       .syntax = kBytesSyntax,
       .area = memory,
       .resource = true,
       .parse = values::beancounter},
      {.option = "numiptent",
       .aliases = {"iptentries"},
       .key = "NUMIPTENT",
       .syntax = kCountSyntax,
       .area = memory,
       .resource = true,
       .parse = values::beancounter},
      {.option = "avnumproc",
       .key = "AVNUMPROC",
       .syntax = kCountSyntax,
       .area = memory,
       .resource = true,
       .parse = values::beancounter},
      {.option = "vm-overcommit",
       .key = "VM_OVERCOMMIT",
       .syntax = "a factor with up to three decimals, such as 1.5; 0 = no limit",
       .area = memory,
       .resource = true,
       .parse = values::vm_overcommit},
      {.option = "diskspace",
       .key = "DISKSPACE",
       .syntax = "N or SOFT:HARD with N[T|G|M|K|P|B] (KiB without a suffix) or unlimited",
       .area = disk,
       .resource = true,
       .parse = values::diskspace},
      {.option = "diskinodes",
       .key = "DISKINODES",
       .syntax = "N or SOFT:HARD with N[G|M|K], or unlimited",
       .area = disk,
       .resource = true,
       .parse = values::diskinodes},
      {.option = "diskquota",
       .key = "DISK_QUOTA",
       .syntax = "yes or no",
       .area = disk,
       .live = false,
       .resource = true,
       .parse = values::yes_no},
      {.option = "ioprio",
       .key = "IOPRIO",
       .syntax = "a priority from 0 to 7; 4 is the usual one, 7 gets most",
       .area = disk,
       .resource = true,
       .parse = values::ioprio},
      {.option = "iolimit",
       .key = "IOLIMIT",
       .syntax = "bytes a second for reads and for writes: N[G|M|K|B] (bytes without a suffix), at "
                 "most 2G; 0 or unlimited = no limit",
       .area = disk,
       .resource = true,
       .parse = values::iolimit},
      {.option = "iopslimit",
       .key = "IOPSLIMIT",
       .syntax = "operations a second for reads and for writes; 0 or unlimited = no limit",
       .area = disk,
       .resource = true,
       .parse = values::iopslimit},
      {.option = "ipadd",
       .aliases = {"ip"},
       .key = "IP_ADDRESS",
       .syntax = "an IPv4 or IPv6 address, with /LENGTH or /MASK if wished",
       .area = network,
       .repeatable = true,
       .parse = values::ipadd},
      {.option = "ipdel",
       .key = "IP_ADDRESS",
       .syntax = "an address of the container, or all",
       .area = network,
       .repeatable = true,
       .parse = values::ipdel},
      {.option = "hostname",
       .key = "HOSTNAME",
       .syntax = "a host name (RFC 1123)",
       .area = network,
       .parse = values::hostname},
      {.option = "nameserver",
       .key = "NAMESERVER",
       .syntax = "addresses of name servers, or inherit; replaces the list",
       .area = network,
       .repeatable = true,
       .parse = values::nameserver},
      {.option = "searchdomain",
       .key = "SEARCHDOMAIN",
       .syntax = "domain names, or inherit; replaces the list",
       .area = network,
       .repeatable = true,
       .parse = values::searchdomain},
      {.option = "name",
       .key = "NAME",
       .syntax = "letters, digits, '-', '_', '.', spaces between; not digits alone; "
                 "empty removes the name",
       .area = identity,
       .needs_save = true,
       .parse = values::name},
      {.option = "description",
       .key = "DESCRIPTION",
       .syntax = "one line of text",
       .area = identity,
       .needs_save = true,
       .parse = values::description},
      {.option = "onboot",
       .key = "ONBOOT",
       .syntax = "yes, no or auto",
       .area = life,
       .needs_save = true,
       .parse = values::onboot},
      {.option = "bootorder",
       .key = "BOOTORDER",
       .syntax = "a whole number; higher starts earlier",
       .area = life,
       .needs_save = true,
       .parse = values::bootorder},
      {.option = "autostop",
       .key = "AUTOSTOP",
       .syntax = "stop or suspend, at the node's shutdown; empty: the node's way",
       .area = life,
       .needs_save = true,
       .parse = values::autostop},
      {.option = "disabled",
       .key = "DISABLED",
       .syntax = "yes or no",
       .area = life,
       .needs_save = true,
       .parse = values::yes_no},
      {.option = "stop-timeout",
       .key = "STOP_TIMEOUT",
       .syntax = "seconds from 1 to 86400",
       .area = life,
       .needs_save = true,
       .parse = values::stop_timeout},
      {.option = "ostemplate",
       .aliases = {"pkgset"},
       .key = "OSTEMPLATE",
       .syntax = "the name of an OS template",
       .area = identity,
       .needs_save = true,
       .parse = values::template_name},
      {.option = "distribution",
       .key = "DISTRIBUTION",
       .syntax = "the name of a distribution",
       .area = identity,
       .needs_save = true,
       .parse = values::template_name},
      {.option = "capability",
       .key = "CAPABILITY",
       .syntax = "NAME:on|off, comma-separated",
       .area = privilege,
       .repeatable = true,
       .live = false,
       .parse = values::capability},
      {.option = "userpasswd",
       .key = "",
       .syntax = "USER:PASSWORD",
       .area = password,
       .repeatable = true,
       .parse = values::userpasswd},
  };
  return rows;
}

/// What the next request must start from.
void take_forward(CtSettings& working, const std::vector<KeyChange>& changes) {
  for (const KeyChange& change : changes) {
    if (change.key != "IP_ADDRESS" || !change.value) continue;
    working.addresses.clear();
    for (const std::string& word : split_words(*change.value)) {
      if (const auto address = parse_address(word)) working.addresses.push_back(*address);
    }
  }
}

Error refuse(std::string_view option, std::string_view why, int code) {
  return fail(ErrorCode::invalid_argument, "parameter.parse", fmt::format("--{}", option), why)
      .with_exit_code(code);
}

Result<const Parameter*> required_parameter(std::string_view option) {
  const Parameter* found = find_parameter(option);
  if (found != nullptr) return found;
  std::vector<std::string_view> known;
  for (const Parameter& row : table()) {
    known.push_back(row.option);
    known.insert(known.end(), row.aliases.begin(), row.aliases.end());
  }
  while (option.starts_with('-')) option.remove_prefix(1);
  return refuse(option, "unknown parameter", 19)
      .with_hint(suggestion(option, known, "vzctl set --help lists all parameters"));
}

}  // namespace

std::span<const Parameter> parameters() {
  return table();
}

const Parameter* find_parameter(std::string_view option) {
  while (option.starts_with('-')) option.remove_prefix(1);
  std::string name(option);
  std::replace(name.begin(), name.end(), '_', '-');
  for (const Parameter& row : table()) {
    if (row.option == name) return &row;
    if (std::find(row.aliases.begin(), row.aliases.end(), name) != row.aliases.end()) return &row;
  }
  return nullptr;
}

Result<std::vector<KeyChange>> parse_parameter(std::string_view option,
                                               std::span<const std::string> given,
                                               const ParameterContext& context) {
  TH_ASSIGN(const Parameter* parameter, required_parameter(option));
  if (given.empty()) {
    return refuse(parameter->option, "a value is missing", 20)
        .with_hint(fmt::format("accepted: {}", parameter->syntax));
  }
  if (given.size() > 1 && !parameter->repeatable) {
    return refuse(parameter->option, "given more than once", 20);
  }
  return parameter->parse(*parameter, given, context);
}

Result<std::vector<KeyChange>> parse_parameters(std::span<const ParameterRequest> requests,
                                                const ParameterContext& context) {
  // The same parameter under two names is one parameter; removals of addresses come first.
  struct Gathered {
    const Parameter* parameter;
    std::vector<std::string> values;
  };
  std::vector<Gathered> gathered;
  for (const ParameterRequest& request : requests) {
    TH_ASSIGN(const Parameter* parameter, required_parameter(request.option));
    const auto same = [&](const Gathered& other) { return other.parameter == parameter; };
    const auto there = std::find_if(gathered.begin(), gathered.end(), same);
    if (there == gathered.end()) {
      gathered.push_back({parameter, request.values});
    } else {
      there->values.insert(there->values.end(), request.values.begin(), request.values.end());
    }
  }
  const auto removal = std::find_if(gathered.begin(), gathered.end(), [](const Gathered& entry) {
    return entry.parameter->option == "ipdel";
  });
  if (removal != gathered.end()) std::rotate(gathered.begin(), removal, removal + 1);

  CtSettings working = context.current;
  const ParameterContext forward{working, context.node, context.host, context.file};
  std::vector<KeyChange> changes;
  const auto put = [&](KeyChange change) {
    const auto same = [&](const KeyChange& other) { return other.key == change.key; };
    const auto there = std::find_if(changes.begin(), changes.end(), same);
    if (there == changes.end())
      changes.push_back(std::move(change));
    else
      *there = std::move(change);
  };
  bool customized = false;
  for (const Gathered& entry : gathered) {
    TH_ASSIGN(std::vector<KeyChange> made,
              parse_parameter(entry.parameter->option, entry.values, forward));
    take_forward(working, made);
    for (KeyChange& change : made) {
      customized = customized ||
                   (entry.parameter->resource &&
                    (context.file == nullptr || context.file->get(change.key) != change.value));
      put(std::move(change));
    }
  }
  // Memory near to CPUs that the container may not use helps nobody (spec F4.7).
  const auto changed = [&](std::string_view key) {
    return std::find_if(changes.begin(), changes.end(),
                        [&](const KeyChange& change) { return change.key == key; });
  };
  const auto nodes = changed("NODEMASK");
  if (nodes != changes.end() && nodes->value != "all" && changed("CPUMASK") == changes.end() &&
      !context.current.cpumask) {
    return refuse("nodemask", "it must be combined with a CPU mask", 149)
        .with_hint("add --cpumask auto for the CPUs of these memory nodes");
  }
  if (customized) put({"CONFIG_CUSTOMIZED", "yes"});
  return changes;
}

std::vector<std::string> parameter_notes(std::span<const ParameterRequest> requests) {
  std::vector<std::string> notes;
  for (const ParameterRequest& request : requests) {
    const Parameter* parameter = find_parameter(request.option);
    if (parameter == nullptr || parameter->option != "iolimit" || request.values.size() != 1) {
      continue;
    }
    const auto wish = parse_quantity(request.values[0], QuantityUnit::bytes);
    if (wish && *wish != kUnlimited && *wish > kMostIoLimit) {
      notes.push_back(fmt::format("--iolimit {}: more than 2G is cut to 2G", request.values[0]));
    }
  }
  return notes;
}

Status apply_changes(ConfigFile& file, std::span<const KeyChange> changes) {
  for (const KeyChange& change : changes) {
    if (change.value)
      TH_TRY(file.set(change.key, *change.value));
    else
      file.unset(change.key);
  }
  return {};
}

}  // namespace twinhull
