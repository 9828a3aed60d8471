#include "tools/vzctl/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include "runtime/config/parameter.h"
#include "runtime/config/suggest.h"
#include "runtime/node/exit_codes.h"
#include "tools/common/named_options.h"

namespace twinhull::tools::ctl {
namespace {

constexpr const char* kVersion = "vzctl version 0.1.0 (Twinhull)\n";

struct Row {
  Command command;
  std::string_view name;
  std::string_view alias;
  const char* summary;
  const char* examples;
};

constexpr Row kRows[] = {
    {Command::create, "create", "", "Make a new container from an OS template",
     "  vzctl create 101 --ostemplate busybox\n"
     "  vzctl create 102 --ostemplate debian-12-x86_64 --config vswap.512MB \\\n"
     "      --hostname web1 --ipadd 10.0.0.2 --name web1\n"},
    {Command::destroy, "destroy", "delete", "Delete a stopped container and its data",
     "  vzctl destroy 101\n  vzctl destroy 101 --safe    # keep the data as *.destroyed\n"},
    {Command::start, "start", "", "Mount and start a container",
     "  vzctl start 101\n  vzctl start web1 --wait\n"},
    {Command::stop, "stop", "", "Shut a container down and unmount it",
     "  vzctl stop 101\n  vzctl stop 101 --fast       # kill at once\n"},
    {Command::restart, "restart", "", "Stop a container and start it again",
     "  vzctl restart 101 --wait\n"},
    {Command::status, "status", "", "Tell the state of a container",
     "  vzctl status 101            # VEID 101 exist mounted running\n"},
    {Command::explain, "explain", "", "Tell why a container is limited as it is",
     "  vzctl explain 101                  # every limit that acts\n"
     "  vzctl explain web1 cpulimit ram    # these, set or not\n"
     "  vzctl explain 101 --json\n"
     "  vzctl explain 0                    # what the node itself runs\n"},
    {Command::mount, "mount", "", "Mount a container's private area", "  vzctl mount 101\n"},
    {Command::umount, "umount", "", "Unmount a container's private area", "  vzctl umount 101\n"},
    {Command::set, "set", "",
     "Change parameters, of the running container and with --save for good",
     "  vzctl set 101 --cpuunits 2000 --cpulimit 50 --save\n"
     "  vzctl set 101 --ram 512M --swap 256M\n"
     "  vzctl set 101 --ipdel all --ipadd 10.0.0.3 --save\n"
     "  vzctl set 101 --applyconfig vswap.1024MB --save\n"
     "  vzctl set 101 --burst_cpu_avg_usage 50 --burst_cpulimit 20 --save\n"
     "  vzctl set 0 --cpuunits 2000 --save    # what the node itself runs\n"
     "  vzctl set 101 --userpasswd root:secret\n"},
    {Command::exec, "exec", "", "Run a command in a container; exit 8 when it fails",
     "  vzctl exec 101 ps ax\n  vzctl exec 101 'ls /etc | wc -l'\n"
     "  echo uptime | vzctl exec 101 -\n"},
    {Command::exec2, "exec2", "", "Run a command in a container; exit with its own code",
     "  vzctl exec2 101 test -e /etc/passwd\n"},
    {Command::exec3, "exec3", "", "Like exec2, without a shell: the words as they are",
     "  vzctl exec3 101 printf '%s\\n' 'a  b'\n"},
    {Command::enter, "enter", "", "Open a root shell in a container",
     "  vzctl enter 101\n  vzctl enter 101 --exec top\n"},
    {Command::suspend, "suspend", "chkpnt",
     "Save the state of a running container to disk and stop it",
     "  vzctl suspend 101                       # to DUMPDIR/Dump.101; vzctl resume brings it back\n"
     "  vzctl suspend 101 --dumpfile /backup/101.dump\n"
     "  vzctl suspend 101 --suspend             # step by step: freeze,\n"
     "  vzctl suspend 101 --dump                #   write the state,\n"
     "  vzctl suspend 101 --kill                #   and end it (or --resume: go on)\n"},
    {Command::resume, "resume", "restore", "Let a suspended or paused container go on",
     "  vzctl resume 101\n"
     "  vzctl resume 101 --dumpfile /backup/101.dump\n"
     "  vzctl resume 101 --undump               # step by step: restore it frozen,\n"
     "  vzctl resume 101 --resume               #   and let it go (or --kill: back to the dump)\n"},
    {Command::pause, "pause", "", "Freeze a container in memory; resume lets it go on",
     "  vzctl pause 101\n  vzctl resume 101\n"},
    {Command::runscript, "runscript", "", "Run a script file of the node in a container",
     "  vzctl runscript 101 /root/fix.sh\n"},
};

/// Commands of the product that are not built yet: told apart from mistyped ones.
constexpr std::string_view kLater[] = {
    "snapshot",  "snapshot-switch", "snapshot-delete", "snapshot-mount", "snapshot-umount",
    "console",   "execaction",      "monitor",         "quotaon",        "quotaoff",
    "quotainit", "convert",         "register",        "unregister",     "compact",
    "recover",   "reinstall",       "snapshot-list"};

Error bad_line(std::string_view what, ExitCode code = ExitCode::bad_command_line) {
  return fail(ErrorCode::invalid_argument, "vzctl.command_line", "vzctl", what)
      .with_exit_code(to_int(code))
      .with_hint("see vzctl --help");
}

const Row* find_row(std::string_view name) {
  const auto* row = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& candidate) {
    return candidate.name == name || (!candidate.alias.empty() && candidate.alias == name);
  });
  return row == std::end(kRows) ? nullptr : row;
}

