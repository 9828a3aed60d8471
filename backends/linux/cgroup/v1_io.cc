// Disk I/O on the v1 controller blkio (Documentation/admin-guide/cgroup-v1/blkio-controller).
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "backends/linux/cgroup/io_values.h"
#include "backends/linux/cgroup/v1_groups.h"
#include "backends/linux/errno_error.h"

namespace twinhull::linux_backend {
namespace {

constexpr std::array<const char*, 4> kLimitFiles = {
    "blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device",
    "blkio.throttle.read_iops_device", "blkio.throttle.write_iops_device"};

Error frame_of(const char* call, const CgroupPath& path) {
  return fail(ErrorCode::invalid_argument, fmt::format("cgroups.{}", call), "cgroup " + path.text,
              "");
}

}  // namespace

Result<IoWeight> V1Groups::set_io_weight(const CgroupPath& path, const std::string& place,
                                         IoWeight weight) {
  constexpr auto kCall = "set_io_weight";
  TH_ASSIGN(const std::string name, file(kCall, path, "blkio", "blkio.bfq.weight"));
  TH_TRY(check_io_weight(frame_of(kCall, path), weight));
  TH_ASSIGN(const BlockDevice disk, tree().disk_of(place, "cgroups.set_io_weight"));
  if (const Support bfq = bfq_support(tree(), disk); !bfq.available) {
    return error(ErrorCode::not_supported, kCall, path, bfq.reason);
  }
  TH_TRY(write(kCall, path, name, std::to_string(weight.value)));
  TH_ASSIGN(const std::string kept, read(kCall, path, name));
  return IoWeight{parse_io_weight(kept)};
}

Result<IoLimit> V1Groups::set_io_limits(const CgroupPath& path, const std::string& place,
                                        IoLimit limit) {
  constexpr auto kCall = "set_io_limits";
  TH_ASSIGN(const std::string first, file(kCall, path, "blkio", kLimitFiles[0]));
  TH_TRY(check_io_limit(frame_of(kCall, path), limit));
  TH_ASSIGN(const BlockDevice disk, tree().disk_of(place, "cgroups.set_io_limits"));
  const auto directory = first.substr(0, first.rfind('/') + 1);
  const auto line = [&](std::uint64_t value) {
    // 0 lifts the limit; written even where there was none, because recent kernels begin to count
    // a disk's I/O only then.
    return fmt::format("{} {}", disk.number, value == kUnlimited ? 0 : value);
  };
  std::array<std::string, kLimitFiles.size()> earlier;
  for (std::size_t i = 0; i < kLimitFiles.size(); ++i) {
    TH_ASSIGN(const std::string text, read(kCall, path, directory + kLimitFiles[i]));
    earlier[i] = line(keyed_value(text, disk.number).value_or(kUnlimited));
  }
  for (std::size_t i = 0; i < kLimitFiles.size(); ++i) {
    const std::uint64_t value = i < 2 ? limit.bandwidth.value : limit.operations;
    Status done = write(kCall, path, directory + kLimitFiles[i], line(value));
    if (done) continue;
    while (i-- > 0) TH_TRY(write(kCall, path, directory + kLimitFiles[i], earlier[i]));
    return std::move(done).error();
  }
  return kept_io(kCall, path, directory, disk);
}

Result<IoLimit> V1Groups::kept_io(const char* call, const CgroupPath& path,
                                  const std::string& directory, const BlockDevice& disk) {
  IoLimit kept;
  for (std::size_t i = 0; i < kLimitFiles.size(); ++i) {
    TH_ASSIGN(const std::string text, read(call, path, directory + kLimitFiles[i]));
    const std::uint64_t value = keyed_value(text, disk.number).value_or(kUnlimited);
    std::uint64_t& target = i < 2 ? kept.bandwidth.value : kept.operations;
    target = std::min(target, value);
  }
  return kept;
}

Status V1Groups::add_io_limits(const CgroupPath& path, const std::string& place,
                               CgroupLimits& limits) {
  constexpr auto kCall = "limits";
  const auto* const blkio = layout().hierarchy_of("blkio");
  if (blkio == nullptr) return {};
  auto disk = tree().disk_of(place, "cgroups.limits");
  if (!disk) {
    if (disk.error().code == ErrorCode::not_supported) return {};
    return std::move(disk).error();
  }
  const auto directory = below(blkio->mount, path) + '/';
  if (tree().exists(directory + kLimitFiles[0])) {
    TH_ASSIGN(limits.io, kept_io(kCall, path, directory, *disk));
  }
  const auto weight = directory + "blkio.bfq.weight";
  if (bfq_support(tree(), *disk).available && tree().exists(weight)) {
    TH_ASSIGN(const std::string text, read(kCall, path, weight));
    limits.io_weight = IoWeight{parse_io_weight(text)};
  }
  return {};
}

Status V1Groups::add_io(const CgroupPath& path, IoSample& sample) {
  const auto* const blkio = layout().hierarchy_of("blkio");
  if (blkio == nullptr) return {};
  const auto at = below(blkio->mount, path);
  const auto counters = [&](const char* name, std::uint64_t& reads,
                            std::uint64_t& writes) -> Status {
    std::string file = at + name + "_recursive";
    if (!tree().exists(file)) file = at + name;  // before Linux 4.20
    if (!tree().exists(file)) return {};
    TH_ASSIGN(const std::string text, read("sample", path, file));
    add_v1_counters(text, reads, writes);
    return {};
  };
  TH_TRY(counters("/blkio.throttle.io_service_bytes", sample.read.value, sample.written.value));
  return counters("/blkio.throttle.io_serviced", sample.reads, sample.writes);
}

}  // namespace twinhull::linux_backend
