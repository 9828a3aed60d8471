#include "runtime/container/explain.h"

#include <algorithm>

#include "runtime/config/suggest.h"
#include "runtime/container/live.h"
#include "runtime/container/state.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/files.h"
#include "runtime/node/exit_codes.h"

namespace twinhull::container {
namespace {

/// The canonical name of a parameter that can be explained.
Result<std::string> explained_name(CtId id, const std::string& word) {
  const auto known = resource::explained_parameters();
  const Parameter* parameter = find_parameter(word);
  if (parameter != nullptr && std::find(known.begin(), known.end(), parameter->option) != known.end())
    return std::string(parameter->option);
  const bool there = parameter != nullptr;
  return fail(ErrorCode::invalid_argument, "container.explain", "CT " + id.text(),
              "\"" + word + (there ? "\" is no limit" : "\" is no parameter"))
      .with_exit_code(to_int(ExitCode::unknown_parameter))
      .with_hint(suggestion(word, known, "vzctl explain --help lists what can be explained"));
}

}  // namespace

Result<ExplainedContainer> explain(Context& context, CtId id,
                                   const std::vector<std::string>& parameters) {
  Kernel& kernel = context.kernel();
  std::vector<std::string> wanted;
  for (const std::string& word : parameters) {
    TH_ASSIGN(std::string name, explained_name(id, word));
    wanted.push_back(std::move(name));
  }
  TH_ASSIGN(const ContainerConfig saved,
            load_container_config(kernel, context.layout(), context.node, id));
  TH_ASSIGN(const ContainerConfig effective, load_effective_config(context, id));
  TH_ASSIGN(const HostInfo host, kernel.host().info());
  TH_ASSIGN(const State state, observe(kernel, context.layout(), context.node, effective.settings));

  // A sample that was removed since is no reason to fail: then nothing is said to come from it.
  std::optional<ConfigFile> sample;
  if (!effective.settings.origin_sample.empty()) {
    if (auto found = load_sample(kernel, context.layout(), effective.settings.origin_sample))
      sample = std::move(*found);
  }
  resource::ExplainFacts facts{.settings = effective.settings,
                               .effective = effective.file,
                               .saved = saved.file,
                               .saved_path = context.layout().container_config(id),
                               .sample = sample ? &*sample : nullptr,
                               .node = context.node,
                               .node_path = context.layout().global_config(),
                               .host = host};
  if (state.init) {
    // The limits of disk I/O are those of the private area's disk.
    const std::string place = state.has_private ? effective.settings.private_area : "";
    TH_ASSIGN(facts.kept, kernel.cgroups().limits(group_of(id), place));
    TH_ASSIGN(facts.sampled, kernel.cgroups().sample(group_of(id)));
    TH_ASSIGN(const Instant started, kernel.processes().started_at(*state.init));
    facts.uptime = kernel.clock().now() - started;
  }
  if (state.has_private) {
    TH_ASSIGN(facts.mechanism, kernel.quotas().mechanism(effective.settings.private_area));
    if (facts.mechanism != QuotaMechanism::none) {
      auto usage = kernel.quotas().usage(effective.settings.private_area);
      if (usage)
        facts.disk = *usage;
      else if (usage.error().code != ErrorCode::not_supported)
        return std::move(usage).error();
    }
  }
  ExplainedContainer made;
  made.id = id;
  made.name = effective.settings.name;
  made.state = state.word();
  made.limits = resource::explain(facts, wanted);
  return made;
}

}  // namespace twinhull::container
