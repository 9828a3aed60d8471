// vzlist: what containers there are (spec R6).
#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>

#include "runtime/config/container_index.h"
#include "tools/commands.h"
#include "tools/vzlist/collect.h"
#include "tools/vzlist/columns.h"
#include "tools/vzlist/options.h"
#include "tools/vzlist/output.h"

namespace twinhull::tools {
namespace {

using namespace list;  // NOLINT: the program's own parts

std::vector<std::string> wanted_fields(const Options& options) {
  if (!options.fields.empty()) return options.fields;
  if (options.json) {
    std::vector<std::string> all;
    for (const Column& column : columns()) all.emplace_back(column.name);
    return all;
  }
  if (options.interface) return {"ctid", "status", "host_ifname", "ip", "hostname"};
  return {"ctid", "numproc", "status", "ip", options.names ? "name" : "hostname"};
}

void add_needs(Needs& needs, const Needs& more) {
  needs.config = needs.config || more.config;
  needs.status = needs.status || more.status;
  needs.cgroup = needs.cgroup || more.cgroup;
  needs.quota = needs.quota || more.quota;
  needs.uptime = needs.uptime || more.uptime;
  needs.network = needs.network || more.network;
}

bool matches(const std::optional<std::string>& pattern, const std::string& text) {
  return !pattern || fnmatch(pattern->c_str(), text.c_str(), 0) == 0;
}

bool passes(const Options& options, const Row& row) {
  if (options.hostname_pattern || options.name_pattern || options.description_pattern) {
    if (!row.settings) return false;
    if (!matches(options.hostname_pattern, row.settings->hostname)) return false;
    if (!matches(options.name_pattern, row.settings->name)) return false;
    if (!matches(options.description_pattern, row.settings->description)) return false;
  }
  return !options.interface || row.device == *options.interface;
}

void sort_rows(std::vector<Row>& rows, const Selected& by, bool descending) {
  struct Keyed {
    Value key;
    std::size_t index;
  };
  std::vector<Keyed> keys;
  keys.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    keys.push_back({pick(by.column->value(*by.column, rows[i]), by.suffix), i});
  }
  // Equal ones stay in the order of their numbers.
  std::sort(keys.begin(), keys.end(), [&](const Keyed& a, const Keyed& b) {
    if (less(a.key, b.key)) return !descending;
    if (less(b.key, a.key)) return descending;
    return a.index < b.index;
  });
  std::vector<Row> sorted;
  sorted.reserve(rows.size());
  for (const Keyed& key : keys) sorted.push_back(std::move(rows[key.index]));
  rows = std::move(sorted);
}

std::string field_list() {
  std::string text;
  for (const Column& column : columns()) {
    text += fmt::format("{:<15} {}", column.name, column.header);
    if (!column.suffixes.empty()) {
      text += fmt::format("  (also {}.{})", column.name, fmt::join(column.suffixes, ", ."));
    }
    text += '\n';
  }
  return text;
}

Result<int> run(Session& session, const Options& options) {
  std::vector<Selected> selected;
  Selection selection;
  for (const std::string& field : wanted_fields(options)) {
    TH_ASSIGN(const Selected column, find_column(field));
    if (options.json && column.suffix != 0) {
      return fail(ErrorCode::invalid_argument, "vzlist.field", fmt::format("\"{}\"", field),
                  "parts of a field cannot be chosen with --json: it shows all of them")
          .with_exit_code(20)
          .with_hint(fmt::format("write {}", column.column->name));
    }
    add_needs(selection.needs, column.column->needs);
    selected.push_back(column);
  }
  std::optional<Selected> sort_by;
  if (!options.sort.empty()) {
    TH_ASSIGN(sort_by, find_column(options.sort));
    add_needs(selection.needs, sort_by->column->needs);
  }
  if (options.hostname_pattern || options.name_pattern || options.description_pattern) {
    selection.needs.config = true;
  }
  if (options.interface) selection.needs.network = true;
  if (options.all) selection.life = Selection::Life::all;
  if (options.stopped) selection.life = Selection::Life::stopped;

  TH_ASSIGN(const NodeConfig node, load_node_config(session.kernel, session.layout));
  int exit_code = 0;
  for (const std::string& word : options.containers) {
    auto id = resolve_container(session.kernel, session.layout, word);
    if (id) {
      selection.only.push_back(*id);
      continue;
    }
    session.console.error(fmt::format("vzlist: {}\n", id.error().message()));
    exit_code = 1;
  }
  if (!options.containers.empty() && selection.only.empty()) return exit_code;

  TH_ASSIGN(Collected collected, collect(session, node, selection));
  for (const std::string& warning : collected.warnings) {
    session.console.error(fmt::format("vzlist: warning: {}\n", warning));
  }
  std::vector<Row>& rows = collected.rows;
  std::erase_if(rows, [&](const Row& row) { return !passes(options, row); });
  if (rows.empty() && !options.containers.empty()) {
    session.console.error("vzlist: Container(s) not found\n");
    return 1;
  }
  if (sort_by) sort_rows(rows, *sort_by, options.descending);
  session.console.out(
      options.json
          ? json(rows, selected)
          : table(rows, selected, {.header = !options.no_header, .trim = !options.no_trim}));
  return exit_code;
}

}  // namespace

int vzlist(Session& session, std::span<const std::string> argv) {
  const auto options = list::parse_options(argv);
  if (!options) {
    session.console.error(fmt::format("vzlist: {}\n", options.error().message()));
    return options.error().exit_code;
  }
  if (!options->help.empty() || options->list_fields) {
    session.console.out(options->list_fields ? field_list() : options->help);
    return 0;
  }
  const auto result = run(session, *options);
  if (result) return *result;
  session.console.error(fmt::format("vzlist: {}\n", result.error().message()));
  return result.error().exit_code != 0 ? result.error().exit_code : 3;
}

}  // namespace twinhull::tools
