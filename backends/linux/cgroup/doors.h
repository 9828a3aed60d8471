// How a new process gets into its control groups.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "backends/linux/cgroup/layout.h"
#include "backends/linux/unique_fd.h"
#include "runtime/kernel/cgroup_path.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Open files through which a child process enters its groups by itself. It enters v1 groups by
/// writing "0" to `tasks`: for the writing thread itself the kernel skips the lock over all forks
/// and exits of the machine, which attaching by number takes each time. The v2 group is entered at
/// birth (CLONE_INTO_CGROUP), which needs no such lock either.
struct CgroupDoors {
  UniqueFd unified;               ///< directory of the v2 group; empty = no v2 tree
  std::string unified_directory;  ///< its path
  std::vector<UniqueFd> tasks;    ///< v1 hierarchies, all but devices
  UniqueFd devices_tasks;         ///< v1 devices: entered after the device nodes were made
  std::string pids_directory;     ///< v1 pids group; empty = none
  std::vector<std::string> names; ///< directories of `tasks`, then of devices: for messages
};

/// The doors of a group of the node. Errors: not_found.
Result<CgroupDoors> open_group_doors(const CgroupLayout& layout, const std::string& prefix,
                                     const CgroupPath& path);

/// The doors of the groups that a process is in. Errors: not_running.
Result<CgroupDoors> open_process_doors(const CgroupLayout& layout, std::int32_t pid);

/// Moves the calling process with all its threads into a group of the node, in every hierarchy.
/// Errors: not_found (no such group), those of the kernel.
Status enter_group(const CgroupLayout& layout, const std::string& prefix, const CgroupPath& path);

/// Group of a hierarchy in the text of /proc/PID/cgroup: `controller` is a v1 controller,
/// "name=systemd", or empty for v2. Empty = not listed.
std::string group_in(std::string_view proc_pid_cgroup, std::string_view controller);

}  // namespace twinhull::linux_backend
