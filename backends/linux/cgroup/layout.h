// Which control group hierarchies are mounted where.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// One mounted v1 hierarchy.
struct CgroupHierarchy {
  std::string mount;                     ///< "/sys/fs/cgroup/memory"
  std::string root;                      ///< group that the mount shows as its top: normally "/"
  std::vector<std::string> controllers;  ///< {"cpu","cpuacct"}, or {"name=systemd"}
  bool operator==(const CgroupHierarchy&) const = default;

  /// Controllers as mount options: "cpu,cpuacct".
  [[nodiscard]] std::string options() const;
  [[nodiscard]] bool named() const;  ///< a hierarchy without controller
};

/// How controllers are spread.
enum class CgroupLayoutKind : unsigned char {
  v1,      ///< controllers in v1 hierarchies, no v2 tree
  hybrid,  ///< controllers in v1 hierarchies, and a v2 tree (kill, freeze, events, pressure)
  v2,      ///< all controllers in the v2 tree
};

struct CgroupLayout {
  CgroupLayoutKind kind = CgroupLayoutKind::v1;
  std::vector<CgroupHierarchy> hierarchies;      ///< v1, in mount order; empty under v2
  std::string unified;                           ///< mount of the v2 tree; empty = none
  std::string unified_root = "/";                ///< group that this mount shows as its top
  bool delegates = false;                        ///< v2 tree is mounted with nsdelegate
  std::vector<std::string> unified_options;      ///< options of the v2 tree, nsdelegate among them
  std::vector<std::string> unified_controllers;  ///< cgroup.controllers of the v2 tree

  /// The v1 hierarchy of a controller, nullptr when none is mounted.
  [[nodiscard]] const CgroupHierarchy* hierarchy_of(std::string_view controller) const;
  [[nodiscard]] bool unified_has(std::string_view controller) const;
};

/// Builds the layout from the texts of /proc/self/mountinfo (proc(5)), /proc/cgroups and the v2
/// tree's cgroup.controllers. A hierarchy mounted twice counts once, where it was mounted first.
/// Errors: not_supported (no hierarchy with a controller).
Result<CgroupLayout> parse_cgroup_layout(std::string_view mountinfo, std::string_view proc_cgroups,
                                         std::string_view unified_controllers);

/// The layout of this machine.
Result<CgroupLayout> detect_cgroup_layout();

/// Mount point of the v2 tree in a mountinfo text; empty when there is none.
std::string unified_mount(std::string_view mountinfo);

}  // namespace twinhull::linux_backend
