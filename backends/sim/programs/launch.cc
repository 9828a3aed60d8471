#include "backends/sim/programs/launch.h"

#include <algorithm>
#include <charconv>

#include "backends/sim/programs/disk_use.h"
#include "backends/sim/programs/load.h"
#include "backends/sim/programs/shell_code.h"
#include "backends/sim/programs/shell_machine.h"
#include "backends/sim/process/init_program.h"

namespace twinhull::sim {
namespace {

constexpr std::uint32_t kMostDepth = 64;
constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// `#!sim MODEL key=value…`
void parse_model(std::string_view line, Executable& into) {
  line.remove_prefix(5);
  bool first = true;
  while (!line.empty()) {
    const std::size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) break;
    line.remove_prefix(begin);
    const std::size_t end = std::min(line.find_first_of(" \t\r"), line.size());
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(end);
    const std::size_t equals = word.find('=');
    if (first) {
      into.model = std::string(word);
    } else if (equals != std::string_view::npos) {
      into.options[std::string(word.substr(0, equals))] = std::string(word.substr(equals + 1));
    }
    first = false;
  }
}

Executable examine(const FileView& view, std::string path) {
  Executable result;
  result.path = std::move(path);
  const auto info = view.stat_target(result.path);
  if (!info || !*info) return result;
  result.kind = Executable::Kind::denied;
  if ((*info)->kind != FileKind::regular || ((*info)->mode & 0111U) == 0) return result;
  auto head = view.read_first(result.path, Bytes{4096});
  if (!head) return result;
  const std::string line = head->substr(0, head->find('\n'));
  if (line.starts_with("#!sim ")) {
    result.kind = Executable::Kind::model;
    parse_model(line, result);
    return result;
  }
  const bool text = head->find('\0') == std::string::npos;
  const bool shell = line.starts_with("#!") && line.find("sh") != std::string::npos;
  if (!text || (line.starts_with("#!") && !shell)) {
    result.kind = Executable::Kind::unknown;
    return result;
  }
  auto script = view.read(result.path, Bytes{1 << 20});
  if (!script) return result;
  result.kind = Executable::Kind::script;
  result.text = std::move(*script);
  return result;
}

std::string_view base_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

/// A process for a program that takes time. Its start event is posted.
Launched as_child(ProcessModel& table, SimProcess& parent, std::vector<std::string> argv,
                  const std::map<std::string, std::string>& environment,
                  const std::string& directory, const ProcessStreams& streams,
                  std::unique_ptr<Program> program, bool become) {
  if (become) {
    parent.streams = streams;
    table.replace(parent, std::move(argv), environment, directory, std::move(program));
    return {0, parent.ref.pid};
  }
  RunSpec spec;
  spec.space = parent.space;
  spec.cgroup = parent.cgroup;
  spec.root = parent.root;
  spec.directory = directory;
  spec.environment = environment;
  spec.streams = streams;
  spec.parent = parent.ref.pid;
  spec.depth = parent.depth + 1;
  auto made = table.create(spec, std::move(argv), std::move(program));
  if (!made) {
    static_cast<void>(table.write(parent, streams.err,
                                  "sh: cannot fork: " + reason_of(made.error()) + "\n"));
    return {made.error().code == ErrorCode::no_memory ? 126 : 254, 0};
  }
  return {0, (*made)->ref.pid};
}

std::unique_ptr<Program> shell_of(std::string_view text, std::vector<std::string> parameters,
                                  std::string& error) {
  auto compiled = compile_shell(text);
  if (const auto* wrong = std::get_if<ShellSyntaxError>(&compiled)) {
    error = parameters[0] + ": line " + std::to_string(wrong->line) + ": syntax error: " +
            wrong->text + "\n";
    return nullptr;
  }
  return std::make_unique<ShellMachine>(
      std::get<std::shared_ptr<const ShellCode>>(std::move(compiled)), std::move(parameters));
}

/// `sh`, `sh -c TEXT [NAME ARG…]`, `sh [-e] FILE ARG…`, script on standard input.
int applet_sh(AppletCall& call) {
  std::size_t i = 1;
  bool command = false;
  std::string options;
  for (; i < call.argv.size() && call.argv[i].size() > 1 && call.argv[i][0] == '-'; ++i) {
    if (call.argv[i] == "--") {
      ++i;
      break;
    }
    for (char c : call.argv[i].substr(1)) {
      if (c == 'c') command = true;
      else if (c == 'e' || c == 'u') options += c;
    }
  }
  std::string text;
  std::vector<std::string> parameters;
  if (command) {
    if (i >= call.argv.size()) return call.refuse("-c requires an argument") + 1;
    text = call.argv[i++];
    parameters.emplace_back(i < call.argv.size() ? call.argv[i++] : call.argv[0]);
  } else if (i < call.argv.size()) {
    auto content = read_for(call.table, call.process, call.path(call.argv[i]));
    if (!content) {
      call.err += std::string(call.name()) + ": can't open '" + call.argv[i] +
                  "': " + reason_of(content.error()) + "\n";
      return 127;
    }
    text = std::move(*content);
    parameters.push_back(call.argv[i++]);
  } else {
    text = call.rest_of_input();
    parameters.push_back(call.argv[0]);
  }
  parameters.insert(parameters.end(), call.argv.begin() + static_cast<std::ptrdiff_t>(i),
                    call.argv.end());
  if (!options.empty()) text = "set -" + options + "; " + text;
  call.then = shell_of(text, std::move(parameters), call.err);
  return call.then ? 0 : 2;
}

}  // namespace

