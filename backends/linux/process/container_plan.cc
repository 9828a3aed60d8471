#include "backends/linux/process/container_plan.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "backends/linux/process/launch.h"

namespace twinhull::linux_backend {
namespace {

constexpr const char* kTop = "/sys/fs/cgroup";
constexpr const char* kName = "name=";

int resource_of(ResourceLimit::Kind kind) {
  switch (kind) {
    case ResourceLimit::Kind::open_files: return RLIMIT_NOFILE;
    case ResourceLimit::Kind::core_size: return RLIMIT_CORE;
    case ResourceLimit::Kind::locked_memory: return RLIMIT_MEMLOCK;
    case ResourceLimit::Kind::processes: return RLIMIT_NPROC;
  }
  return RLIMIT_NOFILE;
}

rlim_t limit_value(std::uint64_t value) {
  return value == kUnlimited ? RLIM_INFINITY : value;
}

}  // namespace

std::vector<CgroupMount> container_cgroup_mounts(const CgroupLayout& layout) {
  if (layout.kind == CgroupLayoutKind::v2) {
    return {{.directory = kTop,
             .type = "cgroup2",
             .options = {},
             .writable = layout.delegates,
             .aliases = {}}};
  }
  std::vector<CgroupMount> mounts;
  for (const auto& hierarchy : layout.hierarchies) {
    CgroupMount mount{.directory = {},
                      .type = "cgroup",
                      .options = hierarchy.options(),
                      .writable = hierarchy.named(),
                      .aliases = {}};
    auto name = mount.options;
    if (name.starts_with(kName)) name.erase(0, std::string_view(kName).size());
    mount.directory = std::string(kTop) + '/' + name;
    if (hierarchy.controllers.size() > 1) {
      for (const auto& controller : hierarchy.controllers) {
        mount.aliases.push_back(std::string(kTop) + '/' + controller);
      }
    }
    // An attribute such as "none,name=systemd" is how a hierarchy without controller is mounted.
    if (hierarchy.named()) mount.options = "none," + mount.options;
    mounts.push_back(std::move(mount));
  }
  if (!layout.unified.empty()) {
    mounts.push_back({.directory = std::string(kTop) + "/unified",
                      .type = "cgroup2",
                      .options = {},
                      .writable = true,
                      .aliases = {}});
  }
  return mounts;
}

std::vector<Limit> plan_limits(const std::vector<ResourceLimit>& limits) {
  std::vector<Limit> planned;
  for (const auto& limit : limits) {
    planned.push_back(
        {.resource = resource_of(limit.kind),
         .value = {.rlim_cur = limit_value(limit.soft), .rlim_max = limit_value(limit.hard)}});
  }
  return planned;
}

std::vector<Limit> limits_of(pid_t pid) {
  using Kind = ResourceLimit::Kind;
  std::vector<Limit> limits;
  for (const auto kind :
       {Kind::open_files, Kind::core_size, Kind::locked_memory, Kind::processes}) {
    Limit limit{.resource = resource_of(kind), .value = {}};
    if (::syscall(SYS_prlimit64, pid, limit.resource, nullptr, &limit.value) == 0) {
      limits.push_back(limit);
    }
  }
  return limits;
}

int last_capability() {
  int last = CAP_LAST_CAP;
  // A kernel older than the headers knows fewer, a younger one more.
  while (last > 0 && ::prctl(PR_CAPBSET_READ, last, 0, 0, 0) < 0) --last;
  while (last < 63 && ::prctl(PR_CAPBSET_READ, last + 1, 0, 0, 0) >= 0) ++last;
  return last;
}

ChildPlan plan_container(const SpawnSpec& spec, const CgroupLayout& layout) {
  ChildPlan plan;
  plan.program = make_program(spec.argv, spec.environment, "/");
  // By this an init finds out that it runs in a container (systemd's container interface).
  add_default(plan.program, "container", "twinhull");
  plan.program.seal();
  plan.own_root = true;
  plan.root = spec.root;
  plan.hostname = spec.hostname;
  plan.console_log = spec.console_log;
  plan.cgroup_mounts = container_cgroup_mounts(layout);
  plan.user_namespace = spec.user_namespace.has_value();
  // Under v2 the device program acts from the process's birth, and it seldom allows mknod.
  plan.bind_devices = plan.user_namespace || layout.kind == CgroupLayoutKind::v2;
  plan.limits = plan_limits(spec.limits);
  plan.restrict_capabilities = true;
  plan.capabilities = spec.capabilities.mask;
  plan.last_capability = last_capability();
  return plan;
}

CapabilitySet maintenance_capabilities() {
  CapabilitySet set;
  // What package scripts, adduser, chpasswd and chown -R need.
  for (const int bit : {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID,
                        CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_NET_BIND_SERVICE,
                        CAP_SYS_CHROOT, CAP_MKNOD, CAP_AUDIT_WRITE, CAP_SETFCAP}) {
    set.mask |= std::uint64_t{1} << bit;
  }
  return set;
}

ChildPlan plan_in_root(const std::string& root, const ExecSpec& spec) {
  ChildPlan plan;
  plan.program = make_program(spec.argv, spec.environment, spec.directory);
  plan.own_root = true;
  plan.root = root;
  plan.inner_init = true;
  plan.restrict_capabilities = true;
  plan.capabilities = maintenance_capabilities().mask;
  plan.last_capability = last_capability();
  return plan;
}

}  // namespace twinhull::linux_backend
