// vzasysd: looks at the CPU use of containers and imposes burst limits (spec F4.6).
#include <fmt/format.h>

#include <optional>
#include <string>

#include "runtime/config/node_config.h"
#include "runtime/config/quantity.h"
#include "runtime/kernel/clock.h"
#include "runtime/migrate/recovery.h"
#include "runtime/node/exit_codes.h"
#include "runtime/node/lock.h"
#include "runtime/node/log.h"
#include "tools/commands.h"
#include "tools/vzasysd/report.h"
#include "tools/vzasysd/state_file.h"
#include "tools/vzasysd/tick.h"
#include "tools/vzcfg/program.h"

namespace twinhull::tools {
namespace {

constexpr const char* kProgram = "vzasysd";
constexpr std::uint64_t kInterval = 60;
constexpr std::uint64_t kWindow = 300;
constexpr std::uint64_t kDay = 86400;

struct Options {
  bool once = false;
  bool json = false;
  Duration interval{0};
  Duration window{0};
};

Result<Duration> seconds_of(const char* name, const std::optional<std::string>& text,
                            std::uint64_t usual) {
  if (!text) return Duration(seconds(usual));
  const auto number = parse_number(*text, 1, kDay);
  if (number) return Duration(seconds(*number));
  return fail(ErrorCode::invalid_argument, "vzasysd.options", fmt::format("{} \"{}\"", name, *text),
              "not a time")
      .with_exit_code(to_int(ExitCode::bad_command_line))
      .with_hint(fmt::format("seconds from 1 to {}", kDay));
}

Error second_one(const Layout& layout, Error lower) {
  return fail(lower.code, "vzasysd", asys::state_directory(layout), "another vzasysd is at work")
      .with_exit_code(to_int(ExitCode::locked))
      .with_hint("one is enough: stop it, or leave out --once")
      .caused_by(std::move(lower));
}

Result<int> look(container::Context& context, const Options& options) {
  TH_ASSIGN(const asys::TickReport report, asys::tick(context, options.window));
  if (options.once)
    context.session.console.out(options.json ? asys::report_json(report)
                                             : asys::report_table(report));
  return report.failed ? to_int(ExitCode::system_error) : 0;
}

/// vz.conf is read anew each time: its defaults may change while the daemon runs.
Result<int> look_once(Session& session, const Options& options) {
  TH_ASSIGN(const NodeConfig node, load_node_config(session.kernel, session.layout));
  // What a daemon does is in the log; --once -j is for programs, which want nothing between.
  Reporter reporter(session, node, kProgram, options.json ? Verbosity::quiet : Verbosity::normal);
  container::Context context{session, node, reporter, {migrate::recovery_handler()}};
  return look(context, options);
}

/// Until a signal. Trouble that passes (a full disk, a vz.conf that is being edited) does not end
/// it.
Result<int> look_for_ever(Session& session, const Options& options) {
  while (true) {
    const auto code = look_once(session, options);
    if (!code) {
      if (code.error().code == ErrorCode::node_down) return code.error();
      if (code.error().code == ErrorCode::interrupted) return 0;
      session.console.error(fmt::format("{}: {}\n", kProgram, code.error().message()));
    }
    const Status slept = session.kernel.clock().sleep(options.interval);
    if (slept) continue;
    if (slept.error().code == ErrorCode::interrupted) return 0;
    return slept.error();
  }
}

Result<int> run(Session& session, const Options& options) {
  auto lock =
      acquire_lock(session.kernel, asys::state_directory(session.layout), CtId{0}, "watching");
  if (!lock) {
    if (lock.error().code == ErrorCode::in_progress)
      return second_one(session.layout, std::move(lock).error());
    return std::move(lock).error();
  }
  Result<int> code = options.once ? look_once(session, options) : look_for_ever(session, options);
  if (!code && code.error().code == ErrorCode::node_down) return code;
  const Status released = release_lock(session.kernel, *lock);
  if (code && !released) return released.error();
  return code;
}

}  // namespace

int vzasysd(Session& session, std::span<const std::string> argv) {
  bool once = false;
  bool json = false;
  std::optional<std::string> interval;
  std::optional<std::string> window;
  const ProgramGrammar grammar{
      .program = kProgram,
      .summary =
          "Watches the CPU use of Containers: one whose average use over the window is above "
          "BURST_CPU_AVG_USAGE is held to BURST_CPULIMIT until it has calmed down.",
      .examples =
          "  vzctl set 101 --burst_cpu_avg_usage 50 --burst_cpulimit 20 --save\n"
          "  vzasysd                          # as a service: a look each minute\n"
          "  vzasysd --once                   # one look, from cron\n"
          "  vzasysd --interval 10 --window 120\n",
      .flags = {{"--once", &once, "Look once, show the Containers under burst control, and end"},
                {"-j,--json", &json, "With --once: as JSON"}},
      .values = {{"--interval", &interval, "SECONDS", "Between two looks; default 60"},
                 {"--window", &window, "SECONDS", "Of the average; default 300"}}};
  const ProgramExits exits{.usage = to_int(ExitCode::bad_command_line),
                           .failure = to_int(ExitCode::system_error)};
  std::optional<int> exit_code;
  const int code = run_program(session, grammar, argv, exits, [&]() -> Result<int> {
    Options options{.once = once, .json = json};
    const auto parsed = [&]() -> Result<int> {
      TH_ASSIGN(options.interval, seconds_of("--interval", interval, kInterval));
      TH_ASSIGN(options.window, seconds_of("--window", window, kWindow));
      if (json && !once)
        return fail(ErrorCode::invalid_argument, "vzasysd.options", "--json", "needs --once")
            .with_exit_code(to_int(ExitCode::bad_command_line));
      return run(session, options);
    }();
    if (!parsed) exit_code = exit_code_for(parsed.error());
    return parsed;
  });
  return exit_code.value_or(code);
}

}  // namespace twinhull::tools
