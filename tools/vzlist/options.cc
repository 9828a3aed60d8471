#include "tools/vzlist/options.h"

#include <CLI/CLI.hpp>

namespace twinhull::tools::list {

Result<Options> parse_options(std::span<const std::string> argv) {
  Options options;
  std::string output;
  CLI::App app("Lists the containers of this node.", "vzlist");
  // -h is the host name's: help has its long form only.
  app.set_help_flag("--help", "Show this text");
  app.add_flag("-a,--all", options.all, "All containers, not only the running ones");
  app.add_flag("-S,--stopped", options.stopped, "Only containers that do not run");
  app.add_flag("-n,--name", options.names, "Names instead of host names");
  app.add_flag("-H,--no-header", options.no_header, "No header line");
  app.add_flag("-t,--no-trim", options.no_trim, "Do not cut long values");
  app.add_flag("-j,--json", options.json, "JSON: all fields, or those of -o");
  app.add_flag("-1", options.only_ids, "Numbers only, one a line");
  app.add_flag("-L,--list", options.list_fields, "Show the fields that exist");
  app.add_option("-o,--output", output, "Fields, comma-separated");
  app.add_option("-s,--sort", options.sort, "Sort by this field; -FIELD sorts downwards");
  app.add_option("-h,--hostname", options.hostname_pattern, "Host name matches this wildcard");
  app.add_option("-N,--name_filter", options.name_pattern, "Name matches this wildcard");
  app.add_option("-d,--description", options.description_pattern,
                 "Description matches this wildcard");
  app.add_option("-i,--netif", options.interface, "Has this network device on the node");
  app.add_option("containers", options.containers, "Numbers or names");

  const auto refuse = [](std::string_view why) {
    return fail(ErrorCode::invalid_argument, "vzlist.options", "command line", why)
        .with_exit_code(20)
        .with_hint("see vzlist --help");
  };
  try {
    // CLI11 takes the words last first.
    std::vector<std::string> words(argv.empty() ? argv.begin() : argv.begin() + 1, argv.end());
    std::reverse(words.begin(), words.end());
    app.parse(words);
  } catch (const CLI::CallForHelp&) {
    options.help = app.help();
    return options;
  } catch (const CLI::ParseError& error) {
    return refuse(error.what());
  }
  std::string_view rest = output;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    if (comma > 0) options.fields.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  if (app.count("-o") > 0 && options.fields.empty()) return refuse("-o: no field is named");
  if (options.sort.starts_with('-')) {
    options.descending = true;
    options.sort.erase(0, 1);
  }
  if (app.count("-s") > 0 && options.sort.empty()) return refuse("-s: no field is named");
  if (options.all && options.stopped) return refuse("-a and -S exclude each other");
  if (options.only_ids) {
    options.no_header = true;
    options.fields = {"ctid"};
  }
  return options;
}

}  // namespace twinhull::tools::list
