#include "backends/linux/cgroup/cgroups.h"

#include <fmt/format.h>

#include <utility>

#include "backends/linux/cgroup/io_values.h"
#include "backends/linux/cgroup/v1_groups.h"
#include "backends/linux/cgroup/v2_groups.h"

namespace twinhull::linux_backend {
namespace {

/// The controller that a feature needs, and a file of it where more than its presence matters.
struct Need {
  const char* controller;
  const char* v1_file = nullptr;
};

Need need_of(Feature feature) {
  switch (feature) {
    case Feature::cpu_shares: return {"cpu"};
    case Feature::cpu_quota: return {"cpu", "cpu.cfs_quota_us"};
    case Feature::cpuset: return {"cpuset"};
    case Feature::memory_limit: return {"memory"};
    case Feature::swap_limit: return {"memory", "memory.memsw.limit_in_bytes"};
    case Feature::memory_high:
    case Feature::memory_low: return {"memory"};
    case Feature::pids_limit: return {"pids"};
    case Feature::device_rules: return {"devices"};
    default: return {"freezer"};
  }
}

Support v1_support(const CgroupLayout& layout, Feature feature, const Need& need) {
  const auto* const hierarchy = layout.hierarchy_of(need.controller);
  if (hierarchy == nullptr) {
    return {false, fmt::format("the cgroup v1 controller {} is not mounted", need.controller)};
  }
  const auto tree = make_posix_tree();
  // The root group has no quota files, but every other has; only swap accounting is optional.
  if (feature == Feature::swap_limit && !tree->exists(hierarchy->mount + '/' + need.v1_file)) {
    return {false, fmt::format("this kernel does not account swap ({} is absent)", need.v1_file)};
  }
  return {true, fmt::format("cgroup v1 controller {}", need.controller)};
}

}  // namespace

std::unique_ptr<Cgroups> make_cgroups(const std::string& prefix, CgroupLayout layout,
                                      std::unique_ptr<CgroupTree> tree) {
  switch (layout.kind) {
    case CgroupLayoutKind::v1:
      return std::make_unique<V1Groups>(prefix, std::move(layout), std::move(tree));
    case CgroupLayoutKind::hybrid:
      return std::make_unique<HybridGroups>(prefix, std::move(layout), std::move(tree));
    case CgroupLayoutKind::v2:
      break;
  }
  return std::make_unique<V2Groups>(prefix, std::move(layout), std::move(tree));
}

Result<std::unique_ptr<Cgroups>> make_cgroups(const NodeOptions& options) {
  TH_ASSIGN(CgroupLayout layout, detect_cgroup_layout());
  return make_cgroups(options.cgroup_prefix, std::move(layout), make_posix_tree());
}

Support cgroup_support(Feature feature) {
  const auto layout = detect_cgroup_layout();
  if (!layout) return {false, layout.error().detail};
  if (feature == Feature::freezer && !layout->unified.empty()) {
    return {true, "cgroup v2 cgroup.freeze"};
  }
  if (feature == Feature::memory_high && layout->kind != CgroupLayoutKind::v2) {
    return {false, "cgroup v1 has no memory bound that slows down (memory.high is of cgroup v2)"};
  }
  if (feature == Feature::memory_low && layout->kind != CgroupLayoutKind::v2) {
    return {false, "cgroup v1 guarantees no memory to a group (memory.low is of cgroup v2)"};
  }
  const auto need = need_of(feature);
  if (layout->kind != CgroupLayoutKind::v2) return v1_support(*layout, feature, need);
  if (feature == Feature::device_rules) return {true, "cgroup v2 device program (BPF)"};
  if (!layout->unified_has(need.controller)) {
    return {false, fmt::format("the cgroup v2 tree has no controller {}", need.controller)};
  }
  return {true, fmt::format("cgroup v2 controller {}", need.controller)};
}

Support io_support(Feature feature, const std::string& place) {
  const auto layout = detect_cgroup_layout();
  if (!layout) return {false, layout.error().detail};
  const bool v2 = layout->kind == CgroupLayoutKind::v2;
  const auto* const hierarchy = layout->hierarchy_of("blkio");
  if (v2 && !layout->unified_has("io")) return {false, "the cgroup v2 tree has no controller io"};
  if (!v2 && hierarchy == nullptr) {
    return {false, "the cgroup v1 controller blkio is not mounted"};
  }
  const auto tree = make_posix_tree();
  const auto disk = tree->disk_of(place, "host.supports");
  if (!disk) return {false, disk.error().message()};
  if (feature == Feature::io_limit) {
    if (!v2 && !tree->exists(hierarchy->mount + "/blkio.throttle.read_bps_device")) {
      return {false, "this kernel has no I/O throttling (CONFIG_BLK_DEV_THROTTLING)"};
    }
    return {true, fmt::format("cgroup {} on disk {}", v2 ? "v2 io.max" : "v1 blkio.throttle",
                              disk->name)};
  }
  if (v2) {
    const auto text = tree->read(layout->unified + "/io.cost.qos");
    if (text && cost_model_on(*text, *disk)) {
      return {true, fmt::format("cgroup v2 io.weight on disk {}", disk->name)};
    }
  }
  return bfq_support(*tree, *disk);
}

}  // namespace twinhull::linux_backend