bool is_exec(Command command) {
  return command == Command::exec || command == Command::exec2 || command == Command::exec3;
}

/// Every option that names a parameter, with the request that each of its values becomes.
using ParameterOptions = std::map<const CLI::Option*, std::string>;

/// "--ipadd,--ip": all spellings of a parameter, with dashes and underscores.
std::string spellings(const Parameter& parameter) {
  std::vector<std::string> names{std::string(parameter.option)};
  for (const std::string_view alias : parameter.aliases) names.emplace_back(alias);
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "--" : ",--") + name;
    std::string other = name;
    std::replace(other.begin(), other.end(), '-', '_');
    if (other != name) text += ",--" + other;
  }
  return text;
}

CLI::Option* add_values(CLI::App& app, const std::string& names, const std::string& help) {
  CLI::Option* option = app.add_option(names)->description(help);
  option->expected(1)->allow_extra_args(false);
  option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  option->type_name("VALUE");
  return option;
}

void add_parameters(CLI::App& app, ParameterOptions& options, const NamedOptions& named,
                    const std::vector<std::string_view>& except) {
  for (const Parameter& parameter : parameters()) {
    if (std::find(except.begin(), except.end(), parameter.option) != except.end()) continue;
    const std::string names = spellings(parameter);
    if (!named.may_have(names)) continue;
    CLI::Option* option = add_values(app, names, std::string(parameter.syntax));
    option->group("Parameters");
    options.emplace(option, std::string(parameter.option));
  }
}

/// The requests in the order of the command line: --ipdel all --ipadd X is not --ipadd X --ipdel
/// all.
std::vector<ParameterRequest> take_requests(const CLI::App& app, const ParameterOptions& options) {
  std::vector<ParameterRequest> requests;
  std::map<const CLI::Option*, std::size_t> taken;
  for (const CLI::Option* option : app.parse_order()) {
    const auto found = options.find(option);
    if (found == options.end()) continue;
    const std::size_t index = taken[option]++;
    if (index >= option->results().size()) continue;
    const std::string& value = option->results()[index];
    if (!requests.empty() && requests.back().option == found->second) {
      requests.back().values.push_back(value);
    } else {
      requests.push_back({found->second, {value}});
    }
  }
  return requests;
}

