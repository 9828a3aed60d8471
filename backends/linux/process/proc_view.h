// The limited view of /proc: files of lxcfs(1) that show a container its own memory and CPUs.
#pragma once

#include <string>

#include "backends/linux/linux_kernel.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// The files that lxcfs answers for, below its "proc" and below /proc of a container: memory and
/// swap by the memory group, processors by cpuset and quota, uptime of the container's init.
inline constexpr const char* kProcViewFiles[] = {"cpuinfo", "meminfo", "stat", "swaps", "uptime"};
inline constexpr int kProcViewCount = sizeof kProcViewFiles / sizeof kProcViewFiles[0];

/// Whether this node can show the limited view: it wants to, FUSE is there, lxcfs is installed.
Support proc_view_support(const NodeOptions& options);

/// Directory with those files. Starts the node's one lxcfs, a daemon that outlives the command, on
/// RUN_DIRECTORY/lxcfs with its number in RUN_DIRECTORY/lxcfs.pid; a dead one is replaced.
/// Precondition: proc_view_support. Errors: failed (lxcfs says why), those of the files.
Result<std::string> open_proc_view(const NodeOptions& options);

}  // namespace twinhull::linux_backend
