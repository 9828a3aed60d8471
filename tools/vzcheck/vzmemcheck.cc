// vzmemcheck: memory in use, promised and allowed, of running containers (spec F4.38).
#include <fmt/format.h>

#include <array>

#include "runtime/resource/commitment.h"
#include "tools/commands.h"
#include "tools/vzcfg/program.h"
#include "tools/vzcheck/collect.h"

namespace twinhull::tools {
namespace {

constexpr const char* kProgram = "vzmemcheck";

struct Figure {
  std::uint64_t amount;
  std::uint64_t capacity;
};

/// In the order of the columns.
std::array<Figure, 8> figures(const resource::MemoryDemand& demand,
                              const resource::MemoryCapacity& node) {
  return {{{demand.kernel_used, node.kernel},
           {demand.kernel_most, node.kernel},
           {demand.ram_used, node.ram},
           {demand.memory_used, node.ram_and_swap},
           {demand.memory_promised, node.ram_and_swap},
           {demand.alloc_used, node.ram_and_swap},
           {demand.alloc_promised, node.ram_and_swap},
           {demand.alloc_most, node.ram_and_swap}}};
}

/// Mbytes with two decimals.
std::string megabytes(std::uint64_t bytes) {
  if (bytes == kUnlimited) return "unlim";
  return resource::share_text(resource::share_of(bytes, std::uint64_t{100} << 20));
}

std::string row(const std::string& name, const std::array<Figure, 8>& values, bool absolute) {
  std::string text = name.empty() ? "" : fmt::format("{:>10} ", name);
  for (std::size_t i = 0; i < values.size(); ++i)
    text += fmt::format(
        "{}{:>9}", i == 0 ? "" : " ",
        absolute ? megabytes(values[i].amount)
                 : resource::share_text(resource::share_of(values[i].amount, values[i].capacity)));
  return text + "\n";
}

std::string heading(bool verbose, bool absolute) {
  constexpr std::array<std::array<const char*, 8>, 2> kWords = {
      {{"LowMem", "LowMem", "RAM", "MemSwap", "MemSwap", "Alloc", "Alloc", "Alloc"},
       {"util", "commit", "util", "util", "commit", "util", "commit", "limit"}}};
  std::string text = absolute ? "Output values in Mbytes\n" : "Output values in %\n";
  for (std::size_t line = 0; line < kWords.size(); ++line) {
    if (verbose) text += fmt::format("{:>10} ", line == 0 ? "veid" : "");
    for (std::size_t i = 0; i < kWords[line].size(); ++i)
      text += fmt::format("{}{:>9}", i == 0 ? "" : " ", kWords[line][i]);
    text += '\n';
  }
  return text;
}

Result<int> run(Session& session, bool verbose, bool absolute) {
  TH_ASSIGN(const check::NodeView view, check::look(session));
  check::tell(session, kProgram, view);
  const resource::MemoryCapacity node = resource::memory_capacity(view.host);
  std::string text = heading(verbose, absolute);
  resource::MemoryDemand sum;
  for (const check::Container& container : view.containers) {
    if (!container.running) continue;
    const resource::MemoryDemand demand =
        resource::memory_demand(container.settings, container.sample);
    sum += demand;
    if (verbose) text += row(container.settings.id.text(), figures(demand, node), absolute);
  }
  if (verbose) text += std::string(90, '-') + "\n";
  text += row(verbose ? "Summary:" : "", figures(sum, node), absolute);
  if (absolute) {
    std::array<Figure, 8> capacity = figures(sum, node);
    for (Figure& figure : capacity) figure.amount = figure.capacity;
    text += row(verbose ? "Capacity:" : "", capacity, absolute);
  }
  session.console.out(text);
  return 0;
}

}  // namespace

int vzmemcheck(Session& session, std::span<const std::string> argv) {
  bool verbose = false;
  bool absolute = false;
  const ProgramGrammar grammar{
      .program = kProgram,
      .summary =
          "Shows how much memory running Containers use (util), were promised (commit) and may\n"
          "allocate (limit), of low memory, RAM and RAM + swap. Memory counts as allocated once "
          "it\n"
          "was touched: kernels of today count no allocations. unlim = nothing bounds it.",
      .examples = "  vzmemcheck\n  vzmemcheck -v\n  vzmemcheck -v -A\n",
      .flags = {{"-v,--verbose", &verbose, "Each Container too"},
                {"-A,--absolute", &absolute, "Mbytes instead of per cent, and what the node has"}}};
  return run_program(session, grammar, argv, {}, [&] { return run(session, verbose, absolute); });
}

}  // namespace twinhull::tools