Executable find_executable(const FileView& view, std::string_view program,
                           const std::map<std::string, std::string>& environment,
                           const std::string& directory) {
  if (program.empty()) return {};
  if (program.find('/') != std::string_view::npos) {
    std::string path(program);
    if (path[0] != '/') path = directory + "/" + path;
    return examine(view, std::move(path));
  }
  const auto set = environment.find("PATH");
  std::string_view path = set == environment.end() ? kDefaultPath : std::string_view(set->second);
  Executable best;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find(':'), path.size());
    std::string place(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
    if (place.empty()) continue;
    Executable found = examine(view, place + "/" + std::string(program));
    if (found.kind == Executable::Kind::missing) continue;
    if (found.kind != Executable::Kind::denied) return found;
    best = std::move(found);
  }
  return best;
}

Launched launch(ProcessModel& table, SimProcess& parent, std::vector<std::string> argv,
                const std::map<std::string, std::string>& environment, const std::string& directory,
                const ProcessStreams& streams, bool become) {
  const FileView view = table.view(parent);
  const auto say = [&](const std::string& text) {
    static_cast<void>(table.write(parent, streams.err, text));
  };
  if (argv.empty() || argv[0].empty()) {
    say("sh: : not found\n");
    return {127, 0};
  }
  const std::string word = argv[0];
  Executable found = find_executable(view, word, environment, directory);
  // `echo`, `test`, `printf` and their kin are builtins of every shell.
  static constexpr std::string_view kBuiltins[] = {"echo", "printf", "test", "[", "kill", "pwd",
                                                   "true", "false"};
  const bool builtin = std::find(std::begin(kBuiltins), std::end(kBuiltins), word) !=
                       std::end(kBuiltins);
  if (found.kind != Executable::Kind::model && found.kind != Executable::Kind::script && builtin) {
    found.kind = Executable::Kind::model;
    found.model = word;
  }
  switch (found.kind) {
    case Executable::Kind::missing: say("sh: " + word + ": not found\n"); return {127, 0};
    case Executable::Kind::denied: say("sh: " + word + ": Permission denied\n"); return {126, 0};
    case Executable::Kind::unknown:
      say("sh: " + word + ": Exec format error (the simulator has no model of this program)\n");
      return {126, 0};
    default: break;
  }
  if (parent.depth >= kMostDepth) {
    say("sh: cannot fork: too many nested programs\n");
    return {254, 0};
  }
  if (found.kind == Executable::Kind::script) {
    std::vector<std::string> parameters{found.path};
    parameters.insert(parameters.end(), argv.begin() + 1, argv.end());
    std::string error;
    auto program = shell_of(found.text, std::move(parameters), error);
    if (!program) {
      say(error);
      return {2, 0};
    }
    return as_child(table, parent, std::move(argv), environment, directory, streams,
                    std::move(program), become);
  }
  std::string name(found.model);
  if (name == "busybox" || find_applet(name) == nullptr) {
    // Which applet: the name it was called by; a link may have another name than its model.
    std::string called(base_name(word));
    if (name == "busybox" && called == "busybox") {
      if (argv.size() < 2) {
        say("BusyBox (simulated)\n");
        return {0, 0};
      }
      argv.erase(argv.begin());
      called = std::string(base_name(argv[0]));
    }
    name = name == "busybox" ? called : name;
  }
  Applet applet = name == "sh" || name == "ash" || name == "bash" || name == "dash"
                      ? &applet_sh
                      : find_applet(name);
  if (applet == nullptr) {
    if (name == "init" || name == "systemd") {
      say(name + ": must be run as PID 1\n");
      return {1, 0};
    }
    say(std::string(name) + ": applet not found (the simulator has no model of it)\n");
    return {found.model == "busybox" ? 127 : 126, 0};
  }
  if (!builtin && !become && !table.cgroups().may_fork(parent.cgroup, 1)) {
    say("sh: can't fork: Resource temporarily unavailable\n");
    return {254, 0};
  }
  std::string where = directory;
  std::map<std::string, std::string> variables = environment;
  AppletCall call{table, parent, view, where, variables, argv, streams.in};
  const ProcessRef self = parent.ref;
  int status = applet(call);
  if (table.find(self) == nullptr) return {128 + 9, 0};  // it killed its own container
  if (const Status written = table.write(parent, streams.out, call.out); !written) {
    call.err += name + ": write error: " + reason_of(written.error()) + "\n";
    if (status == 0) status = 1;
  }
  if (!call.err.empty()) say(call.err);
  if (!call.then) return {status, 0};
  return as_child(table, parent, std::move(argv), variables, where, streams, std::move(call.then),
                  become);
}

