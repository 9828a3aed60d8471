// Applets on the system: hostname ps kill uname nproc free uptime ip ping halt chpasswd mount …
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "backends/sim/net/net_model.h"
#include "backends/sim/programs/applets.h"

namespace twinhull::sim {
namespace {

int hostname(AppletCall& call) {
  for (std::size_t i = 1; i < call.argv.size(); ++i) {
    if (call.argv[i] == "-F" && i + 1 < call.argv.size()) {
      const auto text = call.files.read(call.path(call.argv[i + 1]));
      if (!text) return call.refuse(call.argv[i + 1], text.error());
      call.table.set_hostname(call.process.space, text->substr(0, text->find('\n')));
      return 0;
    }
    if (call.argv[i].starts_with('-')) continue;
    if (call.argv[i].size() > 64) return call.refuse("the name is too long");
    call.table.set_hostname(call.process.space, call.argv[i]);
    return 0;
  }
  call.out += call.table.hostname(call.process.space) + "\n";
  return 0;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

int ps(AppletCall& call) {
  call.out += "  PID USER       VSZ STAT COMMAND\n";
  std::vector<SimProcess*> list = call.table.members(call.process.space);
  for (const SimProcess* process : list) {
    const std::uint64_t size =
        process->memory == 0 ? 0 : call.table.cgroups().memory().held(process->memory).value;
    call.out += fmt::format("{:>5} root  {:>8} {:<4} {}\n", process->inner_pid, size / 1024,
                            process->stopped ? "T" : "S", joined(process->argv));
  }
  call.out += fmt::format("{:>5} root  {:>8} {:<4} {}\n",
                          call.process.inner_pid + (list.empty() ? 0 : 1), 64, "R", joined(call.argv));
  return 0;
}

std::optional<Signal> parse_signal(std::string text) {
  if (text.starts_with("SIG")) text.erase(0, 3);
  static constexpr std::tuple<std::string_view, std::string_view, Signal> kSignals[] = {
      {"HUP", "1", Signal::hangup},    {"INT", "2", Signal::interrupt},
      {"KILL", "9", Signal::kill},     {"USR1", "10", Signal::user1},
      {"USR2", "12", Signal::user2},   {"TERM", "15", Signal::terminate},
      {"CONT", "18", Signal::resume},  {"STOP", "19", Signal::stop},
      {"PWR", "30", Signal::power_fail}};
  for (const auto& [name, number, signal] : kSignals) {
    if (text == name || text == number) return signal;
  }
  return std::nullopt;
}

int kill(AppletCall& call) {
  Signal signal = Signal::terminate;
  bool probe = false;
  int status = 0;
  std::size_t i = 1;
  if (i < call.argv.size() && call.argv[i].size() > 1 && call.argv[i][0] == '-') {
    std::string name = call.argv[i++].substr(1);
    if (name == "s" && i < call.argv.size()) name = call.argv[i++];
    probe = name == "0";
    const auto parsed = parse_signal(name);
    if (!parsed && !probe) return call.refuse("unknown signal " + name);
    if (parsed) signal = *parsed;
  }
  if (i >= call.argv.size()) return call.refuse("a process is missing");
  for (; i < call.argv.size(); ++i) {
    const auto wanted = parse_amount(call.argv[i]);
    SimProcess* target = nullptr;
    for (SimProcess* member : call.table.members(call.process.space)) {
      if (wanted && member->inner_pid == static_cast<std::int32_t>(std::min<std::uint64_t>(*wanted, 1U << 30U))) {
        target = member;
      }
    }
    if (target == nullptr || target->command) {
      status = call.refuse("can't kill pid " + call.argv[i] + ": No such process");
      continue;
    }
    if (probe) continue;
    const Space* home = call.table.space(call.process.space);
    // Inside its pid namespace even SIGKILL does not reach the first process.
    if (home != nullptr && home->init == target->ref.pid && signal == Signal::kill) continue;
    const ProcessRef self = call.process.ref;
    call.table.send(*target, signal);
    if (call.table.find(self) == nullptr) return status;
  }
  return status;
}

int uname(AppletCall& call) {
  std::string flags;
  for (std::size_t i = 1; i < call.argv.size(); ++i) flags += call.argv[i].substr(std::min<std::size_t>(1, call.argv[i].size()));
  if (flags.empty()) flags = "s";
  if (flags.find('a') != std::string::npos) flags = "snrvm";
  std::string line;
  const auto add = [&](char flag, const std::string& text) {
    if (flags.find(flag) != std::string::npos) line += (line.empty() ? "" : " ") + text;
  };
  add('s', "Linux");
  add('n', call.table.hostname(call.process.space));
  add('r', call.table.node().spec.kernel);
  add('v', "#1");
  add('m', "x86_64");
  add('o', "GNU/Linux");
  call.out += line + "\n";
  return 0;
}

int nproc(AppletCall& call) {
  CgroupModel& groups = call.table.cgroups();
  call.out += std::to_string(groups.cpu().allowed(groups.find(call.process.cgroup)->cpu).count()) + "\n";
  return 0;
}

int free(AppletCall& call) {
  const bool megabytes = call.argv.size() > 1 && call.argv[1] == "-m";
  const bool bytes = call.argv.size() > 1 && call.argv[1] == "-b";
  const std::uint64_t unit = megabytes ? 1 << 20 : bytes ? 1 : 1024;
  const MemoryView seen = memory_view(call.table, call.process);
  call.out += "              total        used        free      shared  buff/cache   available\n";
  call.out += fmt::format("Mem:    {:>11} {:>11} {:>11} {:>11} {:>11} {:>11}\n", seen.total / unit,
                          seen.used / unit, seen.free / unit, 0, seen.cache / unit,
                          (seen.total - seen.used) / unit);
  call.out += fmt::format("Swap:   {:>11} {:>11} {:>11}\n", seen.swap_total / unit,
                          seen.swap_used / unit, (seen.swap_total - seen.swap_used) / unit);
  return 0;
}

int uptime(AppletCall& call) {
  const auto up = read_special(call.table, call.process, "/proc/uptime");
  const auto load = read_special(call.table, call.process, "/proc/loadavg");
  call.out += " up " + up->substr(0, up->find(' ')) + " s, load average: " +
              load->substr(0, load->find(' ')) + "\n";
  return 0;
}

/// halt, poweroff, reboot, shutdown: asks the container's init to end.
int halt(AppletCall& call) {
  if (call.process.space == kNodeSpace) {
    return call.refuse("not permitted: the node itself is switched off through the world");
  }
  const Signal how = call.name() == "reboot" ? Signal::terminate : Signal::user2;
  if (!call.table.stop_space(call.process.space, how)) {
    const Space* home = call.table.space(call.process.space);
    if (home == nullptr) return 1;
    call.table.kill(home->init, 15);  // an init of no model that can be asked
  }
  return 0;
}

const NetNamespace* network(const AppletCall& call) {
  return net_of(call.table.node()).find(call.process.space);
}

void show_device(AppletCall& call, const std::string& name, const NetDevice& device, int number,
                 bool addresses) {
  call.out += fmt::format("{}: {}: <{}{}> mtu {} state {}\n", number, name,
                          device.kind == LinkKind::loopback ? "LOOPBACK" : "BROADCAST",
                          device.up ? ",UP,LOWER_UP" : "",
                          device.kind == LinkKind::loopback ? 65536 : 1500,
                          device.up ? "UP" : "DOWN");
  call.out += fmt::format("    link/{} {}\n", device.kind == LinkKind::loopback ? "loopback" : "ether",
                          device.mac);
  if (!addresses) return;
  for (const IpPrefix& address : device.addresses) {
    call.out += fmt::format("    {} {}/{} scope {}\n",
                            address.address.family == IpAddress::Family::v4 ? "inet" : "inet6",
                            address.address.text(), address.length,
                            device.kind == LinkKind::loopback ? "host" : "global");
  }
}

/// ip [-4|-6] addr|link|route [show|add|del] …
int ip(AppletCall& call) {
  std::vector<std::string> words;
  for (std::size_t i = 1; i < call.argv.size(); ++i) {
    if (!call.argv[i].starts_with('-')) words.push_back(call.argv[i]);
  }
  if (words.empty()) return call.refuse("usage: ip addr|link|route …");
  NetModel& net = net_of(call.table.node());
  NetNamespace* home = net.find(call.process.space);
  if (home == nullptr) return call.refuse("no network namespace");
  const auto is = [](const std::string& word, std::string_view full) {
    return !word.empty() && full.starts_with(word);
  };
  const std::string action = words.size() > 1 ? words[1] : "show";
  std::map<std::string, std::string> options;  // dev X, via Y, scope link …
  std::string target;
  for (std::size_t i = 2; i < words.size(); ++i) {
    if (words[i] == "dev" || words[i] == "via" || words[i] == "scope" || words[i] == "src" ||
        words[i] == "metric" || words[i] == "broadcast" || words[i] == "brd") {
      if (i + 1 < words.size()) options[words[i]] = words[i + 1];
      ++i;
    } else if (words[i] == "up" || words[i] == "down") {
      options["state"] = words[i];
    } else if (words[i] != "onlink" && target.empty()) {
      target = words[i];
    }
  }
  const bool show = is(action, "show") || is(action, "list");
  const bool add = is(action, "add") || action == "replace";
  const bool del = is(action, "delete");
  const auto no_device = [&](const std::string& name) {
    return call.refuse("Cannot find device \"" + name + "\"");
  };
  if (is(words[0], "address") || (is(words[0], "link") && show)) {
    const bool addresses = is(words[0], "address");
    if (show) {
      const std::string wanted = options.contains("dev") ? options["dev"] : target;
      int number = 1;
      bool found = wanted.empty();
      for (const auto& [name, device] : home->devices) {
        if (wanted.empty() || wanted == name) {
          show_device(call, name, device, number, addresses);
          found = true;
        }
        ++number;
      }
      return found ? 0 : call.refuse("Device \"" + wanted + "\" does not exist.");
    }
    const auto prefix = IpPrefix::parse(target);
    if (!prefix) return call.refuse("\"" + target + "\" is no address");
    const auto device = home->devices.find(options["dev"]);
    if (device == home->devices.end()) return no_device(options["dev"]);
    auto& list = device->second.addresses;
    const auto place = std::find(list.begin(), list.end(), *prefix);
    if (add) {
      if (place != list.end()) {
        call.err += "RTNETLINK answers: File exists\n";
        return action == "replace" ? 0 : 2;
      }
      list.push_back(*prefix);
    } else if (del) {
      if (place == list.end()) {
        call.err += "RTNETLINK answers: Cannot assign requested address\n";
        return 2;
      }
      list.erase(place);
    } else {
      return call.refuse("unknown command " + action);
    }
    net.changed();
    return 0;
  }
  if (is(words[0], "link")) {
    if (action != "set") return call.refuse("only \"link show\" and \"link set\" are modelled");
    const std::string name = options.contains("dev") ? options["dev"] : target;
    const auto device = home->devices.find(name);
    if (device == home->devices.end()) return no_device(name);
    if (options.contains("state")) device->second.up = options["state"] == "up";
    if (options.contains("state") && !device->second.up) {
      std::erase_if(home->routes, [&](const Route& route) { return route.device == name; });
    }
    net.changed();
    return 0;
  }
  if (!is(words[0], "route")) return call.refuse("Object \"" + words[0] + "\" is unknown");
  if (show) {
    for (const Route& route : home->routes) {
      call.out += (route.destination.length == 0 ? "default"
                   : route.destination.length == route.destination.address.bit_length()
                       ? route.destination.address.text()
                       : route.destination.text());
      if (route.gateway) call.out += " via " + route.gateway->text();
      call.out += " dev " + route.device + "\n";
    }
    return 0;
  }
  const auto destination =
      target == "default" ? IpPrefix::parse("0.0.0.0/0") : IpPrefix::parse(target);
  if (!destination) return call.refuse("\"" + target + "\" is no destination");
  const auto same = std::find_if(home->routes.begin(), home->routes.end(), [&](const Route& route) {
    return route.destination == *destination;
  });
  if (del) {
    if (same == home->routes.end()) {
      call.err += "RTNETLINK answers: No such process\n";
      return 2;
    }
    home->routes.erase(same);
    net.changed();
    return 0;
  }
  if (!add) return call.refuse("unknown command " + action);
  Route route{*destination, options["dev"], std::nullopt};
  if (options.contains("via")) {
    const auto gateway = IpAddress::parse(options["via"]);
    if (!gateway) return call.refuse("\"" + options["via"] + "\" is no address");
    route.gateway = gateway;
  }
  if (route.device.empty() && route.gateway) {
    for (const auto& [name, device] : home->devices) {
      for (const IpPrefix& own : device.addresses) {
        if (own.contains(*route.gateway)) route.device = name;
      }
    }
  }
  const auto device = home->devices.find(route.device);
  if (device == home->devices.end()) return no_device(route.device);
  if (!device->second.up) {
    call.err += "RTNETLINK answers: Network is down\n";
    return 2;
  }
  if (same != home->routes.end()) {
    if (action != "replace") {
      call.err += "RTNETLINK answers: File exists\n";
      return 2;
    }
    home->routes.erase(same);
  }
  home->routes.push_back(route);
  net.changed();
  return 0;
}

int ping(AppletCall& call) {
  std::uint32_t count = 4;
  Duration wait = seconds(10), interval = seconds(1);
  std::string target;
  for (std::size_t i = 1; i < call.argv.size(); ++i) {
    const std::string& word = call.argv[i];
    if (word.size() >= 2 && word[0] == '-' && std::string_view("cWwi").find(word[1]) != std::string_view::npos) {
      std::string value = word.substr(2);
      if (value.empty() && i + 1 < call.argv.size()) value = call.argv[++i];
      const auto amount = parse_amount(value);
      const auto length = parse_seconds(value);
      if (!length) return call.refuse("invalid number '" + value + "'");
      if (word[1] == 'c' && amount) count = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(*amount, 1, 1000));
      if (word[1] == 'W' || word[1] == 'w') wait = *length;
      if (word[1] == 'i') interval = *length;
    } else if (!word.starts_with('-')) {
      target = word;
    }
  }
  auto address = IpAddress::parse(target);
  if (!address) {  // /etc/hosts is the only name service
    const auto hosts = call.files.read("/etc/hosts");
    if (hosts) {
      std::size_t at = 0;
      while (at < hosts->size() && !address) {
        const std::size_t end = std::min(hosts->find('\n', at), hosts->size());
        const std::string line = hosts->substr(at, end - at) + " ";
        at = end + 1;
        const std::size_t blank = line.find_first_of(" \t");
        if (line.find(" " + target + " ", blank) != std::string::npos ||
            line.find("\t" + target + " ", blank) != std::string::npos) {
          address = IpAddress::parse(line.substr(0, blank));
        }
      }
    }
  }
  if (!address) return call.refuse("bad address '" + target + "'");
  Duration round_trip{0};
  const auto answered = net_of(call.table.node()).ping(call.process.space, *address, count, round_trip);
  std::string text = fmt::format("PING {} ({}): 56 data bytes\n", target, address->text());
  const std::uint32_t back = answered.value_or(0);
  for (std::uint32_t i = 0; i < back; ++i) {
    text += fmt::format("64 bytes from {}: seq={} ttl=64 time={}.{:03} ms\n", address->text(), i,
                        round_trip.count() / 1'000'000, round_trip.count() / 1000 % 1000);
  }
  text += fmt::format("\n--- {} ping statistics ---\n{} packets transmitted, {} packets received, {}% packet loss\n",
                      target, count, back, (count - back) * 100 / count);
  std::string why;
  if (!answered) why = "ping: " + answered.error().detail + "\n";
  Duration length = interval * static_cast<std::int64_t>(count - 1) + (back == count ? round_trip : std::min(wait, Duration(seconds(3600))));
  call.then = std::make_unique<DelayProgram>(length, back > 0 ? 0 : 1, std::move(text), std::move(why));
  return 0;
}

/// chpasswd: "user:password" lines of the input into /etc/shadow.
int chpasswd(AppletCall& call) {
  auto shadow = call.files.read("/etc/shadow");
  if (!shadow) return call.refuse("/etc/shadow", shadow.error());
  const auto passwd = call.files.read("/etc/passwd");
  const bool encrypted = std::find(call.argv.begin(), call.argv.end(), "-e") != call.argv.end();
  std::string text = call.rest_of_input();
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    const std::size_t colon = line.find(':');
    if (line.empty()) continue;
    if (colon == std::string::npos || colon == 0) return call.refuse("missing new password");
    const std::string user = line.substr(0, colon);
    if (!passwd || ("\n" + *passwd).find("\n" + user + ":") == std::string::npos) {
      return call.refuse("unknown user " + user);
    }
    const std::string word = encrypted ? line.substr(colon + 1)
                                       : fmt::format("$sim${:016x}", hash_text(line));
    std::string result;
    bool found = false;
    std::size_t from = 0;
    while (from < shadow->size()) {
      const std::size_t stop = std::min(shadow->find('\n', from), shadow->size());
      std::string entry = shadow->substr(from, stop - from);
      from = stop + 1;
      if (entry.starts_with(user + ":")) {
        const std::size_t second = entry.find(':', user.size() + 1);
        entry = user + ":" + word + (second == std::string::npos ? ":19000:0:99999:7:::" : entry.substr(second));
        found = true;
      }
      result += entry + "\n";
    }
    if (!found) result += user + ":" + word + ":19000:0:99999:7:::\n";
    *shadow = result;
  }
  const Status written = call.files.write("/etc/shadow", *shadow, 0640);
  return written ? 0 : call.refuse("/etc/shadow", written.error());
}

int adduser(AppletCall& call) {
  std::string user;
  std::string home, shell = "/bin/sh";
  for (std::size_t i = 1; i < call.argv.size(); ++i) {
    const std::string& word = call.argv[i];
    if ((word == "-h" || word == "-d" || word == "-s" || word == "-g" || word == "-G" || word == "-u" ||
         word == "-c" || word == "--gecos" || word == "--home" || word == "--shell") &&
        i + 1 < call.argv.size()) {
      ++i;
      if (word == "-h" || word == "-d" || word == "--home") home = call.argv[i];
      if (word == "-s" || word == "--shell") shell = call.argv[i];
    } else if (!word.starts_with('-')) {
      user = word;
    }
  }
  if (user.empty() || user.find_first_of(":/\n ") != std::string::npos) return call.refuse("bad user name");
  const auto passwd = call.files.read("/etc/passwd");
  if (!passwd) return call.refuse("/etc/passwd", passwd.error());
  if (("\n" + *passwd).find("\n" + user + ":") != std::string::npos) {
    call.err += std::string(call.name()) + ": user '" + user + "' in use\n";
    return call.name() == "useradd" ? 9 : 1;
  }
  std::uint64_t uid = 1000;
  while (passwd->find(fmt::format(":x:{}:", uid)) != std::string::npos) ++uid;
  if (home.empty()) home = "/home/" + user;
  Status done = call.files.append("/etc/passwd", fmt::format("{}:x:{}:{}:{}:{}:{}\n", user, uid, uid, user, home, shell));
  if (done) done = call.files.append("/etc/group", fmt::format("{}:x:{}:\n", user, uid));
  if (done) done = call.files.append("/etc/shadow", user + ":!:19000:0:99999:7:::\n", 0640);
  if (done && call.name() == "adduser") {
    if (const auto made = call.files.make_directory(home); !made) done = made.error();
    else done = call.files.set_owner(home, {static_cast<std::uint32_t>(uid), static_cast<std::uint32_t>(uid)});
  }
  return done ? 0 : call.refuse(user, done.error());
}

int mount(AppletCall& call) {
  if (call.argv.size() > 1) return call.refuse("mounting inside a container is not modelled");
  call.out += *read_special(call.table, call.process, "/proc/mounts");
  return 0;
}

int netstat(AppletCall& call) {
  const NetNamespace* home = network(call);
  if (home == nullptr) return 0;
  for (const auto& [port, pid] : home->servers) call.out += fmt::format("tcp LISTEN 0.0.0.0:{}\n", port);
  return 0;
}

/// As the seccomp profile of real containers answers.
int chattr(AppletCall& call) {
  if (call.argv.size() < 3) return call.refuse("missing operand");
  return call.refuse("setting flags on " + call.argv.back() + ": Operation not supported");
}

constexpr AppletEntry kSystem[] = {
    {"hostname", &hostname}, {"ps", &ps},         {"kill", &kill},         {"uname", &uname},
    {"nproc", &nproc},       {"free", &free},     {"uptime", &uptime},     {"halt", &halt},
    {"poweroff", &halt},     {"reboot", &halt},   {"ip", &ip},             {"ping", &ping},
    {"chpasswd", &chpasswd}, {"adduser", &adduser}, {"useradd", &adduser}, {"mount", &mount},
    {"netstat", &netstat},   {"chattr", &chattr}};

}  // namespace

std::span<const AppletEntry> system_applets() { return kSystem; }

}  // namespace twinhull::sim
