#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "runtime/config/container_index.h"
#include "runtime/container/live.h"
#include "runtime/container/operations.h"
#include "runtime/container/set_live.h"
#include "runtime/container/state.h"
#include "runtime/container/up_mark.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/mounts.h"
#include "runtime/network/venet.h"
#include "runtime/node/exit_codes.h"
#include "runtime/node/journal.h"
#include "runtime/node/undo.h"
#include "runtime/resource/beancounters.h"

namespace twinhull::container {
namespace {

/// One side of a change: what is saved, or what runs.
struct Change {
  ContainerConfig before;
  std::vector<KeyChange> keys;
  ContainerConfig after;
};

struct Plan {
  Change saved;  ///< against CTID.conf
  Change live;   ///< against what the running container has
  std::optional<ProcessRef> init;
  bool mounted = false;
  bool renames = false;            ///< NAME changes
  std::vector<std::string> later;  ///< options that a running container takes at its next start
  std::vector<std::string> idle;   ///< options that do nothing without --save
};

Error refusal(CtId id, const std::string& what, ExitCode code) {
  return fail(ErrorCode::invalid_argument, "container.set", "CT " + id.text(), what)
      .with_exit_code(to_int(code));
}

bool holds(const CtSettings& settings, const std::string& address) {
  const std::optional<IpPrefix> prefix = IpPrefix::parse(address);
  return prefix &&
         std::any_of(settings.addresses.begin(), settings.addresses.end(),
                     [&](const IpPrefix& entry) { return entry.address == prefix->address; });
}

/// What runs and what is saved may differ by earlier changes without --save. An address that only
/// one side has can be deleted there and is no mistake on the other.
std::vector<ParameterRequest> requests_for(const CtSettings& side, const CtSettings& other,
                                           const std::vector<ParameterRequest>& requests) {
  std::vector<ParameterRequest> kept;
  for (const ParameterRequest& request : requests) {
    ParameterRequest copy = request;
    const Parameter* parameter = find_parameter(request.option);
    if (parameter != nullptr && parameter->option == "ipdel")
      std::erase_if(copy.values, [&](const std::string& address) {
        return !holds(side, address) && holds(other, address);
      });
    if (!copy.values.empty()) kept.push_back(std::move(copy));
  }
  return kept;
}

/// The keys that --applyconfig takes over. A sample with a value that makes no sense is refused as
/// a whole, before anything happens.
Result<std::vector<KeyChange>> keys_of_sample(Context& context, CtId id,
                                              const SetOptions& options) {
  const auto refused = [&](Error lower) {
    return fail(lower.code, "container.set", "CT " + id.text(),
                "cannot apply the sample \"" + options.sample + "\"")
        .with_exit_code(to_int(ExitCode::apply_sample))
        .caused_by(std::move(lower));
  };
  if (!options.save) return refusal(id, "--applyconfig needs --save", ExitCode::bad_command_line);
  Result<ConfigFile> sample = load_sample(context.kernel(), context.layout(), options.sample);
  if (!sample) return refused(std::move(sample).error());
  const auto sense = interpret_ct_settings(*sample, context.node, id,
                                           context.layout().sample_config(options.sample));
  if (!sense) return refused(sense.error());
  static const std::set<std::string_view> kOwn = {
      "OSTEMPLATE",        "TEMPLATES",      "TEMPLATE",
      "VE_ROOT",           "VE_PRIVATE",     "HOSTNAME",
      "IP_ADDRESS",        "EXT_IP_ADDRESS", "NAMESERVER",
      "SEARCHDOMAIN",      "NETIF",          "NAME",
      "DESCRIPTION",       "UUID",           "VE_TYPE",
      "DISTRIBUTION",      "TECHNOLOGIES",   "ORIGIN_SAMPLE",
      "CONFIG_CUSTOMIZED", "DISABLED"};
  std::vector<KeyChange> changes;
  for (const std::string& key : sample->keys())
    if (!kOwn.contains(key)) changes.push_back({key, sample->get(key)});
  changes.push_back({"ORIGIN_SAMPLE", options.sample});
  changes.push_back({"CONFIG_CUSTOMIZED", "no"});
  return changes;
}

/// --applyconfig_map: the only binding that a container has beside its file is its name.
Status check_map(Context& context, CtId id, const SetOptions& options) {
  if (options.sample_map.empty()) return {};
  if (options.sample_map != "name")
    return refusal(id, "--applyconfig_map \"" + options.sample_map + "\": there is no such binding",
                   ExitCode::apply_sample)
        .with_hint("accepted: name");
  if (!options.parameters.empty() || !options.sample.empty() || !options.passwords.empty())
    return refusal(id, "--applyconfig_map stands alone", ExitCode::bad_command_line)
        .with_hint("give the other options in a command of their own");
  TH_ASSIGN(const CtSettings settings,
            load_ct_settings(context.kernel(), context.layout(), context.node, id));
  if (settings.name.empty()) return {};
  const Status good = check_name(settings.name);
  const auto owner = find_name(context.kernel(), context.layout(), settings.name);
  if (owner && !*owner) return good;
  const auto refused = [&](Error lower) {
    return refusal(id, "its name cannot be bound again", ExitCode::apply_sample)
        .caused_by(std::move(lower));
  };
  if (!owner) return refused(owner.error());
  if (**owner == id) return good;
  return refused(fail(ErrorCode::exists, "container.set", "\"" + settings.name + "\"",
                      "the name belongs to CT " + (*owner)->text()));
}

/// Makes the link of the name, or removes stale ones; repeating it changes nothing.
Status restore_map(Context& context, CtId id) {
  TH_ASSIGN(const CtSettings settings,
            load_ct_settings(context.kernel(), context.layout(), context.node, id));
  const std::string journal = context.node.journal_file(id);
  Intent intent;
  intent.operation = "set";
  TH_TRY(write_intent(context.kernel(), journal, intent));
  // Recovery of "set" does the same: there is nothing to take back.
  TH_TRY(set_name(context.kernel(), context.layout(), id, settings.name));
  TH_TRY(clear_intent(context.kernel(), journal, /*durable=*/true));
  context.reporter.say(settings.name.empty()
                           ? "Container " + id.text() + " has no name"
                           : "Name of Container " + id.text() + ": " + settings.name);
  return {};
}

/// Options whose key changes by the sample and which a running container takes at its next start.
std::vector<std::string> kept_until_restart(const ConfigFile& file,
                                            std::span<const KeyChange> sample) {
  std::vector<std::string> options;
  for (const Parameter& parameter : parameters()) {
    if (parameter.live || parameter.key.empty()) continue;
    const auto key = std::find_if(sample.begin(), sample.end(), [&](const KeyChange& change) {
      return change.key == parameter.key;
    });
    if (key != sample.end() && file.get(key->key) != key->value)
      options.push_back("--" + std::string(parameter.option));
  }
  return options;
}

/// `before` with the keys of a sample over it.
Result<ContainerConfig> with_sample(Context& context, const ContainerConfig& before,
                                    std::span<const KeyChange> sample) {
  ContainerConfig middle = before;
  if (sample.empty()) return middle;
  TH_TRY(apply_changes(middle.file, sample));
  const CtId id = before.settings.id;
  TH_ASSIGN(middle.settings, interpret_ct_settings(middle.file, context.node, id,
                                                   context.layout().container_config(id)));
  return middle;
}

/// The sample's keys first, then what was asked for by name.
Result<Change> make_change(Context& context, CtId id, ContainerConfig before,
                           std::span<const KeyChange> sample,
                           std::span<const ParameterRequest> requests, const HostInfo& host) {
  Change change;
  TH_ASSIGN(ContainerConfig middle, with_sample(context, before, sample));
  TH_ASSIGN(change.keys,
            parse_parameters(requests, {middle.settings, context.node, host, &middle.file}));
  change.after.file = middle.file;
  TH_TRY(apply_changes(change.after.file, change.keys));
  for (const KeyChange& key : sample)
    if (std::none_of(change.keys.begin(), change.keys.end(),
                     [&](const KeyChange& other) { return other.key == key.key; }))
      change.keys.push_back(key);
  TH_ASSIGN(change.after.settings, interpret_ct_settings(change.after.file, context.node, id,
                                                         context.layout().container_config(id)));
  change.before = std::move(before);
  return change;
}

/// Sorts the requests by what they can do now.
Status sort_requests(CtId id, const SetOptions& options, Plan& plan) {
  for (const ParameterRequest& request : options.parameters) {
    const Parameter* parameter = find_parameter(request.option);
    if (parameter == nullptr) continue;  // parse_parameters has the better message
    const std::string option = "--" + std::string(parameter->option);
    if (parameter->needs_save && !options.save)
      return refusal(id, option + " needs --save", ExitCode::bad_command_line);
    const bool config_only =
        parameter->area == ParameterArea::identity || parameter->area == ParameterArea::life;
    if (config_only) {
      if (!options.save) plan.idle.push_back(option);
    } else if (!parameter->live) {
      plan.later.push_back(option);
    }
  }
  return {};
}

std::vector<IpPrefix> new_addresses(const Change& change) {
  std::vector<IpPrefix> added;
  const std::vector<IpPrefix>& had = change.before.settings.addresses;
  for (const IpPrefix& address : change.after.settings.addresses)
    if (std::none_of(had.begin(), had.end(),
                     [&](const IpPrefix& entry) { return entry.address == address.address; }))
      added.push_back(address);
  return added;
}

Status check_name_free(Context& context, CtId id, const std::string& name) {
  if (name.empty()) return {};
  TH_TRY(check_name(name));
  TH_ASSIGN(const std::optional<CtId> owner, find_name(context.kernel(), context.layout(), name));
  if (owner && *owner != id)
    return fail(ErrorCode::exists, "container.set", "CT " + id.text(),
                "the name \"" + name + "\" belongs to CT " + owner->text())
        .with_exit_code(to_int(ExitCode::set_name));
  return {};
}

Result<Plan> make_plan(Context& context, CtId id, const SetOptions& options) {
  Kernel& kernel = context.kernel();
  Plan plan;
  TH_TRY(sort_requests(id, options, plan));
  for (const std::string& password : options.passwords) TH_TRY(check_password(id, password));
  if (options.mode == SetMode::restart && !options.save)
    return refusal(id, "--setmode restart needs --save: a restart forgets unsaved changes",
                   ExitCode::bad_command_line);
  TH_ASSIGN(const HostInfo host, kernel.host().info());
  TH_ASSIGN(ContainerConfig config,
            load_container_config(kernel, context.layout(), context.node, id));
  TH_ASSIGN(plan.init, kernel.processes().find(label_of(id)));
  TH_ASSIGN(const std::optional<MountInfo> mount, kernel.mounts().find(config.settings.root));
  plan.mounted = mount.has_value();
  std::vector<ParameterRequest> requests = options.parameters;
  std::vector<KeyChange> sample;
  if (!options.sample.empty()) {
    TH_ASSIGN(sample, keys_of_sample(context, id, options));
    for (const std::string& option : kept_until_restart(config.file, sample))
      plan.later.push_back(option);
  }
  if (plan.init) {
    TH_ASSIGN(ContainerConfig effective, load_effective_config(context, id));
    requests = requests_for(config.settings, effective.settings, options.parameters);
    const std::vector<ParameterRequest> live_requests =
        requests_for(effective.settings, config.settings, options.parameters);
    TH_ASSIGN(plan.live,
              make_change(context, id, std::move(effective), sample, live_requests, host));
  }
  TH_ASSIGN(plan.saved, make_change(context, id, std::move(config), sample, requests, host));
  plan.renames = options.save && plan.saved.before.settings.name != plan.saved.after.settings.name;
  if (plan.renames) TH_TRY(check_name_free(context, id, plan.saved.after.settings.name));
  TH_TRY(network::check_free(kernel, id, new_addresses(plan.init ? plan.live : plan.saved)));
  return plan;
}

/// Writes CTID.conf, and the name beside it when that changes.
Status save(Context& context, CtId id, const Plan& plan, UndoList& undo) {
  Kernel& kernel = context.kernel();
  if (plan.renames) {
    const std::string before = plan.saved.before.settings.name;
    undo.add(UndoList::When::on_failure, "the earlier name", [&context, id, before] {
      return set_name(context.kernel(), context.layout(), id, before);
    });
    TH_TRY(set_name(kernel, context.layout(), id, plan.saved.after.settings.name));
  }
  if (plan.saved.keys.empty()) return {};
  // Registered first: a failed save may have replaced the file, only not for certain.
  const ConfigFile& earlier = plan.saved.before.file;
  undo.add(UndoList::When::on_failure, "the earlier configuration", [&context, id, &earlier] {
    return save_container_config(context.kernel(), context.layout(), id, earlier);
  });
  return save_container_config(kernel, context.layout(), id, plan.saved.after.file);
}

Status set_passwords(Context& context, const Plan& plan, const SetOptions& options) {
  for (const std::string& password : options.passwords)
    TH_TRY(set_password(context, plan.saved.before.settings, password, options.crypted));
  return {};
}

Status run_set(Context& context, CtId id, const SetOptions& options, const Plan& plan,
               UndoList& undo) {
  if (plan.init) {
    TH_TRY(
        apply_live(context, plan.live.before.settings, plan.live.after.settings, *plan.init, undo));
  } else if (plan.mounted && options.save) {
    TH_TRY(apply_live_disk(context, plan.saved.before.settings, plan.saved.after.settings, undo));
  }
  // Last of what may fail and first of what cannot be taken back.
  if (plan.init) TH_TRY(set_passwords(context, plan, options));
  if (options.save) TH_TRY(save(context, id, plan, undo));
  if (plan.init) {
    const Change& change = options.save ? plan.saved : plan.live;
    TH_TRY(record_live(context, id, change.keys, options.save));
    // Whether it is up was of no importance before.
    if (options.save && plan.saved.before.settings.onboot && !plan.saved.after.settings.onboot)
      TH_TRY(note_up(context, plan.saved.after.settings));
  }
  return {};
}

/// What was named on this command line and has no mechanism behind it.
void tell_unenforced(Context& context, const SetOptions& options, const Plan& plan) {
  const CtSettings& after = (plan.init ? plan.live : plan.saved).after.settings;
  const std::vector<std::string> idle = resource::unenforced_settings(after);
  std::string names;
  for (const ParameterRequest& request : options.parameters) {
    const Parameter* parameter = find_parameter(request.option);
    if (parameter == nullptr) continue;
    std::string name(parameter->option);
    std::replace(name.begin(), name.end(), '-', '_');
    if (std::find(idle.begin(), idle.end(), name) != idle.end())
      names += (names.empty() ? "" : ", ") + name;
  }
  if (!names.empty())
    context.reporter.warn("kept and shown, but no mechanism of this kernel enforces: " + names);
}

/// One of the two burst parameters alone does nothing.
void tell_half_burst(Context& context, const SetOptions& options, const Plan& plan) {
  const CtSettings& after = (plan.init ? plan.live : plan.saved).after.settings;
  if ((after.burst_average == 0) == (after.burst_cpulimit == 0)) return;
  const auto named = [](const ParameterRequest& request) {
    const Parameter* parameter = find_parameter(request.option);
    return parameter != nullptr && parameter->option.starts_with("burst-");
  };
  if (std::none_of(options.parameters.begin(), options.parameters.end(), named)) return;
  context.reporter.warn(std::string("burst control does nothing without ") +
                        (after.burst_average == 0 ? "--burst_cpu_avg_usage" : "--burst_cpulimit"));
}

void tell_limits_of_effect(Context& context, const SetOptions& options, const Plan& plan) {
  tell_unenforced(context, options, plan);
  tell_half_burst(context, options, plan);
  if (!plan.init && !options.save && !options.parameters.empty())
    context.reporter.warn("Container is not running: there is nothing to apply; use --save");
  if (!plan.init || plan.later.empty() || options.mode != SetMode::warn) return;
  std::string names;
  for (const std::string& name : plan.later) names += (names.empty() ? "" : ", ") + name;
  context.reporter.warn("unable to set " + names + " on running Container; restart it for that");
}

}  // namespace

Status set(Context& context, CtId id, const SetOptions& options) {
  Kernel& kernel = context.kernel();
  if (!options.sample_map.empty()) {
    TH_TRY(check_map(context, id, options));
    return restore_map(context, id);
  }
  if (options.parameters.empty() && options.passwords.empty() && options.sample.empty())
    return refusal(id, "no parameter was given", ExitCode::bad_command_line)
        .with_hint("see vzctl set --help");
  TH_ASSIGN(const Plan plan, make_plan(context, id, options));
  if (plan.init && !options.passwords.empty()) TH_TRY(require_awake(kernel, id));
  tell_limits_of_effect(context, options, plan);
  for (const std::string& note : parameter_notes(options.parameters)) context.reporter.warn(note);

  // A container that is down is mounted for its passwords, under a journal of its own.
  if (!plan.init) TH_TRY(set_passwords(context, plan, options));

  // One atomic write needs no journal; several effects do.
  const bool journaled = plan.init || plan.renames;
  const std::string journal = context.node.journal_file(id);
  Intent intent;
  intent.operation = "set";
  intent.durable = plan.renames;
  if (journaled) TH_TRY(write_intent(kernel, journal, intent));
  UndoList undo(kernel);
  const Status result = undo.close(run_set(context, id, options, plan, undo));
  if (!undo.clean()) return result;
  if (journaled) {
    const Status cleared = clear_intent(kernel, journal, intent.durable);
    if (result && !cleared) return cleared;
  }
  TH_TRY(result);
  if (options.save) context.reporter.say("Saved parameters for Container " + id.text());
  if (plan.init && options.mode == SetMode::restart && !plan.later.empty())
    return restart(context, id, {}, {});
  return {};
}

}  // namespace twinhull::container
