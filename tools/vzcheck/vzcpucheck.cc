// vzcpucheck: CPU units handed out against the power of the node (spec F4.2).
#include <fmt/format.h>

#include "runtime/container/node_itself.h"
#include "runtime/resource/commitment.h"
#include "tools/commands.h"
#include "tools/vzcfg/program.h"
#include "tools/vzcheck/collect.h"

namespace twinhull::tools {
namespace {

constexpr const char* kProgram = "vzcpucheck";

Result<int> run(Session& session, bool verbose, bool xml) {
  TH_ASSIGN(const check::NodeView view, check::look(session));
  TH_ASSIGN(const std::uint64_t power, resource::cpu_power(view.host));
  check::tell(session, kProgram, view);
  std::string rows = fmt::format("{:>10} {:>10}\n", "veid", "units");
  TH_ASSIGN(const ContainerConfig node,
            container::load_node_itself(session.kernel, session.layout, view.config));
  std::uint64_t sum = node.settings.cpuunits.value;
  rows += fmt::format("{:>10} {:>10}\n", 0, sum);
  for (const check::Container& container : view.containers) {
    if (!container.running) continue;
    sum += container.settings.cpuunits.value;
    rows += fmt::format("{:>10} {:>10}\n", container.settings.id.text(),
                        container.settings.cpuunits.value);
  }
  if (xml) {
    const std::uint64_t thousandths = (sum * 1000 + power / 2) / power;
    session.console.out(fmt::format("<cpu><utilization>{}.{:03}</utilization></cpu>\n",
                                    thousandths / 1000, thousandths % 1000));
    return 0;
  }
  if (verbose) session.console.out(rows);
  session.console.out(
      fmt::format("Current CPU utilization: {}\nPower of the node: {}\n", sum, power));
  if (sum > power)
    session.console.error(
        fmt::format("{}: warning: CPU is overcommitted: {} units are handed out, the node has {}\n",
                    kProgram, sum, power));
  return 0;
}

}  // namespace

int vzcpucheck(Session& session, std::span<const std::string> argv) {
  bool verbose = false;
  bool xml = false;
  const ProgramGrammar grammar{
      .program = kProgram,
      .summary = "Compares the CPU units of running Containers with the power of the node.",
      .examples = "  vzcpucheck\n  vzcpucheck -v\n  vzcpucheck -x\n",
      .flags = {{"-v,--verbose", &verbose, "The units of each Container too; 0 is the node"},
                {"-x,--xml", &xml, "The ratio as XML"}}};
  return run_program(session, grammar, argv, {.usage = 2, .failure = 1},
                     [&] { return run(session, verbose, xml); });
}

}  // namespace twinhull::tools
