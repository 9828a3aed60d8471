#include "fuzz/operation_grammar.h"

#include <fmt/format.h>

namespace twinhull::fuzz {
namespace {

using scenario::FaultStep;
using scenario::RunStep;
using scenario::SleepStep;
using scenario::Step;

constexpr const char* kNodes[] = {"n1", "n2"};
constexpr const char* kContainers[] = {"101", "102", "103"};

scenario::Step command(const std::string& node, std::vector<std::string> argv) {
  RunStep run;
  run.node = node;
  run.argv = std::move(argv);
  for (const std::string& word : run.argv) {
    if (!run.line.empty()) run.line += ' ';
    run.line += word.find(' ') == std::string::npos ? word : "'" + word + "'";
  }
  // Which code is right depends on what happened before; the invariants judge.
  run.end.exits.clear();
  for (int code = 0; code < 256; ++code) run.end.exits.push_back(code);
  run.end.timeout = std::chrono::hours(24);
  Step step;
  step.title = run.line;
  step.action = std::move(run);
  return step;
}

scenario::Step fault(FaultStep::Kind kind, const std::string& node) {
  FaultStep made;
  made.kind = kind;
  made.node = node;
  if (kind == FaultStep::Kind::cut_link || kind == FaultStep::Kind::mend_link) {
    made.node = "n1";
    made.peer = "n2";
  }
  Step step;
  step.title = "fault";
  step.action = std::move(made);
  return step;
}

std::vector<std::string> setting(ByteSource& source) {
  static constexpr const char* settings[][2] = {{"--cpuunits", "2000"},
                                                {"--cpuunits", "7"},
                                                {"--cpulimit", "50"},
                                                {"--cpulimit", "0"},
                                                {"--cpus", "1"},
                                                {"--cpumask", "0"},
                                                {"--cpumask", "0-63"},
                                                {"--ram", "64M"},
                                                {"--ram", "1"},
                                                {"--swap", "128M"},
                                                {"--diskspace", "10M:20M"},
                                                {"--diskspace", "1G"},
                                                {"--diskinodes", "200:300"},
                                                {"--ipadd", "10.0.0.2"},
                                                {"--ipadd", "10.0.0.1"},
                                                {"--ipdel", "all"},
                                                {"--hostname", "h.example"},
                                                {"--nameserver", "10.0.0.53"},
                                                {"--name", "web"},
                                                {"--name", "db one"},
                                                {"--description", "two words"},
                                                {"--onboot", "yes"},
                                                {"--disabled", "yes"},
                                                {"--disabled", "no"},
                                                {"--userpasswd", "u:secret"},
                                                {"--numproc", "20"},
                                                {"--numproc", "1"},
                                                {"--oomguarpages", "4096:unlimited"},
                                                {"--oomguarpages", "0:unlimited"},
                                                {"--cpuunits", "many"},
                                                {"--cpulimit", "1200m"},
                                                {"--cpumask", "auto"},
                                                {"--cpumask", "all"},
                                                {"--nodemask", "0"},
                                                {"--nodemask", "7"},
                                                {"--nodemask", "all"},
                                                {"--burst_cpu_avg_usage", "10"},
                                                {"--burst_cpu_avg_usage", "0"},
                                                {"--burst_cpu_avg_usage", "101"},
                                                {"--burst_cpulimit", "20"},
                                                {"--burst_cpulimit", "0"},
                                                {"--burst_cpulimit", "x"},
                                                {"--ioprio", "0"},
                                                {"--ioprio", "7"},
                                                {"--ioprio", "8"},
                                                {"--iolimit", "1M"},
                                                {"--iolimit", "0"},
                                                {"--iolimit", "3G"},
                                                {"--iolimit", "1"},
                                                {"--iolimit", "-5"},
                                                {"--iopslimit", "50"},
                                                {"--iopslimit", "unlimited"},
                                                {"--iopslimit", "4294967295"},
                                                {"--numfile", "64"},
                                                {"--numfile", "0"},
                                                {"--numfile", "1024:512"},
                                                {"--kmemsize", "16M:18M"},
                                                {"--kmemsize", "huge"},
                                                {"--lockedpages", "256"},
                                                {"--privvmpages", "64K:72K"},
                                                {"--shmpages", "8192"},
                                                {"--vmguarpages", "16M"},
                                                {"--oomguarpages", "1G:unlimited"},
                                                {"--numtcpsock", "100"},
                                                {"--numflock", "100:110"},
                                                {"--numpty", "16"},
                                                {"--numsiginfo", "256"},
                                                {"--tcpsndbuf", "2M:3M"},
                                                {"--tcprcvbuf", "3M:2M"},
                                                {"--othersockbuf", "1M"},
                                                {"--dgramrcvbuf", "128K"},
                                                {"--numothersock", "80"},
                                                {"--dcachesize", "3M"},
                                                {"--numiptent", "20"},
                                                {"--avnumproc", "40"},
                                                {"--numproc", "unlimited"},
                                                {"--numpty", "1K"},
                                                {"--vm_overcommit", "1.5"},
                                                {"--vm_overcommit", "0"},
                                                {"--vm_overcommit", "1.2345"},
                                                {"--diskquota", "no"},
                                                {"--diskquota", "yes"},
                                                {"--capability", "net_admin:on"},
                                                {"--capability", "fly:on"},
                                                {"--searchdomain", "example"},
                                                {"--bootorder", "7"},
                                                {"--stop_timeout", "5"},
                                                {"--applyconfig", "basic"},
                                                {"--applyconfig", "vswap.256MB"},
                                                {"--applyconfig", "nothing"},
                                                {"--setmode", "restart"},
                                                {"--setmode", "ignore"}};
  const auto& chosen = source.pick(settings);
  return {chosen[0], chosen[1]};
}

/// CT 0: what it takes, and some that it does not.
std::vector<std::string> node_setting(ByteSource& source) {
  static constexpr const char* settings[][2] = {
      {"--cpuunits", "3000"}, {"--cpuunits", "8"},  {"--cpuunits", "7"}, {"--ioprio", "6"},
      {"--ioprio", "9"},      {"--iolimit", "10M"}, {"--iolimit", "0"},  {"--iopslimit", "100"},
      {"--onboot", "yes"},    {"--onboot", "no"},   {"--ram", "64M"},    {"--numproc", "20"}};
  const auto& chosen = source.pick(settings);
  return {chosen[0], chosen[1]};
}

/// Commands that look, and those of the node as a whole.
scenario::Step node_command(ByteSource& source, const std::string& node, const std::string& id) {
  switch (source.pick(7)) {
    case 0:
    case 1: {
      // Windows so short that sleeps of the grammar fill them.
      std::vector<std::string> words = {"vzasysd", "--once", "--window",
                                        source.pick(2) == 0 ? "1" : "10"};
      if (source.pick(2) == 0) words.push_back("-j");
      return command(node, std::move(words));
    }
    case 2:
    case 3: {
      std::vector<std::string> words = {"vzctl", "set", "0"};
      for (std::size_t i = source.pick(2); i < 2; ++i)
        for (std::string& word : node_setting(source)) words.push_back(std::move(word));
      if (source.pick(4) != 0) words.push_back("--save");
      return command(node, std::move(words));
    }
    case 4: return command(node, {"vzctl", "explain", source.pick(3) == 0 ? "0" : id});
    case 5: return command(node, {"vzstat", "-a", "-l"});
    default:
      return command(node, {"vzctl", "set", id, "--applyconfig_map",
                            source.pick(4) == 0 ? "nothing" : "name", "--save"});
  }
}

/// The node's service, for all of its containers or for one.
scenario::Step service_command(ByteSource& source, const std::string& node, const std::string& id) {
  static constexpr const char* verbs[] = {"start", "stop", "restart", "status"};
  std::vector<std::string> words = {"vz", source.pick(verbs)};
  if (source.pick(3) == 0) words.push_back(id);
  return command(node, std::move(words));
}

/// Moves and copies on one node.
scenario::Step local_command(ByteSource& source, const std::string& node, const std::string& id) {
  static constexpr const char* places[] = {":103", "::/vz/elsewhere/$VEID", "::/vz/private/$VEID",
                                           ":::/vz/there/$VEID", ":101", ""};
  std::vector<std::string> words = {"vzmlocal"};
  if (source.pick(3) == 0) words.push_back("-C");
  if (source.pick(3) == 0) words.push_back("--online");
  words.push_back(id + source.pick(places));
  return command(node, std::move(words));
}

/// Suspend, resume and pause, whole and in their parts.
scenario::Step state_command(ByteSource& source, const std::string& node, const std::string& id) {
  static constexpr const char* lines[][3] = {{"suspend", "", ""},
                                             {"suspend", "", ""},
                                             {"resume", "", ""},
                                             {"resume", "", ""},
                                             {"pause", "", ""},
                                             {"resume", "", ""},
                                             {"suspend", "--suspend", ""},
                                             {"suspend", "--dump", ""},
                                             {"suspend", "--kill", ""},
                                             {"suspend", "--resume", ""},
                                             {"resume", "--undump", ""},
                                             {"resume", "--resume", ""},
                                             {"resume", "--kill", ""},
                                             {"suspend", "--dumpfile", "/var/tmp/mine"}};
  std::vector<std::string> words = {"vzctl"};
  const auto& chosen = source.pick(lines);
  words.insert(words.end(), {chosen[0], id});
  for (std::size_t i = 1; i < 3; ++i)
    if (*chosen[i] != 0) words.emplace_back(chosen[i]);
  return command(node, std::move(words));
}

scenario::Step migration(ByteSource& source, const std::string& node, const std::string& id) {
  static constexpr const char* ways[][2] = {{"", ""},
                                            {"--online", ""},
                                            {"--online", ""},
                                            {"--online", "--noiter"},
                                            {"--online", "--auto-converge"},
                                            {"--online", "--require-realtime"},
                                            {"--online", "-s"},
                                            {"--online", "--lazy"},
                                            {"--online", "--lazy"},
                                            {"--lazy", "-s"},
                                            {"--check", "--online"}};
  static constexpr const char* rests[][2] = {
      {"", ""}, {"-r", "no"}, {"-r", "yes"}, {"--keep-dst", ""}, {"--new-id", "103"}};
  std::vector<std::string> words = {"vzmigrate"};
  const auto add = [&words](const auto& options) {
    for (const char* word : options)
      if (*word != 0) words.emplace_back(word);
  };
  add(source.pick(ways));
  add(source.pick(rests));
  words.insert(words.end(), {node == "n1" ? "n2" : "n1", id});
  return command(node, std::move(words));
}

scenario::Step next_command(ByteSource& source) {
  const std::string node = source.pick(kNodes);
  const std::string id = source.pick(kContainers);
  switch (source.pick(25)) {
    case 22: return service_command(source, node, id);
    case 23: return local_command(source, node, id);
    case 0: return command(node, {"vzctl", "create", "103", "--ostemplate", "busybox"});
    case 1:
      return command(node, {"vzctl", "create", "103", "--ostemplate", "busybox", "--ipadd",
                            "10.0.0.1", "--name", "web"});
    case 2: return command(node, {"vzctl", "destroy", id});
    case 3:
    case 4: return command(node, {"vzctl", "start", id});
    case 5: return command(node, {"vzctl", "stop", id});
    case 6: return command(node, {"vzctl", "stop", id, "--fast"});
    case 7: return command(node, {"vzctl", "restart", id});
    case 8: return command(node, {"vzctl", source.pick(2) == 0 ? "mount" : "umount", id});
    case 9:
    case 10: {
      std::vector<std::string> words = {"vzctl", "set", id};
      for (std::size_t i = source.pick(3); i < 3; ++i)
        for (std::string& word : setting(source)) words.push_back(std::move(word));
      if (source.pick(3) != 0) words.push_back("--save");
      return command(node, std::move(words));
    }
    case 11: {
      static constexpr const char* scripts[] = {
          "echo x >/tmp/x; sync",
          "vzload write /tmp/big --bytes 40M",
          "vzload memory --grow 200M",
          "vzload cpu --threads 3 --for 20 &",
          "vzload memory --grow 40M --hold 900 --dirty 8M >/dev/null 2>&1 &",
          "vzload cpu --for 2",
          "ping -c 1 10.0.0.2",
          "rm -rf /etc; mkdir /etc",
          "halt",
          "for i in 1 2 3 4 5 6 7 8; do sleep 100 & done",
          "reboot",
          "dd if=/dev/zero of=/tmp/z bs=1M count=30; sync",
          "cp /tmp/big /tmp/copy",
          "vzload files --count 2000"};
      return command(node, {"vzctl", "exec", id, source.pick(scripts)});
    }
    case 12:
    case 13:
    case 18: return migration(source, node, id);
    case 19:
    case 20: return state_command(source, node, id);
    case 14: return command(node, {"vzlist", "-a"});
    case 15:
    case 16:
    case 17: return node_command(source, node, id);
    default: return command(node, {"vzctl", "status", id});
  }
}

scenario::Step next_fault(ByteSource& source) {
  using Kind = FaultStep::Kind;
  // Not fail_call: an injected failure of a clean-up leaves what only the next command on that
  // container takes away, and the engine excuses that for cuts and kills alone.
  static constexpr Kind kinds[] = {Kind::power_cut_at, Kind::power_cut_at, Kind::kill_at,
                                   Kind::cut_link,     Kind::mend_link,    Kind::fill_disk,
                                   Kind::free_disk,    Kind::clear};
  Step step = fault(source.pick(kinds), source.pick(kNodes));
  auto& made = std::get<FaultStep>(step.action);
  made.nth = 1 + source.byte();
  if (made.kind == Kind::fill_disk) made.leave = Bytes{std::uint64_t{source.byte()} << 14};
  return step;
}

const char* name_of(FaultStep::Kind kind) {
  switch (kind) {
    case FaultStep::Kind::power_off: return "power_off";
    case FaultStep::Kind::power_on: return "power_on";
    case FaultStep::Kind::cut_link: return "cut_link";
    case FaultStep::Kind::mend_link: return "mend_link";
    case FaultStep::Kind::fill_disk: return "fill_disk";
    case FaultStep::Kind::free_disk: return "free_disk";
    case FaultStep::Kind::fail_call: return "fail_call";
    case FaultStep::Kind::power_cut_at: return "power_cut_at";
    case FaultStep::Kind::kill_at: return "kill_at";
    case FaultStep::Kind::kill: return "kill";
    case FaultStep::Kind::interrupt: return "interrupt";
    case FaultStep::Kind::clear: return "clear";
  }
  return "clear";
}

}  // namespace

scenario::Step next_step(ByteSource& source) {
  switch (source.pick(8)) {
    case 0:
    case 1: return next_fault(source);
    case 2: {
      Step step;
      step.title = "sleep";
      step.action = SleepStep{milliseconds(10 << source.pick(12))};
      return step;
    }
    default: return next_command(source);
  }
}

scenario::Step boot(const std::string& node) {
  return fault(FaultStep::Kind::power_on, node);
}

std::vector<scenario::Step> repairs() {
  using Kind = FaultStep::Kind;
  std::vector<Step> steps;
  for (const char* node : kNodes) {
    steps.push_back(fault(Kind::clear, node));
    steps.push_back(fault(Kind::free_disk, node));
    steps.push_back(fault(Kind::power_on, node));
  }
  steps.push_back(fault(Kind::mend_link, "n1"));
  Step pause;
  pause.title = "sleep";
  pause.action = SleepStep{seconds(60)};
  steps.push_back(std::move(pause));
  return steps;
}

std::vector<scenario::Step> closing_commands() {
  std::vector<Step> steps;
  for (const char* node : kNodes) {
    steps.push_back(command(node, {"vzctl", "set", "0", "--cpuunits", "1000", "--save"}));
    std::get<RunStep>(steps.back().action).end.exits = {0};
    steps.push_back(command(node, {"vzasysd", "--once"}));
    std::get<RunStep>(steps.back().action).end.exits = {0};
  }
  for (const char* node : kNodes)
    for (const char* id : kContainers)
      steps.push_back(command(node, {"vzctl", "stop", id, "--fast"}));
  for (const char* node : kNodes)
    for (const char* id : kContainers) steps.push_back(command(node, {"vzctl", "umount", id}));
  for (const char* node : kNodes)
    for (const char* id : kContainers) steps.push_back(command(node, {"vzctl", "destroy", id}));
  steps.push_back(command("n1", {"vzctl", "create", "104", "--ostemplate", "busybox"}));
  std::get<RunStep>(steps.back().action).end.exits = {0};
  steps.push_back(command("n1", {"vzctl", "start", "104"}));
  std::get<RunStep>(steps.back().action).end.exits = {0};
  return steps;
}

std::string as_yaml(const scenario::Scenario& scenario) {
  std::string text =
      "name: found-by-fuzzing\narea: lifecycle\nnodes:\n"
      "  - {name: n1, cpus: 2, memory: 2G, disk: 4G}\n"
      "  - {name: n2, cpus: 2, memory: 2G, disk: 4G}\n"
      "twins: [103]\nlinks:\n  - {between: [n1, n2]}\ntemplates: [busybox]\nsteps:\n"
      "  - run: vzctl create 101 --ostemplate busybox --name web --ipadd 10.0.0.1\n"
      "  - run: vzctl create 102 --ostemplate busybox\n"
      "  - run: vzctl start 101\n";
  for (const Step& step : scenario.steps) {
    if (const auto* run = std::get_if<RunStep>(&step.action)) {
      std::string codes;
      for (const int code : run->end.exits)
        codes += fmt::format("{}{}", codes.empty() ? "" : ", ", code);
      text += fmt::format("  - run: \"{}\"\n    node: {}\n    exit: [{}]\n", run->line, run->node,
                          codes);
    } else if (const auto* pause = std::get_if<SleepStep>(&step.action)) {
      text += fmt::format("  - sleep: {}ms\n", pause->length / milliseconds(1));
    } else if (const auto* made = std::get_if<FaultStep>(&step.action)) {
      text += fmt::format("  - fault: {}\n", name_of(made->kind));
      if (!made->peer.empty())
        text += fmt::format("    between: [{}, {}]\n", made->node, made->peer);
      else
        text += fmt::format("    node: {}\n", made->node);
      if (made->leave) text += fmt::format("    leave: {}\n", made->leave->value);
      if (made->kind == FaultStep::Kind::fail_call)
        text += fmt::format("    code: {}\n", to_string(made->code));
      if (made->kind == FaultStep::Kind::fail_call || made->kind == FaultStep::Kind::power_cut_at ||
          made->kind == FaultStep::Kind::kill_at)
        text += fmt::format("    nth: {}\n", made->nth);
    }
  }
  return text;
}

}  // namespace twinhull::fuzz
