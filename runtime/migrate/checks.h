// What the destination looks at before anything is copied (spec F3.13).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/container/context.h"
#include "runtime/kernel/host.h"
#include "runtime/migrate/message.h"

namespace twinhull::migrate {

/// A container that wants to come, as the "check" message describes it.
struct Arrival {
  CtId id;
  std::string name;
  std::string uuid;
  std::string architecture;  ///< of the source
  std::vector<IpPrefix> addresses;
  std::string ostemplate;
  Bytes area;                             ///< size of the private area
  Bytes template_size;                    ///< 0: the source does not have it either
  bool online = false;                    ///< with its processes
  std::vector<std::string> cpu_features;  ///< of the source, ascending; empty = unknown
  bool operator==(const Arrival&) const = default;
};

Message arrival_message(const Arrival& arrival);
/// Errors: protocol; invalid_argument for a number or name that this node would not take.
Result<Arrival> parse_arrival(const Message& message);

struct ArrivalChecks {
  std::vector<Problem> problems;
  bool template_present = false;
  EnginePace pace;            ///< of checkpoints here
  std::string no_lazy_pages;  ///< why processes cannot run here before all of their memory is here
};

/// Every check runs, so that the operator sees all that stands in the way at once.
/// Errors: those of the ports.
Result<ArrivalChecks> check_arrival(container::Context& context, const Arrival& arrival);

/// A pace as fields of a message, and back. Errors: protocol.
std::map<std::string, std::string> pace_fields(const EnginePace& pace);
Result<EnginePace> parse_pace_fields(const Message& message);

/// Whether a template's tree is there and has content.
Result<bool> template_present(container::Context& context, const std::string& ostemplate);

/// [A-Za-z0-9._+-], no leading dot: a name that may become part of a path.
bool plain_template_name(std::string_view name);

}  // namespace twinhull::migrate
