#include "tools/vzmigrate/options.h"

#include <CLI/CLI.hpp>

#include "runtime/config/container_index.h"
#include "runtime/config/quantity.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/peer_name.h"
#include "runtime/migrate/ssh_options.h"
#include "tools/common/named_options.h"

namespace twinhull::tools::move {
namespace {

Error refuse(std::string_view why) {
  return fail(ErrorCode::invalid_argument, "migrate.options", "command line", why)
      .with_exit_code(migrate::to_int(migrate::MigrateExit::usage))
      .with_hint("see vzmigrate --help");
}

Result<Entry> parse_entry(std::string_view text) {
  Entry entry;
  std::string* const parts[] = {&entry.source, &entry.destination, &entry.private_pattern,
                                &entry.root_pattern};
  std::size_t index = 0;
  while (true) {
    const std::size_t colon = text.find(':');
    if (index == std::size(parts)) return refuse("too many parts in SRC:DST:PRIVATE:ROOT");
    *parts[index++] = text.substr(0, colon);
    if (colon == std::string_view::npos) break;
    text.remove_prefix(colon + 1);
  }
  if (entry.source.empty()) return refuse("a container is missing before ':'");
  return entry;
}

/// The checks that -f may name. Those that do not exist here yet are accepted and skip nothing.
Status skip_check(std::string_view name, std::set<migrate::MigrateExit>& skipped) {
  using migrate::MigrateExit;
  if (name == "all" || name == "disk_space") skipped.insert(MigrateExit::no_disk_space);
  if (name == "all" || name == "cpu_check") skipped.insert(MigrateExit::cpu_features);
  if (name == "all" || name == "technologies") skipped.insert(MigrateExit::technologies);
  for (const std::string_view known :
       {"all", "cpu_check", "disk_space", "technologies", "license", "rate", "bindmount"}) {
    if (name == known) return {};
  }
  return refuse(
      "-f: accepted are all, cpu_check, disk_space, technologies, license, rate, bindmount");
}

/// "-t SECONDS" is the older way to say --timeout; -t alone asks for the times.
void take_old_timeout(std::vector<std::string>& words) {
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string& next = words[i + 1];
    const bool number = !next.empty() && next.find_first_not_of("0123456789") == std::string::npos;
    if (words[i] == "-t" && number) words[i] = "--timeout";
  }
}

/// "-f=LIST" and "--nodeps=LIST" are taken off the words, for a bare -f must not eat the host.
Status take_force(std::vector<std::string>& words, Options& options) {
  std::vector<std::string> rest;
  for (std::string& word : words) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    if (name != "-f" && name != "--nodeps") {
      rest.push_back(std::move(word));
      continue;
    }
    options.force = true;
    std::string_view list =
        equals == std::string::npos ? "all" : std::string_view(word).substr(equals + 1);
    while (true) {
      const std::size_t comma = list.find(',');
      TH_TRY(skip_check(list.substr(0, comma), options.skipped));
      if (comma == std::string_view::npos) break;
      list.remove_prefix(comma + 1);
    }
  }
  words = std::move(rest);
  return {};
}

/// The word "--keeper=CTID" is taken off. There is no service container that --keeper alone could
/// mean.
Status take_keeper(std::vector<std::string>& words, Options& options) {
  constexpr std::string_view kName = "--keeper";
  for (auto word = words.begin(); word != words.end(); ++word) {
    if (*word == "--") return {};
    if (!word->starts_with(kName)) continue;
    if (*word == kName)
      return refuse("--keeper: there is no Service CT here, name the container: --keeper=CTID");
    if ((*word)[kName.size()] != '=') continue;
    auto keeper = parse_ctid(std::string_view(*word).substr(kName.size() + 1));
    if (!keeper) return refuse("--keeper: " + keeper.error().message());
    options.keeper = *keeper;
    words.erase(word);
    return {};
  }
  return {};
}

}  // namespace

