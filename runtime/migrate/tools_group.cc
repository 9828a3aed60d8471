#include "runtime/migrate/tools_group.h"

#include <fmt/format.h>

#include "runtime/kernel/cgroups.h"

namespace twinhull::migrate {

Status enter_tools_group(Kernel& kernel, const NodeConfig& node,
                         const std::function<Status(const CgroupPath&)>& enter) {
  if (node.tools_group == 0) return {};
  const CgroupPath group{std::to_string(node.tools_group)};
  const auto entered = [&]() -> Status {
    TH_TRY(kernel.cgroups().create(group));
    MemoryLimit limit;
    if (node.tools_memory.value != 0) limit.memory = node.tools_memory;
    auto kept = kernel.cgroups().set_memory(group, limit);
    // Without a limit there is nothing that a kernel could lack.
    if (!kept && (limit != MemoryLimit{} || kept.error().code != ErrorCode::not_supported))
      return std::move(kept).error();
    return enter ? enter(group) : Status();
  }();
  if (entered || entered.error().code == ErrorCode::node_down) return entered;
  return fail(entered.error().code, "migrate.tools_group",
              fmt::format("control group {} (VZ_TOOLS_BCID)", group.text),
              "the tools cannot be limited as vz.conf says")
      .with_hint("raise VZ_TOOLS_MEMLIMIT, or take both keys out of vz.conf")
      .caused_by(entered.error());
}

}  // namespace twinhull::migrate
