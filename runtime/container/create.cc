#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "runtime/config/atomic_write.h"
#include "runtime/config/container_index.h"
#include "runtime/container/distribution.h"
#include "runtime/container/identity.h"
#include "runtime/container/new_system.h"
#include "runtime/container/operations.h"
#include "runtime/container/root_mount.h"
#include "runtime/container/scripts.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/quotas.h"
#include "runtime/network/venet.h"
#include "runtime/node/exit_codes.h"
#include "runtime/node/journal.h"
#include "runtime/resource/resources.h"

namespace twinhull::container {
namespace {

constexpr const char* kReplaced = ".replaced";
constexpr Bytes kAdvisedSpace{std::uint64_t{10} << 30};  // spec F3.1

/// Everything that is decided before the first effect.
struct Plan {
  ConfigFile file;
  CtSettings settings;
  std::string temporary;  ///< the private area while it is built
  std::string name;       ///< NAME, may be empty
  bool replaces_config = false;
};

Error refusal(CtId id, std::string_view what, ErrorCode code, ExitCode exit_code) {
  return fail(code, "container.create", "CT " + id.text(), what).with_exit_code(to_int(exit_code));
}

std::string without_dot(const std::string& name) {
  return name.starts_with('.') ? name.substr(1) : name;
}

/// Writes the facts of creation over the sample.
Status describe(ConfigFile& file, const CreateOptions& options, const std::string& sample,
                const std::string& ostemplate, const HostInfo& host, const std::string& uuid) {
  TH_TRY(file.set("OSTEMPLATE", "." + ostemplate));
  TH_TRY(file.set("DISTRIBUTION", ostemplate));
  TH_TRY(file.set("ORIGIN_SAMPLE", sample));
  TH_TRY(file.set("TECHNOLOGIES", host.architecture));
  TH_TRY(file.set("UUID", uuid));
  TH_TRY(file.set("VERSION", "2"));
  if (!options.private_pattern.empty()) TH_TRY(file.set("VE_PRIVATE", options.private_pattern));
  if (!options.root_pattern.empty()) TH_TRY(file.set("VE_ROOT", options.root_pattern));
  return {};
}

Result<std::string> choose_ostemplate(Context& context, CtId id, const CreateOptions& options,
                                      const CtSettings& sample) {
  std::string name = without_dot(options.ostemplate);
  if (name.empty()) name = sample.ostemplate;
  if (name.empty()) name = context.node.default_ostemplate;
  if (name.empty())
    return refusal(id, "OS template is not specified", ErrorCode::invalid_argument,
                   ExitCode::ostemplate_unset)
        .with_hint("name one with --ostemplate, or set DEF_OSTEMPLATE in vz.conf");
  // The name becomes part of a path.
  if (name.find('/') != std::string::npos || name == "." || name == "..")
    return refusal(id, "\"" + name + "\" is no name of an OS template", ErrorCode::invalid_argument,
                   ExitCode::bad_value);
  return name;
}

/// The names of templates that could be used instead.
std::string available_templates(Context& context) {
  const Result<std::vector<DirectoryEntry>> entries =
      context.kernel().files().list(context.node.template_directory + "/cache");
  std::string names;
  if (entries)
    for (const DirectoryEntry& entry : *entries)
      if (entry.kind == FileKind::directory) names += (names.empty() ? "" : ", ") + entry.name;
  return names.empty() ? "no template is installed: see vzpkg" : "installed are: " + names;
}

Status check_template(Context& context, const CtSettings& settings) {
  const std::string tree = template_tree(context.node, settings);
  TH_ASSIGN(const std::optional<FileInfo> cache, context.kernel().files().stat(tree));
  if (!cache || cache->kind != FileKind::directory)
    return refusal(
               settings.id,
               "the cache of the OS template " + settings.ostemplate + " was not found at " + tree,
               ErrorCode::not_found, ExitCode::no_ostemplate)
        .with_hint(available_templates(context));
  for (const char* program : {"/sbin/init", "/bin/sh"}) {
    TH_ASSIGN(const bool there, context.kernel().files().exists_inside(tree, program));
    if (!there)
      return refusal(settings.id, "the OS template " + settings.ostemplate + " has no " + program,
                     ErrorCode::not_found, ExitCode::bad_template);
  }
  return {};
}

Status check_free_names(Context& context, const Plan& plan) {
  const CtSettings& settings = plan.settings;
  TH_ASSIGN(const std::optional<FileInfo> area,
            context.kernel().files().stat(settings.private_area));
  if (area)
    return refusal(settings.id, "Private area already exists in " + settings.private_area,
                   ErrorCode::exists, ExitCode::private_area_exists)
        .with_hint("choose another number, or move it away");
  if (!plan.name.empty()) {
    TH_TRY(check_name(plan.name));
    TH_ASSIGN(const std::optional<CtId> owner,
              find_name(context.kernel(), context.layout(), plan.name));
    if (owner && *owner != settings.id)
      return refusal(settings.id, "the name \"" + plan.name + "\" belongs to CT " + owner->text(),
                     ErrorCode::exists, ExitCode::set_name);
  }
  return network::check_free(context.kernel(), settings.id, settings.addresses);
}

Status check_space(Context& context, const CtSettings& settings, bool force) {
  TH_ASSIGN(const DiskInfo disk, context.kernel().host().disk(settings.private_area));
  if (disk.available.value == 0)
    return refusal(settings.id, "no space is left for " + settings.private_area,
                   ErrorCode::no_space, ExitCode::no_disk_space);
  if (!force && disk.available < kAdvisedSpace)
    context.reporter.warn("less than 10 GB are free for " + settings.private_area);
  return {};
}

Result<Plan> make_plan(Context& context, CtId id, const CreateOptions& options) {
  Kernel& kernel = context.kernel();
  const std::string sample = options.sample.empty() ? context.node.default_sample : options.sample;
  Plan plan;
  TH_ASSIGN(plan.file, load_sample(kernel, context.layout(), sample));
  const std::string path = context.layout().container_config(id);
  TH_ASSIGN(const CtSettings from_sample, interpret_ct_settings(plan.file, context.node, id, path));
  TH_ASSIGN(const std::string ostemplate, choose_ostemplate(context, id, options, from_sample));
  TH_ASSIGN(const HostInfo host, kernel.host().info());
  TH_ASSIGN(const std::string uuid, make_uuid(kernel, id));
  TH_TRY(describe(plan.file, options, sample, ostemplate, host, uuid));
  TH_ASSIGN(const CtSettings before, interpret_ct_settings(plan.file, context.node, id, path));
  TH_ASSIGN(const std::vector<KeyChange> changes,
            parse_parameters(options.parameters, {before, context.node, host, &plan.file}));
  TH_TRY(apply_changes(plan.file, changes));
  TH_ASSIGN(plan.settings, interpret_ct_settings(plan.file, context.node, id, path));
  plan.temporary = plan.settings.private_area + ".tmp";
  plan.name = plan.settings.name;
  TH_ASSIGN(const std::optional<FileInfo> config, kernel.files().stat(path));
  plan.replaces_config = config.has_value();
  return plan;
}

/// The journal: until CTID.conf is there everything can be taken back; it is written last.
Intent intent_of(Context& context, const Plan& plan) {
  const CtSettings& settings = plan.settings;
  const std::string config = context.layout().container_config(settings.id);
  Intent intent;
  intent.operation = "create";
  // A configuration that is replaced cannot serve as the mark of completion.
  if (!plan.replaces_config) intent.committed_when = config;
  intent.back = {{StepKind::unmount, settings.root, {}},
                 {StepKind::remove_file, settings.root, {}},
                 {StepKind::remove_quota_tree, plan.temporary, {}},
                 {StepKind::remove_quota_tree, settings.private_area, {}}};
  if (plan.replaces_config) intent.back.push_back({StepKind::rename, config + kReplaced, config});
  if (!plan.name.empty())
    intent.forward.push_back(
        {StepKind::make_symlink, context.layout().names_directory() + "/" + plan.name, config});
  return intent;
}

/// What its distribution does to each new system.
Status post_create(Context& context, const Plan& plan) {
  TH_ASSIGN(const Distribution distribution, find_distribution(context, plan.settings));
  if (!distribution.script("POST_CREATE")) return {};
  TH_TRY(configure_new_system(
      context, plan.settings, plan.temporary,
      {{"POST_CREATE", {{"VE_ROOT", ""}, {"VEID", plan.settings.id.text()}}}}));
  context.reporter.say("Postcreate action done");
  return {};
}

Status build_private_area(Context& context, const Plan& plan) {
  Kernel& kernel = context.kernel();
  Files& files = kernel.files();
  const auto build = [&]() -> Status {
    TH_TRY(make_directories(files, parent_directory(plan.temporary)));
    TH_TRY(kernel.quotas().create_tree(plan.temporary));
    TH_TRY(files.make_directory(plan.temporary + "/fs"));
    TH_TRY(files.make_directory(plan.temporary + "/work", 0700));
    TH_TRY(files.sync(plan.temporary));
    return {};
  };
  if (Status built = build(); !built)
    return with_default_exit_code(std::move(built).error(), ExitCode::cannot_create_private);
  TH_TRY(post_create(context, plan));
  const auto finish = [&]() -> Status {
    TH_TRY(kernel.quotas().rename_tree(plan.temporary, plan.settings.private_area));
    return files.sync(parent_directory(plan.settings.private_area));
  };
  if (Status finished = finish(); !finished)
    return with_default_exit_code(std::move(finished).error(), ExitCode::cannot_create_private);
  TH_ASSIGN(const resource::ApplyReport applied,
            resource::apply_disk_limit(kernel, plan.settings, /*strict=*/false));
  for (const std::string& warning : applied.warnings) context.reporter.warn(warning);
  return {};
}

Status run_create(Context& context, const Plan& plan) {
  const CtId id = plan.settings.id;
  context.reporter.say("Creating Container private area (" + plan.settings.ostemplate + ")");
  if (plan.replaces_config) {
    const std::string config = context.layout().container_config(id);
    context.reporter.warn("a configuration without private area was there; it is kept as " +
                          config + ".destroyed");
    TH_TRY(perform(context.kernel(), {StepKind::rename, config, config + kReplaced}));
  }
  TH_TRY(build_private_area(context, plan));
  // The point of no return: from here on it is a container.
  TH_TRY(save_container_config(context.kernel(), context.layout(), id, plan.file));
  context.reporter.say("Saved parameters for Container " + id.text());
  if (!plan.name.empty()) TH_TRY(set_name(context.kernel(), context.layout(), id, plan.name));
  context.reporter.say("Container private area " + plan.settings.private_area + " was created");
  return run_node_scripts(context, id, "create");
}

}  // namespace

Status create(Context& context, CtId id, const CreateOptions& options) {
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const Plan plan, make_plan(context, id, options));
  for (const std::string& note : parameter_notes(options.parameters)) context.reporter.warn(note);
  TH_TRY(check_free_names(context, plan));
  TH_TRY(check_template(context, plan.settings));
  TH_TRY(check_space(context, plan.settings, options.force));

  const Intent intent = intent_of(context, plan);
  const std::string journal = context.node.journal_file(id);
  TH_TRY(write_intent(kernel, journal, intent));
  Status result = run_create(context, plan);
  if (!result) {
    if (result.error().code == ErrorCode::node_down) return result;
    // Taken back by the very steps that recovery would use.
    const Status undone = replay_intent(kernel, intent);
    if (!undone) {
      result.error().detail += "; also failed: undoing: " + undone.error().message();
      return result;
    }
  }
  const Status cleared = clear_intent(kernel, journal, /*durable=*/true);
  if (!result || !cleared) return result ? cleared : result;
  if (!plan.replaces_config) return {};
  const std::string config = context.layout().container_config(id);
  return perform(kernel, {StepKind::rename, config + kReplaced, config + ".destroyed"});
}

}  // namespace twinhull::container
