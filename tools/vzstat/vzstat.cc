// vzstat -a: disk I/O of containers and who is the bottleneck (spec F4.30, F4.31). The other views
// of vzstat (spec F5.1) are not part of this release.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "runtime/config/container_index.h"
#include "runtime/config/quantity.h"
#include "runtime/container/live.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/processes.h"
#include "runtime/node/exit_codes.h"
#include "runtime/node/log.h"
#include "runtime/resource/resources.h"
#include "tools/commands.h"
#include "tools/vzcfg/program.h"
#include "tools/vzstat/io_text.h"

namespace twinhull::tools {
namespace {

constexpr const char* kProgram = "vzstat";

struct Options {
  bool json = false;
  Duration interval{0};
  std::uint64_t count = 0;  ///< 0 = until a signal
};

bool vanished(const Error& error) {
  return error.code == ErrorCode::not_found || error.code == ErrorCode::not_running;
}

/// All running containers now; `first` and `last` of each are the same.
Result<std::vector<stat::IoSamples>> sample_all(Session& session, const NodeConfig& node) {
  Reporter silent(session, node, kProgram, Verbosity::quiet);
  container::Context context{session, node, silent};
  TH_ASSIGN(const std::vector<LabeledProcess> inits, session.kernel.processes().list());
  TH_ASSIGN(const std::vector<CtId> ids, list_containers(session.kernel, session.layout));
  std::vector<stat::IoSamples> all;
  for (const CtId id : ids) {
    if (std::none_of(inits.begin(), inits.end(), [&](const LabeledProcess& one) {
          return one.label == container::label_of(id);
        }))
      continue;
    const auto sample = session.kernel.cgroups().sample(container::group_of(id));
    if (!sample) {
      if (vanished(sample.error())) continue;
      return sample.error();
    }
    const auto config = container::load_effective_config(context, id);
    if (!config) {
      if (config.error().code == ErrorCode::node_down) return config.error();
      if (!vanished(config.error()))
        session.console.error(fmt::format("{}: warning: {}\n", kProgram, config.error().message()));
      continue;
    }
    const CtSettings& settings = config->settings;
    all.push_back({.id = id,
                   .name = settings.name,
                   .iolimit = settings.iolimit.value_or(0),
                   .iopslimit = settings.iopslimit.value_or(0),
                   .ioprio = settings.ioprio.value_or(resource::kUsualIoPriority),
                   .first = sample->io,
                   .last = sample->io});
  }
  return all;
}

/// What was there at the earlier moment too; a container that was started since counts from zero.
std::vector<stat::IoSamples> joined(const std::vector<stat::IoSamples>& earlier,
                                    std::vector<stat::IoSamples> later) {
  for (stat::IoSamples& one : later) {
    const auto before =
        std::find_if(earlier.begin(), earlier.end(),
                     [&](const stat::IoSamples& other) { return other.id == one.id; });
    one.first = before == earlier.end() ? IoSample{} : before->last;
  }
  return later;
}

Result<int> watch(Session& session, const Options& options) {
  TH_ASSIGN(const NodeConfig node, load_node_config(session.kernel, session.layout));
  Instant then = session.kernel.clock().now();
  TH_ASSIGN(std::vector<stat::IoSamples> earlier, sample_all(session, node));
  for (std::uint64_t round = 0; options.count == 0 || round < options.count; ++round) {
    if (const Status slept = session.kernel.clock().sleep(options.interval); !slept) {
      if (slept.error().code == ErrorCode::interrupted) return 0;
      return slept.error();
    }
    const Instant now = session.kernel.clock().now();
    TH_ASSIGN(std::vector<stat::IoSamples> later, sample_all(session, node));
    const Duration length = std::max(now - then, Duration(milliseconds(1)));
    const auto figures = stat::io_figures(joined(earlier, later), length);
    const std::string between = round == 0 || options.json ? "" : "\n";
    session.console.out(options.json ? stat::io_json(figures, length)
                                     : between + stat::io_table(figures));
    earlier = std::move(later);
    then = now;
  }
  return 0;
}

Result<std::uint64_t> number(const char* name, const std::optional<std::string>& text,
                             std::uint64_t usual, std::uint64_t most) {
  if (!text) return usual;
  const auto value = parse_number(*text, 1, most);
  if (value) return *value;
  return fail(ErrorCode::invalid_argument, "vzstat.options", fmt::format("{} \"{}\"", name, *text),
              "no such number")
      .with_hint(fmt::format("a number from 1 to {}", most));
}

}  // namespace

int vzstat(Session& session, std::span<const std::string> argv) {
  bool io = false;
  bool json = false;
  bool once = false;
  std::optional<std::string> interval;
  std::optional<std::string> count;
  const ProgramGrammar grammar{
      .program = kProgram,
      .summary =
          "Shows what running Containers read and write, who waits for the own limits, and "
          "which Container is the bottleneck.",
      .examples =
          "  vzstat -a                        # each second, until Ctrl-C\n"
          "  vzstat -a -l -d 10               # ten seconds, once\n"
          "  vzstat -a -j --interval 5 --count 12\n",
      .flags = {{"-a", &io, "Disk I/O: the one view of this release"},
                {"-l", &once, "Once: the same as --count 1"},
                {"-j,--json", &json, "A line of JSON for each interval"}},
      .values = {{"-d,--interval", &interval, "SECONDS", "Between two samples; default 1"},
                 {"--count", &count, "N", "How many times; default until a signal"}}};
  const ProgramExits exits{.usage = 1, .failure = 1};
  return run_program(session, grammar, argv, exits, [&]() -> Result<int> {
    if (!io)
      return fail(ErrorCode::not_supported, "vzstat.options", "command line",
                  "only the view of disk I/O is part of this release")
          .with_hint("vzstat -a");
    Options options{.json = json};
    TH_ASSIGN(const std::uint64_t length, number("--interval", interval, 1, 86400));
    TH_ASSIGN(options.count, number("--count", count, once ? 1 : 0, 1'000'000));
    options.interval = seconds(length);
    return watch(session, options);
  });
}

}  // namespace twinhull::tools
