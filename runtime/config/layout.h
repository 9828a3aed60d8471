// Where a node keeps its files (spec R1), below one configurable root.
#pragma once

#include <string>

#include "runtime/kernel/units.h"

namespace twinhull {

/// Paths of one node. `root` is "" for a whole machine, or a directory for one of several nodes
/// side by side. Values that vz.conf states (VE_ROOT, TEMPLATE, LOCKDIR …) are full paths and win
/// over these defaults; see NodeConfig.
struct Layout {
  std::string root;

  [[nodiscard]] std::string global_config() const { return root + "/etc/vz/vz.conf"; }
  [[nodiscard]] std::string oom_groups() const { return root + "/etc/vz/oom-groups.conf"; }
  [[nodiscard]] std::string config_directory() const { return root + "/etc/vz/conf"; }
  [[nodiscard]] std::string names_directory() const { return root + "/etc/vz/names"; }
  [[nodiscard]] std::string distributions_directory() const { return root + "/etc/vz/conf/dists"; }
  [[nodiscard]] std::string container_config(CtId id) const {
    return config_directory() + "/" + id.text() + ".conf";
  }
  [[nodiscard]] std::string sample_config(const std::string& name) const {
    return config_directory() + "/ve-" + name + ".conf-sample";
  }
  [[nodiscard]] std::string data_directory() const { return root + "/vz"; }
  [[nodiscard]] std::string log_file() const { return root + "/var/log/vzctl.log"; }
};

}  // namespace twinhull
