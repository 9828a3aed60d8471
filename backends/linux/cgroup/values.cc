#include "backends/linux/cgroup/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "backends/linux/errno_error.h"

namespace twinhull::linux_backend {

bool valid_quota(const CpuQuota& quota) {
  return quota.quota >= milliseconds(1) && quota.period >= milliseconds(1) &&
         quota.period <= seconds(1);
}

std::uint64_t in_microseconds(Duration length) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(length).count());
}

Duration from_microseconds(std::uint64_t count) {
  return microseconds(static_cast<std::int64_t>(count));
}

std::uint64_t unlimited_if_huge(std::uint64_t bytes) {
  // PAGE_COUNTER_MAX pages in bytes; older kernels had all bits of a signed number.
  constexpr std::uint64_t kHuge =
      static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / kPageSize * kPageSize;
  return bytes >= kHuge ? kUnlimited : bytes;
}

std::uint64_t round_down_to_pages(std::uint64_t bytes) {
  return bytes == kUnlimited ? bytes : bytes / kPageSize * kPageSize;
}

std::uint64_t saturated_sum(std::uint64_t a, std::uint64_t b) {
  if (a == kUnlimited || b == kUnlimited || a + b < a) return kUnlimited;
  return unlimited_if_huge(a + b);
}

std::string number_or_max(std::uint64_t value) {
  return value == kUnlimited ? "max" : std::to_string(value);
}

Result<CpuSet> read_cpus(CgroupTree& tree, const std::string& file) {
  auto text = tree.read(file);
  if (!text) return system_error("cgroups.set_cpus", file, text.error(), "cannot read the CPUs");
  while (text->ends_with('\n')) text->pop_back();
  auto set = CpuSet::parse(*text);
  if (!set) return fail(ErrorCode::corrupt, "cgroups.set_cpus", file, "no CPU list: " + *text);
  return std::move(*set);
}

Status check_cpus(Error frame, const CpuSet& cpus, const CpuSet& allowed) {
  if (cpus.cpus.empty()) {
    frame.detail = "an empty CPU set leaves no CPU to run on";
    return frame;
  }
  for (const auto cpu : cpus.cpus) {
    if (std::ranges::binary_search(allowed.cpus, cpu)) continue;
    frame.detail = fmt::format("CPU {} is not among those of the parent group", cpu);
    frame.hint = fmt::format("choose from {}", allowed.text());
    return frame;
  }
  return {};
}

Status check_memory_nodes(Error frame, const CpuSet& nodes, const CpuSet& allowed) {
  if (nodes.cpus.empty()) {
    frame.detail = "an empty set of memory nodes leaves no memory to use";
    return frame;
  }
  for (const auto node : nodes.cpus) {
    if (std::ranges::binary_search(allowed.cpus, node)) continue;
    frame.detail = fmt::format("memory node {} is not among those of the parent group", node);
    frame.hint = fmt::format("choose from {}", allowed.text());
    return frame;
  }
  return {};
}

Result<std::string> device_line(Error frame, const DeviceRule& rule) {
  if (rule.type != 'b' && rule.type != 'c') {
    frame.detail = fmt::format("a device is 'c' or 'b', not '{}'", rule.type);
    return frame;
  }
  const auto number = [](const std::optional<std::uint32_t>& value) {
    return value ? std::to_string(*value) : std::string("*");
  };
  std::string access;
  if (rule.read) access += 'r';
  if (rule.write) access += 'w';
  if (rule.mknod) access += 'm';
  if (access.empty()) {
    frame.detail = fmt::format("the rule for {} {}:{} allows nothing", rule.type,
                               number(rule.major), number(rule.minor));
    return frame;
  }
  return fmt::format("{} {}:{} {}", rule.type, number(rule.major), number(rule.minor), access);
}

}  // namespace twinhull::linux_backend
