// Disk I/O on the v2 controller io (Documentation/admin-guide/cgroup-v2, "IO Interface Files").
#include <fmt/format.h>

#include "backends/linux/cgroup/io_values.h"
#include "backends/linux/cgroup/v2_groups.h"

namespace twinhull::linux_backend {
namespace {

Error frame_of(const char* call, const CgroupPath& path) {
  return fail(ErrorCode::invalid_argument, fmt::format("cgroups.{}", call), "cgroup " + path.text,
              "");
}

}  // namespace

Result<std::string> V2Groups::weight_file(const CgroupPath& path, const BlockDevice& disk) {
  constexpr auto kCall = "set_io_weight";
  const auto at = directory(path);
  const Support bfq = bfq_support(tree(), disk);
  if (bfq.available && tree().exists(at + "/io.bfq.weight")) return at + "/io.bfq.weight";
  const auto costs = tree().read(layout().unified + "/io.cost.qos");
  if (costs && cost_model_on(*costs, disk) && tree().exists(at + "/io.weight")) {
    return at + "/io.weight";
  }
  return error(ErrorCode::not_supported, kCall, path,
               bfq.available ? "the kernel has no io.bfq.weight for the group" : bfq.reason);
}

Result<IoWeight> V2Groups::set_io_weight(const CgroupPath& path, const std::string& place,
                                         IoWeight weight) {
  constexpr auto kCall = "set_io_weight";
  TH_TRY(file(kCall, path, "io.stat"));
  TH_TRY(check_io_weight(frame_of(kCall, path), weight));
  TH_ASSIGN(const BlockDevice disk, tree().disk_of(place, "cgroups.set_io_weight"));
  TH_ASSIGN(const std::string name, weight_file(path, disk));
  TH_TRY(write(kCall, path, name, std::to_string(weight.value)));
  TH_ASSIGN(const std::string kept, read(kCall, path, name));
  return IoWeight{parse_io_weight(kept)};
}

Result<IoLimit> V2Groups::set_io_limits(const CgroupPath& path, const std::string& place,
                                        IoLimit limit) {
  constexpr auto kCall = "set_io_limits";
  TH_ASSIGN(const std::string name, file(kCall, path, "io.max"));
  TH_TRY(check_io_limit(frame_of(kCall, path), limit));
  TH_ASSIGN(const BlockDevice disk, tree().disk_of(place, "cgroups.set_io_limits"));
  TH_TRY(write(kCall, path, name, io_max_line(disk, limit)));
  TH_ASSIGN(const std::string kept, read(kCall, path, name));
  return parse_io_max(kept, disk);
}

Status V2Groups::add_io_limits(const CgroupPath& path, const std::string& place,
                               CgroupLimits& limits) {
  constexpr auto kCall = "limits";
  const auto name = directory(path) + "/io.max";
  if (!tree().exists(name)) return {};
  auto disk = tree().disk_of(place, "cgroups.limits");
  if (!disk) {
    if (disk.error().code == ErrorCode::not_supported) return {};
    return std::move(disk).error();
  }
  TH_ASSIGN(const std::string kept, read(kCall, path, name));
  limits.io = parse_io_max(kept, *disk);
  const auto weights = weight_file(path, *disk);
  if (!weights) return {};  // nothing heeds them there
  TH_ASSIGN(const std::string weight, read(kCall, path, *weights));
  limits.io_weight = IoWeight{parse_io_weight(weight)};
  return {};
}

}  // namespace twinhull::linux_backend
