#include "runtime/container/node_itself.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "runtime/config/atomic_write.h"
#include "runtime/container/apply.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/node/exit_codes.h"
#include "runtime/node/lock.h"
#include "runtime/node/undo.h"
#include "runtime/resource/resources.h"

namespace twinhull::container {
namespace {

using resource::ResourcePart;

constexpr CtId kNode{0};
constexpr std::array<std::string_view, 4> kLimits = {"cpuunits", "ioprio", "iolimit", "iopslimit"};
constexpr std::array<std::string_view, 4> kKeys = {"CPUUNITS", "IOPRIO", "IOLIMIT", "IOPSLIMIT"};

Error refusal(std::string_view what, ExitCode code) {
  return fail(ErrorCode::invalid_argument, "node.set", "CT 0", what).with_exit_code(to_int(code));
}

Error not_of_the_node(std::string_view option) {
  return refusal(fmt::format("{} is of containers, not of the node itself", option),
                 ExitCode::unknown_parameter)
      .with_hint("CT 0 takes --cpuunits, --ioprio, --iolimit, --iopslimit and --onboot");
}

Result<CtSettings> interpret(const ConfigFile& file, const Layout& layout, const NodeConfig& node) {
  NodeConfig bare = node;
  bare.file = {};
  TH_ASSIGN(CtSettings settings,
            interpret_ct_settings(file, bare, kNode, layout.container_config(kNode)));
  if (!file.get("CPUUNITS")) settings.cpuunits = node.node_cpuunits;
  settings.private_area = parent_directory(settings.private_area);
  return settings;
}

/// Whether 0.conf asks for anything that the group is needed for.
bool limits_anything(const ConfigFile& file) {
  return std::any_of(kKeys.begin(), kKeys.end(), [&](std::string_view key) {
    const auto value = file.get(key);
    return value && !value->empty();
  });
}

Result<ConfigFile> read_file(Kernel& kernel, const Layout& layout) {
  const std::string path = layout.container_config(kNode);
  auto text = kernel.files().read(path);
  if (!text) {
    if (text.error().code == ErrorCode::not_found) return ConfigFile();
    return std::move(text).error();
  }
  return ConfigFile::parse(*text, path);
}

Result<bool> group_exists(Kernel& kernel) {
  TH_ASSIGN(const std::vector<std::string> groups, kernel.cgroups().children(CgroupPath{}));
  return std::binary_search(groups.begin(), groups.end(), group_of(kNode).text);
}

Status check(const SetOptions& options) {
  if (!options.passwords.empty()) return not_of_the_node("--userpasswd");
  if (!options.sample.empty()) return not_of_the_node("--applyconfig");
  if (!options.sample_map.empty()) return not_of_the_node("--applyconfig_map");
  if (options.parameters.empty())
    return refusal("no parameter was given", ExitCode::bad_command_line)
        .with_hint("for example: vzctl set 0 --cpuunits 2000 --save");
  for (const ParameterRequest& request : options.parameters) {
    const Parameter* parameter = find_parameter(request.option);
    if (parameter == nullptr) continue;  // parse_parameters has the better message
    const bool ours = parameter->option == "onboot" ||
                      std::find(kLimits.begin(), kLimits.end(), parameter->option) != kLimits.end();
    if (!ours) return not_of_the_node(fmt::format("--{}", parameter->option));
  }
  if (!options.save)
    return refusal("changes of the node itself need --save: 0.conf says what it has",
                   ExitCode::bad_command_line);
  return {};
}

std::set<ResourcePart> parts_of(const std::vector<KeyChange>& changes) {
  std::set<ResourcePart> parts;
  for (const KeyChange& change : changes) {
    if (change.key == "CPUUNITS") parts.insert(ResourcePart::cpu);
    if (change.key.starts_with("IO")) parts.insert(ResourcePart::io);
  }
  return parts;
}

/// What was asked for must act; what 0.conf said before comes along with a group that is new.
Status apply(Context& context, const CtSettings& before, const CtSettings& after,
             const std::set<ResourcePart>& parts, UndoList& undo) {
  if (parts.empty()) return {};
  Kernel& kernel = context.kernel();
  const CgroupPath group = group_of(kNode);
  TH_ASSIGN(const Effect made, kernel.cgroups().create(group));
  if (made == Effect::changed) {
    undo.add(UndoList::When::on_failure, {StepKind::remove_cgroup, group.text, {}});
    std::set<ResourcePart> others;
    for (const ResourcePart part : {ResourcePart::cpu, ResourcePart::io})
      if (!parts.contains(part)) others.insert(part);
    if (!others.empty()) TH_TRY(resource::apply_resources(kernel, group, after, others));
  } else {
    undo.add(UndoList::When::on_failure, "the earlier limits",
             [&kernel, group, &before, parts]() -> Status {
               TH_TRY(resource::apply_resources(kernel, group, before, parts));
               return {};
             });
  }
  TH_ASSIGN(const resource::ApplyReport applied,
            resource::apply_resources(kernel, group, after, parts, /*strict=*/true));
  report(context, applied);
  return {};
}

Status run_set(Context& context, const SetOptions& options) {
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const HostInfo host, kernel.host().info());
  TH_ASSIGN(const ContainerConfig before, load_node_itself(kernel, context.layout(), context.node));
  TH_ASSIGN(
      std::vector<KeyChange> changes,
      parse_parameters(options.parameters, {before.settings, context.node, host, &before.file}));
  std::erase_if(changes, [](const KeyChange& one) { return one.key == "CONFIG_CUSTOMIZED"; });
  ConfigFile file = before.file;
  TH_TRY(apply_changes(file, changes));
  TH_ASSIGN(const CtSettings after, interpret(file, context.layout(), context.node));
  for (const std::string& note : parameter_notes(options.parameters)) context.reporter.warn(note);
  UndoList undo(kernel);
  const auto body = [&]() -> Status {
    TH_TRY(apply(context, before.settings, after, parts_of(changes), undo));
    undo.add(UndoList::When::on_failure, "the earlier configuration", [&context, &before] {
      return save_container_config(context.kernel(), context.layout(), kNode, before.file);
    });
    return save_container_config(kernel, context.layout(), kNode, file);
  };
  TH_TRY(undo.close(body()));
  context.reporter.say("Saved parameters for the node itself (CT 0)");
  return {};
}

/// CT 0 has no init, no mount and no journal: with_lock's recovery would take its group for a
/// leftover.
Status with_node_lock(Context& context, const std::function<Status()>& body) {
  TH_ASSIGN(const LockHeld lock,
            acquire_lock(context.kernel(), context.node.lock_directory, kNode, "setting"));
  Status result = body();
  if (!result && result.error().code == ErrorCode::node_down) return result;
  Status released = release_lock(context.kernel(), lock);
  return result ? released : result;
}

/// Whence CPUUNITS come when 0.conf has none.
void tell_origin(const NodeConfig& node, const std::string& path, resource::Explanation& units) {
  if (units.origin != resource::Origin::builtin) return;
  const auto value = node.file.get("VE0CPUUNITS");
  if (!value || value->empty()) return;
  units.origin = resource::Origin::node;
  units.source =
      fmt::format("{} line {}, VE0CPUUNITS=\"{}\"", path, node.file.line_of("VE0CPUUNITS"), *value);
}

}  // namespace

