#include "tools/common/backend.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <iostream>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "runtime/container/node_itself.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/processes.h"
#include "runtime/migrate/recovery.h"
#include "runtime/migrate/serve.h"
#include "runtime/node/exit_codes.h"
#include "runtime/physical/service.h"
#include "tools/common/fiber_companions.h"
#include "tools/common/node_setup.h"
#include "tools/common/world_file.h"
#ifdef TWINHULL_HAVE_LINUX
#include "backends/linux/linux_kernel.h"
#include "tools/common/process_companions.h"
#include "tools/common/stop_signal.h"
#endif

namespace twinhull::tools {
namespace {

/// Longest virtual time that one command on the simulator may take.
constexpr Duration kCommandLimit = std::chrono::hours(24 * 365);
/// The command that looks at a machine which need not be a node.
constexpr const char* kMachineTool = "vzhwcalc";

class StandardConsole final : public Console {
 public:
  void out(std::string_view text) override {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);  // programs that inherit the stream write behind it, not before
  }
  void error(std::string_view text) override {
    std::fflush(stdout);
    std::fwrite(text.data(), 1, text.size(), stderr);
  }
  [[nodiscard]] bool interactive() const override { return interactive_; }

 private:
  bool interactive_ = ::isatty(STDOUT_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1;
};

std::string read_standard_input() {
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

std::optional<std::string> read_standard_line() {
  std::string line;
  if (!std::getline(std::cin, line)) return std::nullopt;
  return line;
}

int report(const std::string& program, const Error& error, ExitCode exit_code = ExitCode::system_error) {
  std::fprintf(stderr, "%s: %s\n", program.c_str(), error.message().c_str());
  return error.exit_code != 0 ? error.exit_code : to_int(exit_code);
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string joined(const std::vector<std::string>& argv) {
  std::string text;
  for (const std::string& word : argv) text += text.empty() ? word : " " + word;
  return text;
}

int run_simulated(const BackendChoice& choice, CommandFunction command,
                  const std::vector<std::string>& argv, bool say_so) {
  const std::string path = choice.world.empty() ? default_world_path() : choice.world;
  auto file = WorldFile::open(path);
  if (!file) return report(argv[0], file.error());
  sim::World& world = file->world();
  const auto nodes = world.nodes();
  std::string node = choice.node;
  if (node.empty() && !nodes.empty()) node = nodes.front().name;
  bool known = false;
  for (const sim::NodeSpec& spec : nodes) known = known || spec.name == node;
  if (!known)
    return report(argv[0], fail(ErrorCode::not_found, "node.open", "node " + node,
                                "no such node in the simulated world " + path)
                               .with_hint("see: vzsim show"));
  if (!world.is_on(node))
    return report(argv[0], fail(ErrorCode::node_down, "node.open", "node " + node,
                                "has no power in the simulated world " + path)
                               .with_hint("start it with: vzsim power-on " + node));
  if (say_so)
    std::fprintf(stderr, "%s: simulated node %s (world %s)\n", argv[0].c_str(), node.c_str(),
                 path.c_str());

  StandardConsole console;
  const std::uint64_t before = world.digest();
  FiberCompanions companions(
      world, node, [command](Kernel& kernel, Console& out, const std::vector<std::string>& words) {
        Session session{kernel, Layout{}, out};
        return command(session, words);
      });
  auto id = world.start(node, joined(argv), [&](Kernel& kernel) {
    Session session{kernel, Layout{}, console, read_standard_input};
    session.read_line = read_standard_line;
    session.companions = &companions;
    return command(session, argv);
  });
  if (!id) return report(argv[0], id.error());
  const auto code = world.finish(*id, kCommandLimit);
  std::fflush(stdout);
  if (!code) return report(argv[0], code.error());
  // A command that only looked leaves the file alone.
  if (file->created() || world.digest() != before || (argv[0] != "vzlist" && argv[0] != "vzubc"))
    if (const Status saved = file->save(); !saved) return report(argv[0], saved.error());
  return *code;
}

#ifdef TWINHULL_HAVE_LINUX
/// The service that is wanted of us ("--serve NAME"); empty = we are run by a person.
std::string asked_service(const std::vector<std::string>& argv) {
  if (argv.size() < 2 || argv[1] != "--serve") return {};
  return argv.size() < 3 ? kMigrationService : argv[2];
}

int serve_as_machine(Kernel& kernel, const std::vector<std::string>& argv,
                     const RemoteAccess& remote) {
  auto channel = remote.serve(kMachineService);
  if (!channel) return report(argv[0], channel.error());
  const Status served = serve_machine(kernel, **channel);
  return served ? 0 : report(argv[0], served.error());
}

/// Returns when no migration has to be asked about, or that program cannot be started: then the
/// command itself says what it cannot do.
void turn_where_needed(Kernel& kernel, const Layout& layout, const RemoteAccess& remote) {
  if (remote.turns_into == nullptr) return;
  const auto open = migrate::has_open_departure(kernel, layout);
  if (!open || !*open) return;
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  ::execv((self.parent_path() / remote.turns_into).c_str(), remote.command_line);
}

int run_on_linux(const BackendChoice& choice, CommandFunction command,
                 const std::vector<std::string>& argv, const RemoteAccess& remote) {
  NodeFile node;
  if (!choice.node.empty()) {
    auto described = read_node_file(choice.node);
    if (!described) return report(argv[0], described.error());
    node = std::move(*described);
  }
  watch_stop_signals();
  linux_backend::NodeOptions options;
  options.proc_view = true;
  options.name = node.name;
  options.run_directory = node.run_directory;
  options.cgroup_prefix = node.cgroup_prefix;
  options.network_namespace = node.network_namespace;
  options.peers = node.peers;
  options.criu = environment("TWINHULL_CRIU");
  if (options.criu.empty()) options.criu = node.criu;
  options.stop = &stop_requested();
  const SharedCounter counter = SharedCounter::of_environment();
  options.sent = counter.value();
  options.data_directory = node.layout_root + "/vz";
  auto kernel = linux_backend::open_kernel(options, remote.channels);
  if (!kernel) return report(argv[0], kernel.error(), ExitCode::no_kernel_support);
  const Layout layout{node.layout_root};
  // A physical server becomes no node by being looked at.
  const std::string service = asked_service(argv);
  if (remote.serve != nullptr && service == kMachineService)
    return serve_as_machine(**kernel, argv, remote);
  StandardConsole console;
  if (argv[0] == kMachineTool) {
    Session session{**kernel, layout, console, read_standard_input, /*own_streams=*/true,
                    read_standard_line, {}};
    return command(session, argv);
  }
  const auto ready = is_set_up(**kernel, layout);
  if (!ready) return report(argv[0], ready.error());
  if (!*ready)
    if (const Status done = set_up_node(**kernel, layout); !done)
      return report(argv[0], done.error());
  turn_where_needed(**kernel, layout, remote);

  const auto enter_group = [&options](const CgroupPath& group) {
    return linux_backend::enter_group(options, group);
  };
  Session session{**kernel, layout, console, read_standard_input, /*own_streams=*/true,
                  read_standard_line, enter_group};
  std::vector<std::string> same_node{"--backend", "linux"};
  if (!choice.node.empty()) same_node.insert(same_node.end(), {"--node", choice.node});
  ProcessCompanions companions(std::move(same_node));
  session.companions = &companions;
  // The node's share is a promise to the containers: without it nothing is wrong but the figures.
  if (const Status entered = container::enter_node_itself(session); !entered)
    std::fprintf(stderr, "%s: warning: %s\n", argv[0].c_str(), entered.error().message().c_str());

  // The serving end of a migration speaks on our standard streams (spec F3.13).
  if (remote.serve != nullptr && !service.empty()) {
    auto channel = remote.serve(kMigrationService);
    if (!channel) return report(argv[0], channel.error());
    const Status served = serve_migration(**kernel, layout, **channel, enter_group);
    return served ? 0 : report(argv[0], served.error());
  }
  const int code = command(session, argv);
  std::fflush(stdout);
  return code;
}
#endif

}  // namespace

std::string default_world_path() {
  std::string state = environment("XDG_STATE_HOME");
  if (state.empty()) {
    const std::string home = environment("HOME");
    state = home.empty() ? "/tmp" : home + "/.local/state";
  }
  return state + "/twinhull/default.world";
}

Result<BackendChoice> take_backend_options(std::vector<std::string>& argv) {
  BackendChoice choice{environment("TWINHULL_BACKEND"), environment("TWINHULL_WORLD"),
                       environment("TWINHULL_NODE")};
  struct Option {
    std::string_view name;
    std::string* value;
  };
  const Option options[] = {
      {"--backend", &choice.backend}, {"--world", &choice.world}, {"--node", &choice.node}};
  for (bool again = true; again && argv.size() > 1;) {
    again = false;
    for (const Option& option : options) {
      if (argv[1] == option.name) {
        if (argv.size() < 3)
          return fail(ErrorCode::invalid_argument, "options", argv[1], "needs a value")
              .with_exit_code(to_int(ExitCode::bad_command_line));
        *option.value = argv[2];
        argv.erase(argv.begin() + 1, argv.begin() + 3);
        again = true;
        break;
      }
      if (argv[1].starts_with(std::string(option.name) + "=")) {
        *option.value = argv[1].substr(option.name.size() + 1);
        argv.erase(argv.begin() + 1);
        again = true;
        break;
      }
    }
  }
  if (!choice.backend.empty() && choice.backend != "linux" && choice.backend != "sim")
    return fail(ErrorCode::invalid_argument, "options", "--backend " + choice.backend,
                "unknown backend")
        .with_hint("use --backend linux or --backend sim")
        .with_exit_code(to_int(ExitCode::bad_command_line));
  return choice;
}

int run_on_backend(const BackendChoice& choice, CommandFunction command,
                   std::vector<std::string> argv,
                   [[maybe_unused]] const RemoteAccess& remote) {
  BackendChoice decided = choice;
  bool say_so = false;
  if (decided.backend.empty()) {
#ifdef TWINHULL_HAVE_LINUX
    const bool can_be_real = ::geteuid() == 0 && decided.world.empty();
#else
    const bool can_be_real = false;
#endif
    decided.backend = can_be_real ? "linux" : "sim";
    say_so = !can_be_real;
  }
  if (decided.backend == "sim") return run_simulated(decided, command, argv, say_so);
#ifdef TWINHULL_HAVE_LINUX
  return run_on_linux(decided, command, argv, remote);
#else
  return report(argv[0],
                fail(ErrorCode::not_supported, "node.open", "backend linux",
                     "this program was built without the Linux backend")
                    .with_hint("use --backend sim"),
                ExitCode::no_kernel_support);
#endif
}

}  // namespace twinhull::tools
