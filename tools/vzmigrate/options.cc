#include "tools/vzmigrate/options.h"

#include <CLI/CLI.hpp>

#include "runtime/config/quantity.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/peer_name.h"

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
  CLI::App app("Moves containers to another node.", "vzmigrate");
  app.set_help_flag("-h,--help", "Show this text");
  app.add_option("-r,--remove-area", remove,
                 "yes: delete the container here afterwards; no: keep it as *.migrated; "
                 "default: REMOVEMIGRATED of vz.conf");
  app.add_flag("-s,--nostart", options.no_start, "Do not start it at the destination");
  app.add_flag("--keep-dst", options.keep_destination,
               "After a failure keep what was copied, for the next try");
  app.add_flag("--dry-run", options.dry_run, "Only check whether it could be done (exit 104)");
  app.add_flag(
      "--check,--check-only", options.verdict,
      "Tell everything that stands in the way with its remedy, and how long the move and its "
      "downtime would be; moves nothing");
  app.add_flag("-j,--json", options.json, "With --check: as JSON");
  app.add_flag("-v,--verbose", options.verbose, "Say more");
  bool force_for_help = false;
  app.add_flag("-f,--nodeps", force_for_help,
               "Skip checks (-f=disk_space,technologies; alone: all that can be skipped); the "
               "container is not started there");
  app.add_option("--timeout", timeout,
                 "Seconds to wait for each answer of the destination (also: -t SECONDS)");
  app.add_flag("-t,--times", options.times, "Show what took how long");
  app.add_flag("--online,--live", online,
               "With running processes: they stand still for a moment, connections live on");
  app.add_flag("--noiter", not_iterative,
               "With --online: copy all memory while they stand still, none before");
  app.add_flag("--lazy", lazy, "With --online: fetch memory after the move; no kernel here can");
  app.add_flag("--require-realtime", wish.must_iterate,
               "With --online: fail rather than freeze for longer than --downtime because memory "
               "cannot be copied before");
  app.add_option("--downtime", downtime,
                 "With --online: milliseconds that the last of the memory may take");
  app.add_option("--rounds", wish.goals.rounds, "With --online: copy memory at most so many times");
  app.add_flag(
      "--auto-converge", wish.goals.slow_down,
      "With --online: take CPU time from a container that writes faster than the link carries");
  app.add_option("--rate", rate, "At most so many bytes a second (K, M, G)");
  app.add_flag("--compress", options.compress, "Compress what is sent, where that pays");
  app.add_option("--new-id", new_id, "Number at the destination");
  app.add_option("--new-name", options.name, "Name at the destination");
  app.add_option("--new-private", new_private, "VE_PRIVATE at the destination; may hold $VEID");
  app.add_option("--new-root", new_root, "VE_ROOT at the destination; may hold $VEID");
  app.add_option("host", host, "[USER@]HOST");
  app.add_option("containers", containers, "SRC[:DST[:PRIVATE[:ROOT]]] ...");
  app.footer(R"(Examples:
  vzmigrate --online n2.example.com 101           with its processes and connections
  vzmigrate --online -t --rate 50M n2 101 102     two, 50 MiB a second at most, with a timing table
  vzmigrate -r no root@n2 101:201:/vz/private/201 stopped, as 201 there; the old one is kept aside
  vzmigrate --dry-run n2 101                      only the checks
  vzmigrate --check --online n2 101               what stands in the way, and how long it would take
Exit codes: 0 moved; 1 usage; 3 locked; 4 no connection; 6 copy; 7 cannot start there; 8 cannot stop
here; 9 exists there; 11 template; 12 address in use; 21 connection broken; 31 disk space; 32, 73 the
destination lacks something; 45 name used; 57 unsupported; 104 dry run passed. All: the guide.)");
  try {
    // CLI11 takes the words last first.
    std::vector<std::string> words(argv.empty() ? argv.begin() : argv.begin() + 1, argv.end());
    TH_TRY(take_force(words, options));
    take_old_timeout(words);
    std::reverse(words.begin(), words.end());
    app.parse(words);
  } catch (const CLI::CallForHelp&) {
    options.help = app.help();
    return options;
  } catch (const CLI::ParseError& error) {
    return refuse(error.what());
  }
  if (lazy) {
    return fail(ErrorCode::not_supported, "migrate.options", "--lazy",
                "no node fetches memory after the move yet")
        .with_exit_code(migrate::to_int(migrate::MigrateExit::unsupported))
        .with_hint("without --lazy memory is copied before, again and again (see --downtime)");
  }
  if (!online && (not_iterative || wish.must_iterate || wish.goals.slow_down))
    return refuse("--noiter, --require-realtime and --auto-converge go with --online");
  if (options.json && !options.verdict) return refuse("-j goes with --check");
  if (not_iterative && wish.must_iterate)
    return refuse("--noiter and --require-realtime exclude each other");
  if (downtime < 1 || downtime > 3'600'000)
    return refuse("--downtime: accepted are 1 to 3600000 ms");
  if (wish.goals.rounds < 1 || wish.goals.rounds > 100)
    return refuse("--rounds: accepted are 1 to 100");
  wish.iterative = !not_iterative;
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
  for (const std::string& text : containers) {
    TH_ASSIGN(Entry entry, parse_entry(text));
    options.containers.push_back(std::move(entry));
  }
  if (new_id.empty() && options.name.empty() && new_private.empty() && new_root.empty())
    return options;
  if (options.containers.size() > 1)
    return refuse("--new-id, --new-name, --new-private and --new-root are for one container");
  Entry& only = options.containers.front();
  for (const auto& [option, part] :
       {std::pair{&new_id, &only.destination}, std::pair{&new_private, &only.private_pattern},
        std::pair{&new_root, &only.root_pattern}}) {
    if (option->empty()) continue;
    if (!part->empty() && *part != *option)
      return refuse("SRC:DST:PRIVATE:ROOT and --new-... say different things");
    *part = *option;
  }
  return options;
}

}  // namespace twinhull::tools::move