Result<ContainerConfig> load_node_itself(Kernel& kernel, const Layout& layout,
                                         const NodeConfig& node) {
  ContainerConfig config;
  TH_ASSIGN(config.file, read_file(kernel, layout));
  TH_ASSIGN(config.settings, interpret(config.file, layout, node));
  return config;
}

Status set_node_itself(Context& context, const SetOptions& options) {
  TH_TRY(check(options));
  return with_node_lock(context, [&] { return run_set(context, options); });
}

Status bring_up_node_itself(Context& context) {
  Kernel& kernel = context.kernel();
  const auto due = [&]() -> Result<bool> {
    TH_ASSIGN(const ContainerConfig config,
              load_node_itself(kernel, context.layout(), context.node));
    if (config.settings.onboot != true || !limits_anything(config.file)) return false;
    TH_ASSIGN(const bool there, group_exists(kernel));
    return !there;
  };
  TH_ASSIGN(const bool now, due());
  if (!now) return {};
  return with_node_lock(context, [&]() -> Status {
    TH_ASSIGN(const bool still, due());
    if (!still) return {};
    TH_ASSIGN(const ContainerConfig config,
              load_node_itself(kernel, context.layout(), context.node));
    UndoList undo(kernel);
    const auto body = [&]() -> Status {
      TH_TRY(kernel.cgroups().create(group_of(kNode)));
      undo.add(UndoList::When::on_failure, {StepKind::remove_cgroup, group_of(kNode).text, {}});
      TH_ASSIGN(const resource::ApplyReport applied,
                resource::apply_resources(kernel, group_of(kNode), config.settings,
                                          {ResourcePart::cpu, ResourcePart::io}));
      report(context, applied);
      return {};
    };
    return undo.close(body());
  });
}

Status enter_node_itself(Session& session) {
  if (!session.enter_group) return {};
  TH_ASSIGN(const ConfigFile file, read_file(session.kernel, session.layout));
  if (!limits_anything(file)) return {};
  Status entered = session.enter_group(group_of(kNode));
  // Not made since the boot.
  if (!entered && entered.error().code == ErrorCode::not_found) return {};
  return entered;
}

Result<ExplainedContainer> explain_node_itself(Context& context,
                                               const std::vector<std::string>& parameters) {
  Kernel& kernel = context.kernel();
  std::vector<std::string> wanted(kLimits.begin(), kLimits.end());
  if (!parameters.empty()) {
    wanted.clear();
    for (const std::string& word : parameters) {
      const Parameter* parameter = find_parameter(word);
      if (parameter == nullptr ||
          std::find(kLimits.begin(), kLimits.end(), parameter->option) == kLimits.end())
        return not_of_the_node(word);
      wanted.emplace_back(parameter->option);
    }
  }
  TH_ASSIGN(const ContainerConfig config, load_node_itself(kernel, context.layout(), context.node));
  TH_ASSIGN(const HostInfo host, kernel.host().info());
  TH_ASSIGN(const bool there, group_exists(kernel));
  NodeConfig bare = context.node;
  bare.file = {};
  resource::ExplainFacts facts{.settings = config.settings,
                               .effective = config.file,
                               .saved = config.file,
                               .saved_path = context.layout().container_config(kNode),
                               .sample = nullptr,
                               .node = bare,
                               .node_path = context.layout().global_config(),
                               .host = host,
                               .kept = {},
                               .sampled = {},
                               .uptime = {},
                               .disk = {},
                               .mechanism = QuotaMechanism::none};
  if (there) {
    TH_ASSIGN(facts.kept, kernel.cgroups().limits(group_of(kNode), config.settings.private_area));
    TH_ASSIGN(facts.sampled, kernel.cgroups().sample(group_of(kNode)));
  }
  ExplainedContainer made;
  made.id = kNode;
  made.name = "what the node itself runs";
  made.state = there ? "applied" : "not applied";
  made.limits = resource::explain(facts, wanted);
  for (resource::Explanation& limit : made.limits)
    if (limit.parameter == "cpuunits")
      tell_origin(context.node, context.layout().global_config(), limit);
  return made;
}

}  // namespace twinhull::container
