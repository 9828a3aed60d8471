// vzubc [-H] [CTID…]: the resource parameters of containers as /proc/user_beancounters had them
// (spec R10). Limits are those in force; "held" is shown where a kernel counts it, else "-".
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/config/beancounters.h"
#include "runtime/config/container_index.h"
#include "runtime/config/ct_settings.h"
#include "runtime/container/context.h"
#include "runtime/container/live.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/processes.h"
#include "runtime/node/log.h"
#include "tools/commands.h"

namespace twinhull::tools {
namespace {

constexpr const char* kHelp =
    "Resource parameters of running containers, in the form of /proc/user_beancounters.\n"
    "Usage: vzubc [-H] [CTID|NAME...]\n"
    "  -H, --no-header  No version and header lines\n"
    "A parameter that no kernel mechanism counts or bounds shows \"-\" as held.\n";

/// The rows in the order of spec R10. avnumproc is of the configuration alone.
constexpr std::array kRows = {
    "kmemsize",   "lockedpages", "privvmpages",  "shmpages",    "numproc",   "physpages",
    "vmguarpages", "oomguarpages", "numtcpsock", "numflock",    "numpty",    "numsiginfo",
    "tcpsndbuf",  "tcprcvbuf",   "othersockbuf", "dgramrcvbuf", "numothersock", "dcachesize",
    "numfile",    "numiptent",   "swappages"};

/// What a kernel counts of one parameter.
struct Counted {
  std::optional<std::uint64_t> held, most, refused;
};

Counted counted(std::string_view name, const CgroupSample& sample) {
  const MemorySample& memory = sample.memory;
  if (name == "numproc") return {sample.pids, sample.pids_peak, sample.pids_limit_hits};
  if (name == "physpages") {
    return {to_pages(memory.usage).value, to_pages(memory.peak).value, memory.limit_hits};
  }
  if (name == "swappages") return {to_pages(memory.swap).value, {}, {}};
  if (name == "oomguarpages") {
    return {to_pages({memory.anonymous.value + memory.swap.value}).value, {}, memory.oom_kills};
  }
  if (name == "kmemsize" && memory.kernel) return {memory.kernel->value, {}, {}};
  return {};
}

BarrierLimit bounds(std::string_view name, const CtSettings& settings) {
  if (name == "physpages") return settings.physpages.value_or(BarrierLimit{});
  if (name == "swappages") return settings.swappages.value_or(BarrierLimit{});
  const auto found = settings.beancounters.find(name);
  return found == settings.beancounters.end() ? BarrierLimit{} : found->second;
}

std::string block(const CtSettings& settings, const CgroupSample& sample) {
  const auto text = [](const std::optional<std::uint64_t>& value) {
    return value ? std::to_string(*value) : std::string("-");
  };
  // "unlimited" as the kernel of the product wrote it: LONG_MAX.
  const auto bound = [](std::uint64_t value) {
    constexpr std::uint64_t kLongMax = 9223372036854775807;
    return std::to_string(std::min(value, kLongMax));
  };
  std::string out;
  for (const std::string_view name : kRows) {
    const Counted now = counted(name, sample);
    const BarrierLimit pair = bounds(name, settings);
    const std::string uid = out.empty() ? settings.id.text() + ":" : "";
    out += fmt::format("{:>10}  {:<12} {:>20} {:>20} {:>20} {:>20} {:>20}\n", uid, name,
                       text(now.held), text(now.most), bound(pair.barrier), bound(pair.limit),
                       text(now.refused));
  }
  return out;
}

struct Options {
  bool header = true;
  bool help = false;
  std::vector<std::string> containers;
};

Result<Options> parse(std::span<const std::string> argv) {
  Options options;
  for (std::size_t i = 1; i < argv.size(); ++i) {
    if (argv[i] == "-H" || argv[i] == "--no-header") {
      options.header = false;
    } else if (argv[i] == "--help" || argv[i] == "-h") {
      options.help = true;
    } else if (argv[i].starts_with('-')) {
      return fail(ErrorCode::invalid_argument, "vzubc.options", argv[i], "unknown option")
          .with_exit_code(20)
          .with_hint("see vzubc --help");
    } else {
      options.containers.push_back(argv[i]);
    }
  }
  return options;
}

Result<int> run(Session& session, const Options& options) {
  Kernel& kernel = session.kernel;
  TH_ASSIGN(const NodeConfig node, load_node_config(kernel, session.layout));
  Reporter reporter(session, node, "vzubc", Verbosity::quiet);
  container::Context context{session, node, reporter};
  std::set<CtId> wanted;
  int code = 0;
  for (const std::string& word : options.containers) {
    const auto id = resolve_container(kernel, session.layout, word);
    if (!id) {
      session.console.error(fmt::format("vzubc: {}\n", id.error().message()));
      code = id.error().exit_code;
      continue;
    }
    wanted.insert(*id);
  }
  TH_ASSIGN(const std::vector<CtId> ids, list_containers(kernel, session.layout));
  std::string out;
  for (const CtId id : ids) {
    if (!options.containers.empty() && wanted.erase(id) == 0) continue;
    TH_ASSIGN(const auto init, kernel.processes().find(id.text()));
    if (!init) {
      if (options.containers.empty()) continue;
      session.console.error(fmt::format("vzubc: CT {}: Container is not running\n", id.text()));
      code = 31;
      continue;
    }
    auto config = container::load_effective_config(context, id);
    if (!config) {
      session.console.error(fmt::format("vzubc: {}\n", config.error().message()));
      code = config.error().exit_code;
      continue;
    }
    const auto sample = kernel.cgroups().sample(CgroupPath{id.text()});
    if (!sample) {
      session.console.error(fmt::format("vzubc: CT {}: {}\n", id.text(), sample.error().message()));
      code = 3;
      continue;
    }
    out += block(config->settings, *sample);
  }
  for (const CtId id : wanted) {
    session.console.error(fmt::format("vzubc: CT {}: Container does not exist\n", id.text()));
    code = 14;
  }
  if (options.header) {
    session.console.out(fmt::format("Version: 2.5\n{:>10}  {:<12} {:>20} {:>20} {:>20} {:>20} {:>20}\n",
                                    "uid", "resource", "held", "maxheld", "barrier", "limit",
                                    "failcnt"));
  }
  session.console.out(out);
  return code;
}

}  // namespace

int vzubc(Session& session, std::span<const std::string> argv) {
  const auto options = parse(argv);
  if (!options) {
    session.console.error(fmt::format("vzubc: {}\n", options.error().message()));
    return options.error().exit_code;
  }
  if (options->help) {
    session.console.out(kHelp);
    return 0;
  }
  const auto result = run(session, *options);
  if (result) return *result;
  session.console.error(fmt::format("vzubc: {}\n", result.error().message()));
  return result.error().exit_code != 0 ? result.error().exit_code : 3;
}

}  // namespace twinhull::tools
