// vzcalc: the part of the node that one container uses, was promised and may take (spec F4.38).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "runtime/config/container_index.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/processes.h"
#include "runtime/resource/beancounters.h"
#include "runtime/resource/commitment.h"
#include "runtime/resource/split.h"
#include "tools/commands.h"
#include "tools/vzcfg/program.h"
#include "tools/vzcheck/collect.h"

namespace twinhull::tools {
namespace {

constexpr const char* kProgram = "vzcalc";

/// A cell of the table: a share in hundredths of a per cent; absent cells are "n/a".
struct Cell {
  bool known = false;
  std::optional<std::uint64_t> share;  ///< std::nullopt = unlimited
  [[nodiscard]] std::string text() const { return known ? resource::share_text(share) : "n/a"; }
};

struct Line {
  const char* name;
  Cell current;
  Cell promised;
  Cell most;
};

Cell cell(std::uint64_t part, std::uint64_t whole) {
  return {true, resource::share_of(part, whole)};
}

/// The larger one; unlimited is larger than all.
Cell larger(const Cell& a, const Cell& b) {
  if (!a.known) return b;
  if (!b.known) return a;
  if (!a.share || !b.share) return {true, std::nullopt};
  return {true, std::max(*a.share, *b.share)};
}

std::array<Line, 5> lines(const check::Container& container, const HostInfo& host) {
  const CtSettings& settings = container.settings;
  const resource::MemoryDemand demand = resource::memory_demand(settings, container.sample);
  const resource::MemoryCapacity node = resource::memory_capacity(host);
  const std::uint64_t threads = resource::most_processes(host.memory);
  const auto current = [&](std::uint64_t part, std::uint64_t whole) {
    return container.sample ? cell(part, whole) : Cell{};
  };
  const std::uint64_t ram = settings.ram() ? settings.ram()->value * kPageSize : 0;
  return {
      {{"Low Mem", current(demand.kernel_used, node.kernel),
        cell(demand.kernel_promised, node.kernel), cell(demand.kernel_most, node.kernel)},
       {"Total RAM",
        current(demand.ram_used, node.ram),
        {},
        settings.vswap() ? cell(ram, node.ram) : Cell{}},
       {"Mem + Swap",
        current(demand.memory_used, node.ram_and_swap),
        cell(demand.memory_promised, node.ram_and_swap),
        {}},
       {"Alloc. Mem", current(demand.alloc_used, node.ram_and_swap),
        cell(demand.alloc_promised, node.ram_and_swap), cell(demand.alloc_most, node.ram_and_swap)},
       {"Num. Proc",
        current(container.sample ? container.sample->pids : 0, threads),
        {},
        cell(resource::effective_beancounter(settings, "numproc").limit, threads)}}};
}

std::string row(const Line& line) {
  return fmt::format("{:<12} {:>10} {:>11} {:>8}\n", line.name, line.current.text(),
                     line.promised.text(), line.most.text());
}

Result<int> run(Session& session, const std::string& word, bool verbose) {
  TH_ASSIGN(const CtId id, resolve_container(session.kernel, session.layout, word));
  TH_ASSIGN(const check::NodeView view, check::look(session));
  const auto found =
      std::find_if(view.containers.begin(), view.containers.end(),
                   [&](const check::Container& one) { return one.settings.id == id; });
  if (found == view.containers.end()) {
    // Why: unreadable, or not there at all.
    TH_TRY(load_ct_settings(session.kernel, session.layout, view.config, id));
    return fail(ErrorCode::busy, "vzcalc", "CT " + id.text(), "changes just now")
        .with_hint("try again");
  }
  const std::array<Line, 5> all = lines(*found, view.host);
  Line total{"Memory", {}, {}, {}};
  for (const Line& line : all) {
    if (line.name == std::string_view("Num. Proc")) continue;
    total.current = larger(total.current, line.current);
    total.promised = larger(total.promised, line.promised);
    total.most = larger(total.most, line.most);
  }
  std::string text = fmt::format("{:<12} {:>10} {:>11} {:>8}\n", "Resource", "Current(%)",
                                 "Promised(%)", "Max(%)");
  if (verbose) {
    for (const Line& line : all) text += row(line);
    text += std::string(44, '-') + "\n";
  }
  session.console.out(text + row(total));
  return 0;
}

}  // namespace

int vzcalc(Session& session, std::span<const std::string> argv) {
  bool verbose = false;
  std::string container;
  const ProgramGrammar grammar{
      .program = kProgram,
      .summary = "Shows which part of the node a Container uses now, was promised and may take.",
      .examples = "  vzcalc 101\n  vzcalc -v web1\n",
      .flags = {{"-v,--verbose", &verbose, "Each resource too"}},
      .word = {"CTID", &container, "Number or name of a Container", true}};
  return run_program(session, grammar, argv, {}, [&] { return run(session, container, verbose); });
}

}  // namespace twinhull::tools
