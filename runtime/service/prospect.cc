#include "runtime/service/prospect.h"

#include <algorithm>
#include <set>
#include <utility>

#include "runtime/config/container_index.h"
#include "runtime/container/state.h"
#include "runtime/container/up_mark.h"
#include "runtime/kernel/processes.h"
#include "runtime/service/patient.h"

namespace twinhull::service {
namespace {

AtStart start_action(const Prospect& one, const container::State& state) {
  if (!one.comes_back || state.running()) return AtStart::nothing;
  return state.suspended ? AtStart::resume : AtStart::start;
}

Result<Prospect> look_at(container::Context& context, CtId id) {
  Kernel& kernel = context.kernel();
  Prospect one;
  one.id = id;
  auto settings = load_ct_settings(kernel, context.layout(), context.node, id);
  if (!settings && ends_everything(settings.error())) return settings.error();
  TH_ASSIGN(const container::State state,
            settings ? container::observe(kernel, context.layout(), context.node, *settings)
                     : container::observe(kernel, context.layout(), context.node, id));
  one.status = state.word();
  if (state.running())
    one.at_stop = AtStop::stop;
  else if (state.mounted)
    one.at_stop = AtStop::umount;
  if (!settings) {
    one.trouble = std::move(settings).error();
    return one;
  }
  one.name = settings->name;
  one.onboot = settings->onboot;
  one.bootorder = settings->bootorder;
  one.autostop = settings->autostop;
  one.disabled = settings->disabled;
  TH_ASSIGN(const bool was_up, container::was_up(kernel, context.node, id));
  one.comes_back = one.onboot.value_or(was_up) && !one.disabled;
  one.at_start = start_action(one, state);
  if (state.running() && suspends_at_stop(context.node, *settings)) one.at_stop = AtStop::suspend;
  return one;
}

}  // namespace

std::string_view to_string(AtStart action) {
  switch (action) {
    case AtStart::nothing: break;
    case AtStart::start: return "start";
    case AtStart::resume: return "resume";
  }
  return "-";
}

std::string_view to_string(AtStop action) {
  switch (action) {
    case AtStop::nothing: break;
    case AtStop::suspend: return "suspend";
    case AtStop::stop: return "stop";
    case AtStop::umount: return "umount";
  }
  return "-";
}

bool suspends_at_stop(const NodeConfig& node, const CtSettings& settings) {
  return node.suspend_at_shutdown.value_or(settings.autostop != "stop");
}

Result<std::vector<Prospect>> look_ahead(container::Context& context) {
  TH_ASSIGN(const std::vector<CtId> configured,
            list_containers(context.kernel(), context.layout()));
  std::set<CtId> ids(configured.begin(), configured.end());
  TH_ASSIGN(const std::vector<LabeledProcess> inits, context.kernel().processes().list());
  for (const LabeledProcess& init : inits)
    if (const Result<CtId> id = parse_ctid(init.label)) ids.insert(*id);
  std::vector<Prospect> all;
  for (const CtId id : ids) {
    Result<Prospect> one = look_at(context, id);
    if (!one) {
      if (ends_everything(one.error())) return one.error();
      // What cannot be looked at may run.
      Prospect unknown;
      unknown.id = id;
      unknown.status = "unknown";
      unknown.at_stop = AtStop::stop;
      unknown.trouble = std::move(one).error();
      one = std::move(unknown);
    }
    all.push_back(std::move(*one));
  }
  std::stable_sort(all.begin(), all.end(), [](const Prospect& left, const Prospect& right) {
    return left.bootorder > right.bootorder;  // std::nullopt is less than any number
  });
  return all;
}

}  // namespace twinhull::service
