// From a SpawnSpec to what the child does.
#pragma once

#include <string>
#include <vector>

#include "backends/linux/cgroup/layout.h"
#include "backends/linux/process/child_plan.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Control groups as a container sees them: v1 hierarchies read-only but for name=systemd, the v2
/// tree writable where that cannot lift a limit (beside v1 controllers, or with nsdelegate).
std::vector<CgroupMount> container_cgroup_mounts(const CgroupLayout& layout);

/// Limits as setrlimit(2) takes them.
std::vector<Limit> plan_limits(const std::vector<ResourceLimit>& limits);

/// Limits that another process has now, of those that ResourceLimit knows.
std::vector<Limit> limits_of(pid_t pid);

/// Highest capability that this kernel knows; higher bits of a mask mean nothing to it.
int last_capability();

/// The plan of an init without its doors and its seccomp filter.
ChildPlan plan_container(const SpawnSpec& spec, const CgroupLayout& layout);

/// Capabilities of programs that run in the root of a container that is not running.
CapabilitySet maintenance_capabilities();

/// The plan of a program in a root of its own, without its seccomp filter.
ChildPlan plan_in_root(const std::string& root, const ExecSpec& spec);

}  // namespace twinhull::linux_backend