void LaunchProgram::handle(ProcessModel& table, SimProcess& process, const ProcessEvent& event) {
  if (event.kind != ProcessEvent::Kind::start) return;
  const ProcessRef self = process.ref;
  const Launched launched = launch(table, process, process.argv, process.environment,
                                   process.directory, process.streams, true);
  if (launched.child == 0 && table.find(self) != nullptr) {
    table.finish(process, {false, launched.status});
  }
}

void DelayProgram::handle(ProcessModel& table, SimProcess& process, const ProcessEvent& event) {
  if (event.kind == ProcessEvent::Kind::start) {
    return table.arm(process, table.node().engine.now() + length_);
  }
  if (event.kind != ProcessEvent::Kind::timer) return;
  const Status out = table.write(process, process.streams.out, out_);
  const Status err = table.write(process, process.streams.err, err_);
  table.finish(process, {false, out && err ? status_ : 1});
}

std::unique_ptr<Program> make_program(ProgramKind kind) {
  switch (kind) {
    case ProgramKind::launch: return std::make_unique<LaunchProgram>();
    case ProgramKind::delay: return std::make_unique<DelayProgram>();
    case ProgramKind::load: return std::make_unique<LoadProgram>();
    case ProgramKind::shell: return std::make_unique<ShellMachine>();
    case ProgramKind::init: return std::make_unique<InitProgram>();
    case ProgramKind::idle: return std::make_unique<IdleProgram>();
    case ProgramKind::transfer: return std::make_unique<TransferProgram>();
  }
  return nullptr;
}

std::string reason_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::not_found: return "No such file or directory";
    case ErrorCode::exists: return "File exists";
    case ErrorCode::invalid_argument: return "Invalid argument";
    case ErrorCode::not_permitted: return "Operation not permitted";
    case ErrorCode::no_space: return "No space left on device";
    case ErrorCode::quota_exceeded: return "Disk quota exceeded";
    case ErrorCode::no_memory: return "Cannot allocate memory";
    case ErrorCode::limit_exceeded: return "Resource temporarily unavailable";
    case ErrorCode::busy: return "Device or resource busy";
    case ErrorCode::not_empty: return "Directory not empty";
    case ErrorCode::not_directory: return "Not a directory";
    case ErrorCode::is_directory: return "Is a directory";
    case ErrorCode::too_many_links: return "Too many levels of symbolic links";
    case ErrorCode::read_only: return "Read-only file system";
    case ErrorCode::cross_device: return "Invalid cross-device link";
    case ErrorCode::unreachable: return "Network is unreachable";
    default: return error.detail;
  }
}

std::optional<Duration> parse_seconds(std::string_view text) {
  std::int64_t factor = 1'000'000'000;
  if (!text.empty()) {
    const char unit = text.back();
    if (unit == 's' || unit == 'm' || unit == 'h' || unit == 'd') {
      if (unit == 'm') factor *= 60;
      if (unit == 'h') factor *= 3600;
      if (unit == 'd') factor *= 86400;
      text.remove_suffix(1);
    }
  }
  std::int64_t whole = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
  std::int64_t part = 0, scale = 1;
  std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const bool digits = error == std::errc{} && whole >= 0;
  if (!digits && !(text.starts_with('.') && text.size() > 1)) return std::nullopt;
  if (!digits) rest = text;
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    for (char c : rest) {
      if (c < '0' || c > '9') return std::nullopt;
      if (scale < 1'000'000'000) {
        part = part * 10 + (c - '0');
        scale *= 10;
      }
    }
  } else if (!rest.empty()) {
    return std::nullopt;
  }
  if (whole > 1'000'000'000'000'000 / (factor / 1'000'000)) return std::nullopt;
  return Duration(whole * factor + part * (factor / 1'000'000'000) * (1'000'000'000 / scale));
}

std::optional<std::uint64_t> parse_amount(std::string_view text) {
  unsigned shift = 0;
  if (!text.empty()) {
    switch (text.back()) {
      case 'k':
      case 'K': shift = 10; break;
      case 'm':
      case 'M': shift = 20; break;
      case 'g':
      case 'G': shift = 30; break;
      case 't':
      case 'T': shift = 40; break;
      default: break;
    }
    if (shift != 0) text.remove_suffix(1);
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  if (value > (std::uint64_t{1} << 62 >> shift)) return std::nullopt;
  return value << shift;
}

std::string AppletCall::path(std::string_view text) const {
  if (text.starts_with('/')) return std::string(text);
  return directory + "/" + std::string(text);
}

std::string AppletCall::rest_of_input() const {
  if (!in) return {};
  std::string rest = in->text.substr(in->offset);
  in->offset = in->text.size();
  return rest;
}

std::string_view AppletCall::name() const { return base_name(argv[0]); }

int AppletCall::refuse(std::string_view object, const Error& error) {
  err += std::string(name()) + ": " + std::string(object) + ": " + reason_of(error) + "\n";
  return 1;
}

int AppletCall::refuse(std::string_view text) {
  err += std::string(name()) + ": " + std::string(text) + "\n";
  return 1;
}

}  // namespace twinhull::sim