/// CLI11's parser for one command, bound to an invocation. Of the parameters it knows those that are named.
class Grammar {
 public:
  Grammar(const Row& row, Invocation& invocation, const NamedOptions& named)
      : row_(row),
        invocation_(invocation),
        named_(named),
        app_(row.summary, "vzctl " + std::string(row.name)) {
    app_.allow_extras();
    app_.set_help_flag("-h,--help", "Show this text");
    app_.footer("Examples:\n" + std::string(row.examples));
    app_.add_flag("--quiet", quiet_, "Nothing on the console");
    app_.add_flag("--verbose", verbose_, "More on the console");
    app_.add_option("CTID", invocation_.container, "Number (101...) or name of the container");
    add_options();
  }

  Result<std::variant<Invocation, Answer>> parse(std::vector<std::string> words) {
    std::reverse(words.begin(), words.end());  // CLI11 takes them from the back
    try {
      app_.parse(std::move(words));
    } catch (const CLI::CallForHelp&) {
      return Answer{app_.help()};
    } catch (const CLI::ParseError& error) {
      return bad_line(std::string(row_.name) + ": " + error.what());
    }
    TH_TRY(check_rest());
    if (quiet_) invocation_.verbosity = Verbosity::quiet;
    if (verbose_) invocation_.verbosity = Verbosity::verbose;
    if (invocation_.container.empty())
      return bad_line(std::string(row_.name) + " needs the number or name of a container");
    TH_TRY(finish());
    return std::move(invocation_);
  }

 private:
  void add_options() {
    container::CreateOptions& create = invocation_.create;
    container::StartOptions& start = invocation_.start;
    container::StopOptions& stop = invocation_.stop;
    switch (row_.command) {
      case Command::create:
        app_.add_option("--ostemplate,--pkgset", create.ostemplate, "OS template to start from");
        app_.add_option("--config", create.sample, "sample configuration: ve-NAME.conf-sample");
        app_.add_option("--private", create.private_pattern, "private area; $VEID is replaced");
        app_.add_option("--root", create.root_pattern, "mount point; $VEID is replaced");
        app_.add_flag("--force", create.force, "do not warn below 10 GB of free space");
        app_.add_flag("--skip_app_templates,--skip-app-templates,--skip_app", unused_,
                      "install no application templates (there are none in this release)");
        add_parameters(app_, options_, named_, {"ostemplate", "userpasswd"});
        break;
      case Command::destroy:
        app_.add_flag("--safe", invocation_.destroy.safe, "keep the data, renamed to *.destroyed");
        break;
      case Command::start: add_start(start); break;
      case Command::stop: add_stop(stop); break;
      case Command::restart:
        add_start(start);
        add_stop(stop);
        break;
      case Command::mount:
      case Command::umount:
        app_.add_flag("--skip_ve_setup,--skip-ve-setup", invocation_.mount.skip_scripts,
                      "run no action scripts");
        break;
      case Command::set:
        app_.add_flag("--save", invocation_.set.save, "write it to the configuration too");
        app_.add_option("--setmode", mode_, "restart or ignore: when it cannot be applied live")
            ->type_name("MODE");
        app_.add_flag("--crypted", invocation_.set.crypted, "the password is a hash");
        app_.add_option("--applyconfig", invocation_.set.sample,
                        "take the resources of this sample; needs --save")
            ->type_name("NAME");
        app_.add_option("--applyconfig_map,--applyconfig-map", invocation_.set.sample_map,
                        "name: make the container's name again as its configuration says")
            ->type_name("NAME");
        add_parameters(app_, options_, named_, {});
        break;
      case Command::explain:
        app_.add_option("PARAMETER", invocation_.words, "options of vzctl set, without dashes");
        app_.add_flag("-j,--json", invocation_.json, "as JSON");
        break;
      case Command::enter:
        app_.add_option("--exec", command_, "run this command instead of a shell");
        break;
      case Command::runscript:
        app_.add_option("SCRIPT", command_, "script file of the node");
        break;
      case Command::exec:
      case Command::exec2:
      case Command::exec3:
        app_.add_option("COMMAND",
                        "the command and its words as they are; - = from standard input");
        break;
      case Command::suspend:
        add_dumpfile(invocation_.suspend.dumpfile);
        app_.add_flag("--suspend", freeze_, "only freeze it");
        app_.add_flag("--dump", dump_, "only write the state of a frozen one");
        app_.add_flag("--kill", kill_, "only end a frozen one whose state is written");
        app_.add_flag("--resume", go_, "only let a frozen one go on");
        break;
      case Command::resume:
        add_dumpfile(invocation_.resume.dumpfile);
        app_.add_flag("--undump", undump_, "only restore it, frozen");
        app_.add_flag("--resume", go_, "only let it go on after --undump");
        app_.add_flag("--kill", kill_, "only end it after --undump; the dump stays");
        app_.add_flag("--skip-fsck,--skip_fsck", unused_, "(private areas here need no check)");
        break;
      case Command::pause:
      case Command::status: break;
    }
  }

