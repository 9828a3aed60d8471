// Values of control files: checks and conversions that v1 and v2 share.
#pragma once

#include <cstdint>
#include <string>

#include "backends/linux/cgroup/tree.h"
#include "runtime/kernel/cgroups.h"

namespace twinhull::linux_backend {

inline constexpr const char* kQuotaRange =
    "a CPU quota is at least 1 ms, its period 1 ms to 1 s";
/// Whether quota and period are in the ranges of CpuQuota.
bool valid_quota(const CpuQuota& quota);
std::uint64_t in_microseconds(Duration length);
Duration from_microseconds(std::uint64_t count);

/// The largest counter of the memory controller stands for "no limit".
std::uint64_t unlimited_if_huge(std::uint64_t bytes);
std::uint64_t round_down_to_pages(std::uint64_t bytes);
/// kUnlimited when either is, or when the sum does not fit.
std::uint64_t saturated_sum(std::uint64_t a, std::uint64_t b);
/// "max" for kUnlimited.
std::string number_or_max(std::uint64_t value);

/// A cpuset file as a set. Errors: as the file's errno says; corrupt.
Result<CpuSet> read_cpus(CgroupTree& tree, const std::string& file);
/// Refuses an empty set, and CPUs outside `allowed`, with `frame` as the error to fill.
Status check_cpus(Error frame, const CpuSet& cpus, const CpuSet& allowed);
/// The same for memory nodes.
Status check_memory_nodes(Error frame, const CpuSet& nodes, const CpuSet& allowed);

/// A rule as devices.allow takes it: "c 1:3 rwm". Refuses a type other than 'b' and 'c', and a
/// rule that allows nothing, with `frame` as the error to fill.
Result<std::string> device_line(Error frame, const DeviceRule& rule);

}  // namespace twinhull::linux_backend
