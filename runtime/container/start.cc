#include <optional>
#include <utility>

#include "runtime/container/apply.h"
#include "runtime/container/distribution.h"
#include "runtime/container/dump.h"
#include "runtime/container/group.h"
#include "runtime/container/live.h"
#include "runtime/container/oom.h"
#include "runtime/container/operations.h"
#include "runtime/container/privileges.h"
#include "runtime/container/recovery.h"
#include "runtime/container/root_mount.h"
#include "runtime/container/scripts.h"
#include "runtime/container/up_mark.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/mounts.h"
#include "runtime/network/venet.h"
#include "runtime/node/exit_codes.h"
#include "runtime/node/journal.h"
#include "runtime/node/undo.h"

namespace twinhull::container {
namespace {

constexpr const char* kInit = "/sbin/init";
constexpr const char* kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr unsigned kMknodBit = 27;

Error refusal(CtId id, std::string_view what, ErrorCode code, ExitCode exit_code) {
  return fail(code, "container.start", "CT " + id.text(), what).with_exit_code(to_int(exit_code));
}

/// What can be refused before the container is touched.
Status check_startable(Context& context, const CtSettings& settings, const StartOptions& options) {
  TH_ASSIGN(const std::optional<ProcessRef> init,
            context.kernel().processes().find(label_of(settings.id)));
  if (init) {
    // Makes up for a mark that a full disk has refused.
    TH_TRY(note_up(context, settings));
    return refusal(settings.id, "Container is already running", ErrorCode::already_running,
                   ExitCode::already_running);
  }
  if (settings.disabled && !options.force)
    return refusal(settings.id, "Container start disabled", ErrorCode::not_permitted,
                   ExitCode::start_disabled)
        .with_hint("use --force, or enable it with: vzctl set " + settings.id.text() +
                   " --disabled no --save");
  return check_sources(context, settings);
}

SpawnSpec spawn_spec(const CtSettings& settings, CapabilitySet capabilities) {
  SpawnSpec spec;
  spec.label = label_of(settings.id);
  spec.root = settings.root;
  spec.argv = {kInit};
  spec.environment = {{"container", "twinhull"}, {"PATH", kPath}, {"HOME", "/"}, {"TERM", "linux"}};
  for (const EnvironmentVariable& variable : settings.environment)
    spec.environment.push_back(variable);
  spec.hostname = settings.hostname.empty() ? "ct" + settings.id.text() : settings.hostname;
  spec.cgroup = group_of(settings.id);
  spec.capabilities = capabilities;
  if (const auto files = resource::open_files_limit(settings)) spec.limits.push_back(*files);
  return spec;
}

Result<ProcessRef> spawn_init(Context& context, const CtSettings& settings, const OomPolicy& oom,
                              UndoList& undo) {
  Kernel& kernel = context.kernel();
  const CtId id = settings.id;
  TH_ASSIGN(const bool has_init, kernel.files().exists_inside(settings.root, kInit));
  if (!has_init)
    return refusal(id, "its template " + settings.ostemplate + " has no /sbin/init",
                   ErrorCode::not_found, ExitCode::bad_template)
        .with_hint("install a complete template");
  TH_ASSIGN(CapabilitySet capabilities, capabilities_of(settings.capabilities));
  TH_TRY(make_group(context, settings, undo));
  // Without device rules it must not be able to make device nodes at all.
  TH_ASSIGN(const bool restricted, restrict_devices(context, id));
  if (!restricted) capabilities.mask &= ~(std::uint64_t{1} << kMknodBit);
  // From its first instruction on a state that was suspended does not fit any more.
  TH_ASSIGN(const Effect discarded, discard_dump(kernel, dump_path(context.node, id)));
  if (discarded == Effect::changed)
    context.reporter.say("The suspended state is discarded");
  SpawnSpec spec = spawn_spec(settings, capabilities);
  spec.oom_adjust = oom_adjust_of(oom, kInit);
  tell_guarantee(context, oom);
  for (const ResourceLimit& limit : spec.limits)
    context.reporter.say("Setting open files limit: " + std::to_string(limit.hard) +
                         " for each process");
  Result<ProcessRef> init = kernel.processes().spawn(spec);
  if (!init && !spec.limits.empty() && init.error().code == ErrorCode::not_permitted) {
    TH_ASSIGN(const Support support, kernel.host().supports(Feature::raise_limits));
    if (!support.available) {
      // The samples of legacy containers ask for more than such a node has: it must start anyway.
      context.reporter.warn("numfile is above what this node can give, and its own limit stays: " +
                            support.reason);
      spec.limits.clear();
      init = kernel.processes().spawn(spec);
    }
  }
  if (!init) return with_default_exit_code(std::move(init).error(), ExitCode::create_environment);
  undo.add(UndoList::When::on_failure, {StepKind::kill_init, label_of(id), {}});
  return init;
}

/// What the running system must be told. Nothing to set: no script, no shell.
Status configure_inside(Context& context, const CtSettings& settings, ProcessRef init) {
  std::vector<DistributionAction> actions;
  if (!settings.addresses.empty()) actions.push_back(add_ip_action(settings, /*starting=*/true));
  if (!settings.hostname.empty()) actions.push_back(set_hostname_action(settings));
  if (!settings.nameservers.empty() || !settings.searchdomains.empty()) {
    TH_ASSIGN(DistributionAction action, set_dns_action(context, settings));
    actions.push_back(std::move(action));
  }
  const Status done =
      run_distribution_actions(context, settings, {init, {}}, actions, /*required=*/false);
  if (done || done.error().code == ErrorCode::node_down ||
      done.error().code == ErrorCode::interrupted)
    return done;
  // It runs and its network works; its files say something older.
  context.reporter.warn("the system inside could not be configured: " + done.error().message());
  return {};
}

Status wait_until_up(Context& context, const CtSettings& settings, ProcessRef init) {
  const Status up = run_distribution_actions(context, settings, {init, {}}, {{"WAIT_START", {}}},
                                             /*required=*/false);
  if (up) return {};
  if (up.error().code == ErrorCode::node_down) return up;
  return refusal(settings.id, "the system inside did not come up", ErrorCode::failed,
                 ExitCode::wait_failed)
      .caused_by(up.error());
}

Status run_start(Context& context, const CtSettings& settings, const StartOptions& options,
                 bool mounted, UndoList& undo) {
  const CtId id = settings.id;
  const bool scripts = !options.skip_setup;
  TH_TRY(forget_live(context, id));
  if (!mounted) {
    TH_TRY(mount_root(context, settings, scripts));
    undo.add(UndoList::When::on_failure, "unmount " + settings.root,
             [&context, &settings, scripts] { return unmount_root(context, settings, scripts); });
  }
  TH_ASSIGN(const OomPolicy oom, oom_policy(context, settings));
  TH_ASSIGN(const ProcessRef init, spawn_init(context, settings, oom, undo));
  if (!settings.addresses.empty())
    undo.add(UndoList::When::on_failure, {StepKind::remove_link, network::node_device(id), {}});
  TH_TRY(add_network(context, id, init, settings.addresses));
  if (scripts) {
    TH_TRY(configure_inside(context, settings, init));
    TH_TRY(run_inside_script(context, id, init, "start"));
  }
  // What runs by now; the guarantee is init's from the start and inherited.
  if (!options.wait) {
    TH_TRY(apply_oom(context, id, init, oom));
    context.reporter.say("Container start in progress...");
    return {};
  }
  TH_TRY(wait_until_up(context, settings, init));
  TH_TRY(apply_oom(context, id, init, oom));
  context.reporter.say("Container was started");
  return {};
}

}  // namespace

Status start(Context& context, CtId id, const StartOptions& options) {
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const CtSettings settings,
            load_ct_settings(kernel, context.layout(), context.node, id));
  TH_TRY(check_startable(context, settings, options));
  TH_ASSIGN(const std::optional<MountInfo> mounted, kernel.mounts().find(settings.root));

  context.reporter.say("Starting Container ...");
  Intent intent;
  intent.operation = "start";
  intent.durable = false;
  if (mounted) intent.facts["stays_mounted"] = "yes";
  const std::string journal = context.node.journal_file(id);
  TH_TRY(write_intent(kernel, journal, intent));
  UndoList undo(kernel);
  Status result = run_start(context, settings, options, mounted.has_value(), undo);
  if (result) result = note_up(context, settings);
  result = undo.close(std::move(result));
  if (!undo.clean()) return result;
  const Status cleared = clear_intent(kernel, journal, /*durable=*/false);
  return result ? cleared : result;
}

}  // namespace twinhull::container