  void add_dumpfile(std::string& into) {
    app_.add_option("--dumpfile", into, "where the state is, instead of DUMPDIR/Dump.CTID")
        ->type_name("PATH");
  }

  void add_start(container::StartOptions& start) {
    app_.add_flag("--wait", start.wait, "return when the system inside is up");
    app_.add_flag("--force", start.force, "start although DISABLED=yes");
    app_.add_flag("--skip_ve_setup,--skip-ve-setup", start.skip_setup,
                  "no action scripts, nothing configured inside");
  }

  void add_stop(container::StopOptions& stop) {
    app_.add_flag("--fast", stop.fast, "kill at once");
    app_.add_flag("--skip-umount,--skip_umount", stop.skip_unmount, "leave it mounted");
  }

  /// What CLI11 could not place: unknown options and words too many.
  Status check_rest() {
    const std::vector<std::string> rest = app_.remaining();
    if (rest.empty()) return {};
    const std::string& word = rest.front();
    if (!word.starts_with('-'))
      return bad_line(std::string(row_.name) + ": unexpected word \"" + word + "\"");
    const std::string name = word.substr(0, word.find('='));
    Invocation unused;
    const NamedOptions all;
    const Grammar whole(row_, unused, all);
    std::vector<std::string> known;
    for (const CLI::Option* option : whole.app_.get_options())
      for (const std::string& spelling : option->get_lnames()) known.push_back("--" + spelling);
    const std::vector<std::string_view> views(known.begin(), known.end());
    return bad_line(std::string(row_.name) + ": unknown option " + name,
                    ExitCode::unknown_parameter)
        .with_hint(suggestion(name, views, "see vzctl " + std::string(row_.name) + " --help"));
  }

  Status finish() {
    switch (row_.command) {
      case Command::create:
        invocation_.create.parameters = take_requests(app_, options_);
        return {};
      case Command::set: return finish_set();
      case Command::suspend:
      case Command::resume: return finish_phases();
      case Command::enter:
        if (!command_.empty()) invocation_.words = {command_};
        return {};
      case Command::runscript:
        if (command_.empty()) return bad_line("runscript needs a script file");
        invocation_.words = {command_};
        return {};
      default: return {};
    }
  }

  Status finish_phases() {
    if (freeze_ + dump_ + kill_ + go_ + undump_ > 1)
      return bad_line(std::string(row_.name) + " takes one phase at a time");
    using Suspend = container::SuspendPhase;
    using Resume = container::ResumePhase;
    invocation_.suspend.phase = freeze_ ? Suspend::freeze
                                : dump_ ? Suspend::dump
                                : kill_ ? Suspend::kill
                                : go_   ? Suspend::thaw
                                        : Suspend::whole;
    invocation_.resume.phase = undump_ ? Resume::undump
                               : go_   ? Resume::go
                               : kill_ ? Resume::kill
                                       : Resume::whole;
    return {};
  }

  Status finish_set() {
    container::SetOptions& set = invocation_.set;
    if (mode_ == "restart") {
      set.mode = container::SetMode::restart;
    } else if (mode_ == "ignore") {
      set.mode = container::SetMode::ignore;
    } else if (!mode_.empty()) {
      return bad_line("--setmode takes restart or ignore, not \"" + mode_ + "\"",
                      ExitCode::bad_value);
    }
    for (ParameterRequest& request : take_requests(app_, options_)) {
      if (request.option == "userpasswd") {
        set.passwords.insert(set.passwords.end(), request.values.begin(), request.values.end());
      } else {
        set.parameters.push_back(std::move(request));
      }
    }
    return {};
  }

