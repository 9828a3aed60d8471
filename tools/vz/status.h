// What `vz status` shows: the service, and what it would do with each container.
#pragma once

#include <string>
#include <vector>

#include "runtime/service/prospect.h"

namespace twinhull::tools::vz_service {

struct ServiceStatus {
  bool started = false;  ///< by `vz start` since the boot, and not stopped after it
  bool enabled = true;   ///< VIRTUOZZO
  std::vector<service::Prospect> containers;  ///< in the order of a start
};

std::string status_text(const ServiceStatus& status);
std::string status_json(const ServiceStatus& status);

}  // namespace twinhull::tools::vz_service
