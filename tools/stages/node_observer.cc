#include "tools/stages/node_observer.h"

#include <utility>

namespace twinhull::tools {

using scenario::CallFault;

std::optional<Error> NodeObserver::before(const Call& call) {
  const auto gone = [&] {
    return fail(ErrorCode::node_down, call.name, call.object, "the command was killed");
  };
  if (killed_) return gone();
  ++calls_.count;
  if (!calls_.fault) return std::nullopt;
  const CallFault& fault = *calls_.fault;
  if (!fault.call.empty() && fault.call != call.name) return std::nullopt;
  if (call.object.find(fault.object) == std::string_view::npos) return std::nullopt;
  if (++calls_.matching < fault.nth) return std::nullopt;
  const CallFault acting = *std::exchange(calls_.fault, std::nullopt);
  switch (acting.effect) {
    case CallFault::Effect::fail: {
      Error error = fail(acting.code, call.name, call.object, "made to fail by the scenario");
      error.injected = true;
      return error;
    }
    case CallFault::Effect::kill:
      killed_ = true;
      calls_.kill_caller();
      return gone();
    case CallFault::Effect::power_cut:
    case CallFault::Effect::power_cut_all:
      killed_ = true;
      if (acting.effect == CallFault::Effect::power_cut)
        calls_.cut_power();
      else
        calls_.cut_all_power();
      return fail(ErrorCode::node_down, call.name, call.object, "the node has lost its power");
    case CallFault::Effect::cut_links: calls_.cut_links(); return std::nullopt;
    case CallFault::Effect::fill_disk: calls_.fill_disk(); return std::nullopt;
  }
  return std::nullopt;
}

std::optional<Error> NodeObserver::after(const Call&, const CallOutcome&) {
  return std::nullopt;
}

}  // namespace twinhull::tools