  const Row& row_;
  Invocation& invocation_;
  const NamedOptions& named_;
  CLI::App app_;
  ParameterOptions options_;
  std::string mode_;
  std::string command_;
  bool quiet_ = false;
  bool verbose_ = false;
  bool unused_ = false;
  bool freeze_ = false, dump_ = false, kill_ = false, go_ = false, undump_ = false;
};

std::string overview() {
  std::string text =
      "vzctl: controls containers\n\n"
      "Usage: vzctl [--quiet|--verbose] COMMAND CTID|NAME [OPTIONS]\n"
      "       vzctl --help | --version | COMMAND --help\n\nCommands:\n";
  for (const Row& row : kRows) {
    std::string name(row.name);
    if (!row.alias.empty()) name += "|" + std::string(row.alias);
    name.resize(std::max<std::size_t>(name.size() + 1, 16), ' ');
    text += "  " + name + row.summary + "\n";
  }
  text +=
      "\nExamples:\n"
      "  vzctl create 101 --ostemplate busybox --hostname web1 --ipadd 10.0.0.2\n"
      "  vzctl start 101\n"
      "  vzctl exec 101 hostname\n"
      "  vzctl set 101 --cpulimit 50 --ram 256M --save\n"
      "  vzctl stop 101\n";
  return text;
}

Error unknown_command(std::string_view word) {
  if (std::find(std::begin(kLater), std::end(kLater), word) != std::end(kLater))
    return bad_line("the command " + std::string(word) + " is not part of this release");
  std::vector<std::string_view> known;
  for (const Row& row : kRows) {
    known.push_back(row.name);
    if (!row.alias.empty()) known.push_back(row.alias);
  }
  return bad_line("unknown command \"" + std::string(word) + "\"")
      .with_hint(suggestion(word, known, "see vzctl --help"));
}

/// exec takes its words untouched: their options are not vzctl's.
Result<std::variant<Invocation, Answer>> parse_exec(const Row& row, Invocation invocation,
                                                    std::vector<std::string> words) {
  if (!words.empty() && !words.front().starts_with('-')) {
    invocation.container = words.front();
    invocation.words.assign(words.begin() + 1, words.end());
    // "exec 101 -- ls" is accepted as getopt-minded people write it.
    if (!invocation.words.empty() && invocation.words.front() == "--")
      invocation.words.erase(invocation.words.begin());
    if (invocation.words.empty())
      return bad_line(std::string(row.name) + " needs a command to run");
    return invocation;
  }
  return Grammar(row, invocation, NamedOptions(words)).parse(words);
}

}  // namespace

Result<std::variant<Invocation, Answer>> parse_command_line(std::span<const std::string> argv) {
  Invocation invocation;
  std::size_t next = 1;
  for (; next < argv.size() && argv[next].starts_with('-'); ++next) {
    const std::string& word = argv[next];
    if (word == "--quiet") {
      invocation.verbosity = Verbosity::quiet;
    } else if (word == "--verbose") {
      invocation.verbosity = Verbosity::verbose;
    } else if (word == "--help" || word == "-h") {
      return Answer{overview()};
    } else if (word == "--version") {
      return Answer{kVersion};
    } else {
      return bad_line("unknown option " + word, ExitCode::unknown_parameter)
          .with_hint(suggestion(word, {"--quiet", "--verbose", "--help", "--version"},
                                "options of a command follow the command"));
    }
  }
  if (next >= argv.size())
    return bad_line("no command was given")
        .with_hint("for example: vzctl start 101; see vzctl --help");
  const Row* row = find_row(argv[next]);
  if (row == nullptr) {
    if (argv[next] == "help") return Answer{overview()};
    return unknown_command(argv[next]);
  }
  invocation.command = row->command;
  std::vector<std::string> words(argv.begin() + static_cast<std::ptrdiff_t>(next) + 1, argv.end());
  if (is_exec(row->command)) return parse_exec(*row, std::move(invocation), std::move(words));
  return Grammar(*row, invocation, NamedOptions(words)).parse(words);
}

}  // namespace twinhull::tools::ctl
