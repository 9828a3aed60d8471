#include "tools/vzcheck/collect.h"

#include <fmt/format.h>

#include <set>

#include "runtime/config/container_index.h"
#include "runtime/container/context.h"
#include "runtime/container/live.h"
#include "runtime/kernel/processes.h"

namespace twinhull::tools::check {
namespace {

/// A container that just disappeared is no trouble.
bool vanished(const Error& error) {
  return error.code == ErrorCode::not_found || error.code == ErrorCode::not_running;
}

}  // namespace

Result<NodeView> look(Session& session) {
  NodeView view;
  TH_ASSIGN(view.config, load_node_config(session.kernel, session.layout));
  TH_ASSIGN(view.host, session.kernel.host().info());
  TH_ASSIGN(const std::vector<CtId> ids, list_containers(session.kernel, session.layout));
  TH_ASSIGN(const std::vector<LabeledProcess> inits, session.kernel.processes().list());
  std::set<std::string> alive;
  for (const LabeledProcess& init : inits) alive.insert(init.label);

  Reporter silent(session, view.config, "vzcheck", Verbosity::quiet);
  container::Context context{session, view.config, silent};
  for (const CtId id : ids) {
    auto config = container::load_effective_config(context, id);
    if (!config) {
      if (config.error().code == ErrorCode::node_down) return config.error();
      if (!vanished(config.error()))
        view.warnings.push_back(fmt::format("not counted: {}", config.error().message()));
      continue;
    }
    Container container;
    container.settings = std::move(config->settings);
    container.running = alive.contains(id.text());
    if (container.running) {
      auto sample = session.kernel.cgroups().sample(container::group_of(id));
      if (sample)
        container.sample = *sample;
      else if (sample.error().code == ErrorCode::node_down)
        return sample.error();
      else if (!vanished(sample.error()))
        view.warnings.push_back(
            fmt::format("CT {}: usage is unknown: {}", id.text(), sample.error().message()));
    }
    view.containers.push_back(std::move(container));
  }
  return view;
}

void tell(Session& session, const char* program, const NodeView& view) {
  for (const std::string& warning : view.warnings)
    session.console.error(fmt::format("{}: warning: {}\n", program, warning));
}

}  // namespace twinhull::tools::check
