#include "tools/vzasysd/tick.h"

#include <fmt/format.h>

#include <map>
#include <string>
#include <utility>

#include "runtime/config/container_index.h"
#include "runtime/container/burst.h"
#include "runtime/container/live.h"
#include "runtime/container/locked.h"
#include "runtime/container/node_itself.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/processes.h"
#include "runtime/resource/burst.h"
#include "runtime/resource/resources.h"
#include "tools/vzasysd/state_file.h"

namespace twinhull::tools::asys {
namespace {

using resource::BurstDecision;

/// What ends the whole look, whichever container it came up with.
bool ends_everything(const Error& error) {
  return error.code == ErrorCode::node_down || error.code == ErrorCode::interrupted;
}
/// A container that just went away is no trouble.
bool vanished(const Error& error) {
  return error.code == ErrorCode::not_found || error.code == ErrorCode::not_running;
}

class Look {
 public:
  Look(container::Context& context, Duration window)
      : context_(context), kernel_(context.kernel()), window_(window) {}

  Result<TickReport> run() {
    TH_ASSIGN(host_, kernel_.host().info());
    TH_ASSIGN(const resource::BurstState earlier, load_state(kernel_, context_.layout()));
    resource::BurstState state;
    state.boot = earlier.boot;
    TH_ASSIGN(const std::vector<CtId> ids, list_containers(kernel_, context_.layout()));
    TH_ASSIGN(const std::vector<LabeledProcess> inits, kernel_.processes().list());
    std::map<std::string, ProcessRef> alive;
    for (const LabeledProcess& one : inits) alive.emplace(one.label, one.init);
    std::vector<Found> found;
    for (const CtId id : ids) {
      const auto init = alive.find(container::label_of(id));
      if (init == alive.end()) continue;
      const auto record = earlier.records.find(id);
      auto made =
          look_at(id, init->second,
                  record == earlier.records.end() ? resource::BurstRecord{} : record->second);
      if (!made) {
        TH_TRY(tell(id, made.error()));
        continue;
      }
      if (!*made) continue;
      state.records.emplace(id, (*made)->record);
      found.push_back(std::move(**made));
    }
    // A node without burst control gets no file.
    if (state != earlier) TH_TRY(save_state(kernel_, context_.layout(), state));
    for (Found& one : found) {
      if (const Status acted = act(one); !acted) TH_TRY(tell(one.observed.id, acted.error()));
      report_.containers.push_back(std::move(one.observed));
    }
    return std::move(report_);
  }

 private:
  struct Found {
    Observed observed;
    CtSettings settings;
    resource::BurstRecord record;
  };

  /// std::nullopt: not under burst control.
  Result<std::optional<Found>> look_at(CtId id, ProcessRef init, resource::BurstRecord record) {
    TH_ASSIGN(ContainerConfig config, container::load_effective_config(context_, id));
    const CtSettings& settings = config.settings;
    if (!settings.burst_controlled() && !settings.burst_imposed) return std::optional<Found>{};
    TH_ASSIGN(const CgroupSample sample, kernel_.cgroups().sample(container::group_of(id)));
    resource::take_reading(record, init, {kernel_.clock().now(), sample.cpu.usage}, window_);
    Found made;
    made.observed.id = id;
    made.observed.name = settings.name;
    TH_ASSIGN(made.observed.reference, resource::burst_reference(settings, host_));
    made.observed.threshold = settings.burst_average;
    made.observed.burst_limit = settings.burst_cpulimit;
    made.observed.imposed = settings.burst_imposed.has_value();
    if (const auto average = resource::average_use(record, window_))
      made.observed.average = *average * 100 / made.observed.reference;
    made.record = std::move(record);
    made.settings = std::move(config.settings);
    return std::optional(std::move(made));
  }

  Status act(Found& one) {
    const BurstDecision decision = resource::decide_burst(one.settings, one.observed.average);
    Observed& seen = one.observed;
    if (decision == BurstDecision::keep) {
      if (!seen.imposed) return {};
      TH_ASSIGN(const bool in_force, holds(one.settings));
      if (in_force) return {};
      // BURST_CPULIMIT of vz.conf was changed meanwhile.
      return set(seen.id, one.settings.burst_imposed);
    }
    const bool impose = decision == BurstDecision::impose;
    std::optional<BurstImposed> reason;
    if (impose) reason = BurstImposed{seen.average.value_or(0), window_};
    TH_TRY(set(seen.id, reason));
    seen.imposed = impose;
    seen.changed = true;
    context_.reporter.about(seen.id);
    context_.reporter.say(
        impose
            ? fmt::format("CT {}: burst limit of {}% imposed: average use is {}.{:02}% of {}%, "
                          "above {}%",
                          seen.id.text(), seen.burst_limit, *seen.average / 100,
                          *seen.average % 100, seen.reference, seen.threshold)
            : fmt::format("CT {}: burst limit taken back: {}", seen.id.text(),
                          one.settings.burst_controlled()
                              ? fmt::format("average use is {}.{:02}% of {}%", *seen.average / 100,
                                            *seen.average % 100, seen.reference)
                              : std::string("burst control is off")));
    return {};
  }

  Status set(CtId id, const std::optional<BurstImposed>& imposed) {
    return container::with_lock(context_, id, "setting",
                                [&] { return container::set_burst(context_, id, imposed); });
  }

  /// Whether the kernel holds the container to what the settings say.
  Result<bool> holds(const CtSettings& settings) {
    TH_ASSIGN(const CgroupLimits kept,
              kernel_.cgroups().limits(container::group_of(settings.id), ""));
    TH_ASSIGN(const resource::ResourcePlan plan, resource::plan_resources(settings, host_));
    return kept.quota == plan.quota;
  }

  /// The trouble of one container; an error only when it is everybody's.
  Status tell(CtId id, const Error& error) {
    if (ends_everything(error)) return error;
    if (vanished(error)) return {};
    context_.reporter.about(id);
    if (error.code == ErrorCode::in_progress) {
      context_.reporter.detail(error.message() + "; its turn is at the next look");
      return {};
    }
    context_.reporter.warn(error.message());
    report_.failed = true;
    return {};
  }

  container::Context& context_;
  Kernel& kernel_;
  Duration window_;
  HostInfo host_;
  TickReport report_;
};

}  // namespace

Result<TickReport> tick(container::Context& context, Duration window) {
  if (const Status up = container::bring_up_node_itself(context); !up) {
    if (ends_everything(up.error())) return up.error();
    context.reporter.warn(up.error().message());
  }
  return Look(context, window).run();
}

}  // namespace twinhull::tools::asys
