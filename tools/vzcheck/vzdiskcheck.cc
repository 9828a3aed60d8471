// vzdiskcheck: disk space assigned to containers against what there is (spec F4.38).
#include <fmt/format.h>

#include "runtime/kernel/host.h"
#include "runtime/kernel/quotas.h"
#include "runtime/resource/amounts.h"
#include "tools/commands.h"
#include "tools/vzcfg/program.h"
#include "tools/vzcheck/collect.h"

namespace twinhull::tools {
namespace {

constexpr const char* kProgram = "vzdiskcheck";

/// KiB that a container may take; kUnlimited = no bound.
std::uint64_t assigned(const CtSettings& settings) {
  if (!settings.disk_quota || !settings.diskspace) return kUnlimited;
  return settings.diskspace->limit;
}

Result<int> run(Session& session, bool verbose, bool xml) {
  TH_ASSIGN(const check::NodeView view, check::look(session));
  const std::string place = session.layout.data_directory();
  TH_ASSIGN(const DiskInfo disk, session.kernel.host().disk(place));
  check::tell(session, kProgram, view);
  const std::uint64_t size = disk.capacity.value / 1024;
  const std::uint64_t used = resource::minus(disk.capacity.value, disk.available.value) / 1024;
  if (size == 0)
    return fail(ErrorCode::not_supported, kProgram, place, "the size of its disk is unknown");

  std::string rows = fmt::format("{:>10} {:>14} {:>14}\n", "veid", "assigned KB", "used KB");
  std::uint64_t sum = 0;
  std::uint64_t without = 0;
  for (const check::Container& container : view.containers) {
    const std::uint64_t most = assigned(container.settings);
    if (most == kUnlimited)
      ++without;
    else
      sum = resource::plus(sum, most);
    if (!verbose || xml) continue;
    // Where no mechanism counts it is not known; that is no reason to end.
    const auto usage = session.kernel.quotas().usage(container.settings.private_area);
    if (!usage && usage.error().code == ErrorCode::node_down) return usage.error();
    rows += fmt::format("{:>10} {:>14} {:>14}\n", container.settings.id.text(),
                        most == kUnlimited ? "unlimited" : std::to_string(most),
                        usage ? std::to_string(usage->bytes.value / 1024) : "n/a");
  }
  const std::uint64_t hundredths = resource::times(sum, 100, size);
  const std::string ratio = fmt::format("{}.{:02}", hundredths / 100, hundredths % 100);
  if (xml) {
    session.console.out(fmt::format(
        "<disk><size>{}</size><assigned>{}</assigned><used>{}</used><unlimited>{}</unlimited>"
        "<overcommit>{}</overcommit></disk>\n",
        size, sum, used, without, ratio));
    return 0;
  }
  if (verbose) session.console.out(rows);
  session.console.out(
      fmt::format("Disk size of {}: {} KB\nAssigned to Containers: {} KB\nUsed: {} KB\n", place,
                  size, sum, used));
  if (without != 0) session.console.out(fmt::format("Containers without a limit: {}\n", without));
  session.console.out(fmt::format("Overcommitment: {} : {} = {} : 1\n", sum, size, ratio));
  return 0;
}

}  // namespace

int vzdiskcheck(Session& session, std::span<const std::string> argv) {
  bool verbose = false;
  bool xml = false;
  const ProgramGrammar grammar{
      .program = kProgram,
      .summary = "Compares the disk space that all Containers may take with the size of the disk.",
      .examples = "  vzdiskcheck\n  vzdiskcheck -v\n  vzdiskcheck -x\n",
      .flags = {{"-v,--verbose", &verbose, "Each Container too"},
                {"-x,--xml", &xml, "As XML, in KB"}}};
  return run_program(session, grammar, argv, {.usage = 2, .failure = 1},
                     [&] { return run(session, verbose, xml); });
}

}  // namespace twinhull::tools
