#include "tools/vzmigrate/options.h"

#include <CLI/CLI.hpp>

#include "runtime/config/quantity.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/peer_name.h"

namespace twinhull::tools::move {
namespace {

constexpr int kUnsupported = 57;

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
  if (name == "all" || name == "technologies") skipped.insert(MigrateExit::technologies);
  for (const std::string_view known :
       {"all", "cpu_check", "disk_space", "technologies", "license", "rate", "bindmount"}) {
    if (name == known) return {};
  }
  return refuse(
      "-f: accepted are all, cpu_check, disk_space, technologies, license, rate, bindmount");
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
  bool online = false;
  CLI::App app("Moves containers to another node.", "vzmigrate");
  app.set_help_flag("-h,--help", "Show this text");
  app.add_option("-r,--remove-area", remove,
                 "yes: delete the container here afterwards; no: keep it as *.migrated; "
                 "default: REMOVEMIGRATED of vz.conf");
  app.add_flag("-s,--nostart", options.no_start, "Do not start it at the destination");
  app.add_flag("--keep-dst", options.keep_destination,
               "After a failure keep what was copied, for the next try");
  app.add_flag("--dry-run", options.dry_run, "Only check whether it could be done (exit 104)");
  app.add_flag("-v,--verbose", options.verbose, "Say more");
  bool force_for_help = false;
  app.add_flag("-f,--nodeps", force_for_help,
               "Skip checks (-f=disk_space,technologies; alone: all that can be skipped); the "
               "container is not started there");
  app.add_option("-t,--timeout", timeout, "Seconds to wait for each answer of the destination");
  app.add_flag("--online,--live", online, "With running processes: does not exist yet");
  app.add_option("host", host, "[USER@]HOST");
  app.add_option("containers", containers, "SRC[:DST[:PRIVATE[:ROOT]]] ...");
  try {
    // CLI11 takes the words last first.
    std::vector<std::string> words(argv.empty() ? argv.begin() : argv.begin() + 1, argv.end());
    TH_TRY(take_force(words, options));
    std::reverse(words.begin(), words.end());
    app.parse(words);
  } catch (const CLI::CallForHelp&) {
    options.help = app.help();
    return options;
  } catch (const CLI::ParseError& error) {
    return refuse(error.what());
  }
  if (online) {
    return fail(ErrorCode::not_supported, "migrate.options", "--online",
                "containers cannot be moved with their processes yet")
        .with_exit_code(kUnsupported)
        .with_hint("without --online they are stopped, moved and started");
  }
  if (!remove.empty()) {
    const auto wish = parse_yes_no(remove);
    if (!wish) return refuse("-r: accepted are yes and no");
    options.remove = *wish;
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
  return options;
}

}  // namespace twinhull::tools::move