Result<Options> parse_options(std::span<const std::string> argv) {
  Options options;
  std::string remove;
  std::string host;
  std::vector<std::string> containers;
  std::uint64_t timeout = 600;
  bool online = false, not_iterative = false, lazy = false;
  migrate::OnlineWish wish;
  std::uint64_t downtime = static_cast<std::uint64_t>(wish.goals.downtime / milliseconds(1));
  std::string rate, new_id, new_private, new_root;
  std::optional<std::string> ssh;
  std::vector<std::string> words(argv.empty() ? argv.begin() : argv.begin() + 1, argv.end());
  TH_TRY(take_force(words, options));
  TH_TRY(take_keeper(words, options));
  take_old_timeout(words);
  CLI::App app("Moves containers to another node.", "vzmigrate");
  app.set_help_flag("-h,--help", "Show this text");
  const NamedOptions named(words);
  const auto flag = [&](const char* names, bool& target, const char* text, const char* group = "Options") {
    if (named.may_have(names)) app.add_flag(names, target, text)->group(group);
  };
  const auto option = [&](const char* names, auto& target, const char* text) {
    if (named.may_have(names)) app.add_option(names, target, text);
  };
  option("-r,--remove-area", remove,
         "yes: delete the container here afterwards; no: keep it as *.migrated; "
         "default: REMOVEMIGRATED of vz.conf");
  flag("-s,--nostart", options.no_start, "Do not start it at the destination");
  flag("--keep-dst", options.keep_destination,
       "After a failure keep what was copied, for the next try");
  flag("--dry-run", options.dry_run, "Only check whether it could be done (exit 104)");
  flag("--check,--check-only", options.verdict,
       "Tell everything that stands in the way with its remedy, and how long the move and its "
       "downtime would be; moves nothing");
  flag("-j,--json", options.json,
       "What became of each, or with --check the check, as JSON");
  flag("-b,--batch", options.batch,
       "For scripts: one line for each, \"101 moved\" or \"102 failed 9\", and no display");
  option("--parallel", options.parallel, "So many containers at once (default: 1)");
  // No CLI option would take a value in "--keeper=101" and none in "--keeper".
  bool keeper_for_help = false;
  flag("--keeper", keeper_for_help,
       "--keeper=CTID: that container here answers for the addresses of one that is stopped, "
       "until the destination takes over");
  flag("--report", options.report, "", /*group=*/"");
  flag("-v,--verbose", options.verbose, "Say more");
  bool force_for_help = false;
  flag("-f,--nodeps", force_for_help,
       "Skip checks (-f=disk_space,technologies; alone: all that can be skipped); the "
       "container is not started there");
  option("--timeout", timeout,
         "Seconds to wait for each answer of the destination (also: -t SECONDS)");
  flag("-t,--times", options.times, "Show what took how long");
  flag("--online,--live", online,
       "With running processes: they stand still for a moment, connections live on");
  flag("--noiter", not_iterative,
       "With --online: copy all memory while they stand still, none before");
  flag("--lazy", lazy,
       "With --online: what is left of the memory (with --noiter: all of it) follows when "
       "they run at the destination, and who needs it sooner waits for it; a node that "
       "fails meanwhile makes the container start anew from its disk");
  flag("--require-realtime", wish.must_iterate,
       "With --online: fail rather than freeze for longer than --downtime because memory "
       "cannot be copied before");
  option("--downtime", downtime,
         "With --online: milliseconds that the last of the memory may take");
  option("--rounds", wish.goals.rounds, "With --online: copy memory at most so many times");
  flag("--auto-converge", wish.goals.slow_down,
       "With --online: take CPU time from a container that writes faster than the link carries");
  option("--rate", rate, "At most so many bytes a second (K, M, G)");
  flag("--compress", options.compress, "Compress what is sent, where that pays");
  option("--ssh", ssh,
         "Options for ssh, in one word: --ssh=\"-p 2222 -i /root/.ssh/moves\"; quotes as in "
         "a shell, nothing is expanded");
  option("--new-id", new_id, "Number at the destination");
  option("--new-name", options.name, "Name at the destination");
  option("--new-private", new_private, "VE_PRIVATE at the destination; may hold $VEID");
  option("--new-root", new_root, "VE_ROOT at the destination; may hold $VEID");
  app.add_option("host", host, "[USER@]HOST");
  app.add_option("containers", containers, "SRC[:DST[:PRIVATE[:ROOT]]] ...");
  app.footer(R"(Examples:
  vzmigrate --online n2.example.com 101           with its processes and connections
  vzmigrate --online -t --rate 50M n2 101 102     two, 50 MiB a second at most, with a timing table
  vzmigrate -r no root@n2 101:201:/vz/private/201 stopped, as 201 there; the old one is kept aside
  vzmigrate --dry-run n2 101                      only the checks
  vzmigrate -t --parallel 3 n2 101 102 103 104    three at once; a table at the end
  vzmigrate --ssh="-p 2222" vzagent@n2 101        options for ssh
  vzmigrate --keeper=200 n2 101                   CT 200 shows that 101 is on its way
  vzmigrate --check --online n2 101               what stands in the way, and how long it would take
Exit codes: 0 moved; 1 usage; 3 locked; 4 no connection; 6 copy; 7 cannot start there; 8 cannot stop
here; 9 exists there; 11 template; 12 address in use; 21 connection broken; 31 disk space; 32, 73 the
destination lacks something; 45 name used; 57 unsupported; 104 dry run passed. All: the guide.)");
  try {
    std::reverse(words.begin(), words.end());  // CLI11 takes them last first
    app.parse(words);
  } catch (const CLI::CallForHelp&) {
    options.help = app.help();
    return options;
  } catch (const CLI::ParseError& error) {
    return refuse(error.what());
  }
  if (!online && (not_iterative || lazy || wish.must_iterate || wish.goals.slow_down))
    return refuse("--noiter, --lazy, --require-realtime and --auto-converge go with --online");
  if (options.batch && options.json) return refuse("-b and -j exclude each other");
  if (options.batch && options.verdict) return refuse("-b goes with no --check; -j does");
  if (options.parallel < 1 || options.parallel > 64)
    return refuse("--parallel: accepted are 1 to 64");
  if (not_iterative && !lazy && wish.must_iterate)
    return refuse("--noiter and --require-realtime exclude each other, without --lazy");
  if (downtime < 1 || downtime > 3'600'000)
    return refuse("--downtime: accepted are 1 to 3600000 ms");
  if (wish.goals.rounds < 1 || wish.goals.rounds > 100)
    return refuse("--rounds: accepted are 1 to 100");
  wish.iterative = !not_iterative;
  wish.lazy = lazy;
  wish.goals.downtime = milliseconds(downtime);
  if (online) options.online = wish;
  if (!rate.empty()) {
    const auto amount = parse_quantity(rate, QuantityUnit::bytes);
    if (!amount || *amount < 1024 || *amount == kUnlimited)
      return refuse("--rate: accepted are 1K and more");
    options.rate = BytesPerSecond{*amount};
  }
  if (!remove.empty()) {
    const auto removal = parse_yes_no(remove);
    if (!removal) return refuse("-r: accepted are yes and no");
    options.remove = *removal;
  }
  if (timeout < 1 || timeout > 86400) return refuse("-t: accepted are 1 to 86400 seconds");
  options.timeout = seconds(timeout);
  if (host.empty()) return refuse("no host is named");
  if (containers.empty()) return refuse("no container is named");
  TH_ASSIGN(options.peer, migrate::parse_peer(host));
  if (ssh) {
    TH_ASSIGN(options.peer.ssh_options, migrate::parse_ssh_options(*ssh));
  }
  for (const std::string& text : containers) {
    TH_ASSIGN(Entry entry, parse_entry(text));
    options.containers.push_back(std::move(entry));
  }
  if (new_id.empty() && options.name.empty() && new_private.empty() && new_root.empty())
    return options;
  if (options.containers.size() > 1)
    return refuse("--new-id, --new-name, --new-private and --new-root are for one container");
  Entry& only = options.containers.front();
  for (const auto& [given, part] :
       {std::pair{&new_id, &only.destination}, std::pair{&new_private, &only.private_pattern},
        std::pair{&new_root, &only.root_pattern}}) {
    if (given->empty()) continue;
    if (!part->empty() && *part != *given)
      return refuse("SRC:DST:PRIVATE:ROOT and --new-... say different things");
    *part = *given;
  }
  return options;
}

}  // namespace twinhull::tools::move
