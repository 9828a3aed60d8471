// What is known about one container when the table is made.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/config/ct_settings.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/quotas.h"

namespace twinhull::tools::list {

/// Which facts the wanted columns and filters need: nothing else is asked for.
struct Needs {
  bool config = false;  ///< CTID.conf
  bool status = false;  ///< beyond running or not: mounted, paused, suspended
  bool cgroup = false;  ///< figures of the running container
  bool quota = false;   ///< disk usage
  bool uptime = false;
  bool network = false;  ///< addresses and devices as they are now
};

enum class Status : std::uint8_t { stopped, suspended, mounted, paused, running };

struct Row {
  CtId id;
  Status status = Status::stopped;
  std::optional<ProcessRef> init;
  std::optional<CtSettings> settings;  ///< absent: not asked for, or unreadable
  bool ez_template = false;            ///< OSTEMPLATE starts with a dot
  std::optional<CgroupSample> sample;
  std::optional<TreeUsage> usage;
  std::optional<Duration> uptime;
  std::vector<std::string> addresses;  ///< routed now
  std::string device;                  ///< its device on the node, empty when it has none
  std::string device_mac;
  std::optional<std::uint64_t> cpu_limit_percent;
  [[nodiscard]] bool running() const { return init.has_value(); }
};

}  // namespace twinhull::tools::list
