#include "scenarios/engine/accident.h"

#include <algorithm>

namespace twinhull::scenario {

std::string_view to_string(Accident accident) {
  switch (accident) {
    case Accident::power: return "power";
    case Accident::both: return "both";
    case Accident::link: return "link";
    case Accident::blink: return "blink";
    case Accident::tool: return "tool";
    case Accident::disk: return "disk";
  }
  return "power";
}

std::optional<Accident> parse_accident(std::string_view name) {
  const auto found = std::find_if(kAccidents.begin(), kAccidents.end(),
                                  [&](Accident accident) { return to_string(accident) == name; });
  return found == kAccidents.end() ? std::nullopt : std::optional(*found);
}

bool needs_several_nodes(Accident accident) {
  return accident == Accident::both || accident == Accident::link || accident == Accident::blink;
}

bool cuts_power(Accident accident) {
  return accident == Accident::power || accident == Accident::both;
}

CallFault fault_of(Accident accident, std::uint64_t call) {
  CallFault fault;
  fault.nth = call;
  switch (accident) {
    case Accident::power: fault.effect = CallFault::Effect::power_cut; break;
    case Accident::both: fault.effect = CallFault::Effect::power_cut_all; break;
    case Accident::link:
    case Accident::blink: fault.effect = CallFault::Effect::cut_links; break;
    case Accident::tool: fault.effect = CallFault::Effect::kill; break;
    case Accident::disk: fault.effect = CallFault::Effect::fill_disk; break;
  }
  return fault;
}

}  // namespace twinhull::scenario
