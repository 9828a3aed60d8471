// vzhwcalc: what this machine uses, and the configuration of a container for it (spec F9.4, F9.5).
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "runtime/config/atomic_write.h"
#include "runtime/kernel/files.h"
#include "runtime/physical/profile.h"
#include "tools/commands.h"
#include "tools/common/duration_text.h"
#include "tools/vzcfg/files.h"
#include "tools/vzcfg/program.h"

namespace twinhull::tools {
namespace {

using Json = nlohmann::ordered_json;
using physical::Level;
using physical::Profile;

struct Options {
  std::optional<std::string> period;
  std::optional<std::string> interval;
  std::optional<std::string> output;
  bool json = false;
};

Result<Duration> length(const std::optional<std::string>& text, const char* option,
                        Duration otherwise) {
  if (!text) return otherwise;
  const auto value = parse_duration(*text);
  if (value) return *value;
  return fail(ErrorCode::invalid_argument, "vzhwcalc", fmt::format("{} {}", option, *text),
              "is no length of time")
      .with_hint("accepted is a number with s, m, h or d, such as 10m");
}

Json level_json(const Level& level) {
  return {{"average", level.average}, {"peak", level.peak}};
}

std::string json_text(const Profile& profile) {
  Json disks = Json::array();
  for (const physical::Partition& partition : profile.partitions)
    disks.push_back({{"place", partition.place},
                     {"file_system", partition.file_system},
                     {"capacity_bytes", partition.capacity.value},
                     {"used_bytes", partition.used.value},
                     {"inodes", partition.inodes.value}});
  const Json json = {{"hostname", profile.host.hostname},
                     {"architecture", profile.host.architecture},
                     {"cpus", profile.host.online_cpus.cpus.size()},
                     {"memory_bytes", profile.host.memory.value},
                     {"swap_bytes", profile.host.swap.value},
                     {"period_ms", profile.period / milliseconds(1)},
                     {"intervals", profile.samples},
                     {"cpu_hundredths_of_percent", level_json(profile.cpu)},
                     {"memory_used_bytes", level_json(profile.memory)},
                     {"swap_used_bytes", level_json(profile.swap)},
                     {"processes", level_json(profile.processes)},
                     {"threads", level_json(profile.threads)},
                     {"received_bytes_per_second", level_json(profile.received)},
                     {"sent_bytes_per_second", level_json(profile.sent)},
                     {"disks", disks},
                     {"configuration", physical::suggested_config(profile)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<int> run(Session& session, const Options& options) {
  physical::Watch watch;
  TH_ASSIGN(watch.period, length(options.period, "-p", watch.period));
  TH_ASSIGN(watch.interval, length(options.interval, "-i", std::min(watch.interval, watch.period)));
  Files& files = session.kernel.files();
  std::string path;
  if (options.output) {
    TH_ASSIGN(path, named_path(session, *options.output));
    TH_ASSIGN(const std::optional<FileInfo> there, files.stat(path));
    if (there)
      return fail(ErrorCode::exists, "vzhwcalc", path, "exists, and nothing was watched")
          .with_hint("name a new file with -o, or remove it first");
  }
  TH_ASSIGN(const Profile profile, physical::watch_machine(session.kernel, watch));
  if (options.output) TH_TRY(write_atomically(files, path, physical::suggested_config(profile)));
  if (options.json)
    session.console.out(json_text(profile));
  else if (options.output)
    session.console.out(fmt::format("Config {} was created\n", path));
  else
    session.console.out(physical::suggested_config(profile));
  return 0;
}

}  // namespace

int vzhwcalc(Session& session, std::span<const std::string> argv) {
  Options options;
  const ProgramGrammar grammar{
      .program = "vzhwcalc",
      .summary =
          "Watches this machine and writes the configuration of a Container that could take "
          "its place.",
      .examples =
          "  vzhwcalc                              # one minute, shown\n"
          "  vzhwcalc -p 24h -i 1m -o web.conf     # a day, written\n"
          "  vzcfgvalidate web.conf                # on the node, then:\n"
          "  vzp2v root@web --ctid 101 -c web.conf\n",
      .flags = {{"-j,--json", &options.json, "The figures and the configuration as JSON"}},
      .values = {
          {"-p,--period", &options.period, "TIME", "How long to watch; default 60s"},
          {"-i,--interval", &options.interval, "TIME",
           "Length of each interval whose peaks count; default 5s"},
          {"-o,--output", &options.output, "FILE", "New file to write; default: standard output"}}};
  return run_program(session, grammar, argv, {}, [&] { return run(session, options); });
}

}  // namespace twinhull::tools
