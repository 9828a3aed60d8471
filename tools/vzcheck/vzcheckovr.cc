// vzcheckovr: whether more memory was promised than the node should give (spec F4.38).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "runtime/config/quantity.h"
#include "runtime/resource/commitment.h"
#include "tools/commands.h"
#include "tools/vzcfg/program.h"
#include "tools/vzcheck/collect.h"

namespace twinhull::tools {
namespace {

constexpr const char* kProgram = "vzcheckovr";

struct Total {
  const char* name;
  const char* key;  ///< of vz.conf: the warning level in per cent
  /// Without the key. Allocation limits have none: to allow more than there is is their point.
  std::optional<std::uint64_t> level;
  std::uint64_t amount = 0;
  std::uint64_t capacity = 0;
};

Result<std::optional<std::uint64_t>> level_of(const NodeConfig& node, const Total& total) {
  const auto text = node.file.get(total.key);
  if (!text || text->empty()) return total.level;
  const auto level = parse_number(*text, 0, 1000000);
  if (!level)
    return fail(ErrorCode::corrupt, kProgram, fmt::format("{}=\"{}\" in vz.conf", total.key, *text),
                level.error().detail);
  return std::optional(*level);
}

Result<int> run(Session& session, bool verbose) {
  TH_ASSIGN(const check::NodeView view, check::look(session));
  check::tell(session, kProgram, view);
  resource::MemoryDemand sum;
  std::uint64_t largest = 0;
  for (const check::Container& container : view.containers) {
    if (!container.running) continue;
    const resource::MemoryDemand demand =
        resource::memory_demand(container.settings, container.sample);
    sum += demand;
    largest = std::max(largest, demand.alloc_most);
  }
  const resource::MemoryCapacity node = resource::memory_capacity(view.host);
  const std::uint64_t both = node.ram_and_swap;
  const std::array<Total, 5> totals = {
      {{"Low Memory", "WARNLEVEL_LOWMEM", 100, sum.kernel_most, node.kernel},
       {"Memory+Swap", "WARNLEVEL_MEMSWAP", 100, sum.memory_promised, both},
       {"Allocated Memory", "WARNLEVEL_ALLOCMEM", 100, sum.alloc_promised, both},
       {"Total Alloc Limit", "WARNLEVEL_ALLOCLIM", std::nullopt, sum.alloc_most, both},
       {"Max Alloc Limit", "WARNLEVEL_ALLOCMAX", std::nullopt, largest, both}}};
  int code = 0;
  for (const Total& total : totals) {
    TH_ASSIGN(const std::optional<std::uint64_t> level, level_of(view.config, total));
    const auto share = resource::share_of(total.amount, total.capacity);
    const bool over = level && (!share || *share > *level * 100);
    if (over) {
      code = 1;
      session.console.error(
          fmt::format("{}: warning: {} is overcommitted: {}% of the node, {} is "
                      "{}\n",
                      kProgram, total.name, resource::share_text(share), total.key, *level));
    }
    if (verbose)
      session.console.out(
          fmt::format("{:<18} {:>9}%  level {:>6}  {}\n", total.name, resource::share_text(share),
                      level ? fmt::format("{}%", *level) : "none", over ? "overcommitted" : "ok"));
  }
  return code;
}

}  // namespace

int vzcheckovr(Session& session, std::span<const std::string> argv) {
  bool verbose = false;
  const ProgramGrammar grammar{
      .program = kProgram,
      .summary =
          "Compares what was promised to running Containers with the warning levels of vz.conf, "
          "in\n"
          "per cent of the node: WARNLEVEL_LOWMEM, WARNLEVEL_MEMSWAP, WARNLEVEL_ALLOCMEM (default\n"
          "100), WARNLEVEL_ALLOCLIM and WARNLEVEL_ALLOCMAX, the largest one (default: no level).\n"
          "Exit codes: 0 all below, 1 overcommitted, 2 it cannot be told.",
      .examples = "  vzcheckovr && echo \"room for more\"\n  vzcheckovr -v\n",
      .flags = {{"-v,--verbose", &verbose, "All totals, not only those that are too high"}}};
  return run_program(session, grammar, argv, {.usage = 2, .failure = 2},
                     [&] { return run(session, verbose); });
}

}  // namespace twinhull::tools
